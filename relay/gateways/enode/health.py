"""How Enode and the vendors behind it are doing."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from relay.gateways.enode.api import Call, EnodeApi
from relay.gateways.enode.fields import JsonObject, required, text, word
from relay.gateways.enode.retry import Repeat

UNREADY = 503


class VendorStatus(StrEnum):
    """How well a vendor's service works through Enode."""

    READY = "READY"
    ELEVATED_ERROR_RATE = "ELEVATED_ERROR_RATE"
    OUTAGE = "OUTAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorHealth:
    """A vendor that this client may link. A status that we do not know stays the text that Enode sent."""

    vendor: str
    display_name: str | None
    portal_name: str | None
    """What the vendor calls the account its customers sign in with."""
    status: VendorStatus | str | None
    linking_status: VendorStatus | str | None

    @classmethod
    def read(cls, source: JsonObject, operation: str) -> Self:
        """From Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            vendor=required(source, "vendor", operation),
            display_name=text(source, "displayName"),
            portal_name=text(source, "portalName"),
            status=word(source, "status", VendorStatus),
            linking_status=word(source, "linkingStatus", VendorStatus),
        )


class Health:
    """Calls about health."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def is_ready(self) -> bool:
        """Whether Enode says it works; needs no credentials. Raises EnodeUnavailable when it says nothing at all."""
        call = Call(
            method="GET",
            route="/health/ready",
            accepts=frozenset({UNREADY}),
            authorized=False,
            repeat=Repeat.IF_NOT_DONE,
        )
        return (await self._api.send(call)).status != UNREADY

    async def vehicle_vendors(self) -> tuple[VendorHealth, ...]:
        """Every vehicle vendor that this client may link."""
        call = Call(method="GET", route="/health/vehicles")
        return tuple(VendorHealth.read(item, call.operation) for item in await self._api.get_objects(call))
