"""The health of Enode and of the vendors behind it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import parse_enum, parse_text, require_text
from relay.gateways.enode.retry import RetryMode
from relay.kit.json_object import JsonObject

NOT_READY = 503


class VendorStatus(StrEnum):
    """How well a vendor's service works through Enode."""

    READY = "READY"
    ELEVATED_ERROR_RATE = "ELEVATED_ERROR_RATE"
    OUTAGE = "OUTAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorHealth:
    """A vendor that this client may link. An unknown status is kept as the text that Enode sent."""

    vendor: str
    display_name: str | None
    portal_name: str | None
    """The vendor's name for its customer accounts."""
    status: VendorStatus | str | None
    linking_status: VendorStatus | str | None

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            vendor=require_text(source, "vendor", operation),
            display_name=parse_text(source, "displayName"),
            portal_name=parse_text(source, "portalName"),
            status=parse_enum(source, "status", VendorStatus),
            linking_status=parse_enum(source, "linkingStatus", VendorStatus),
        )


class Health:
    """Calls about health."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def is_ready(self) -> bool:
        """Return whether Enode reports itself ready. Needs no credentials. Raises EnodeUnavailable without response."""
        call = ApiCall(
            method="GET",
            route="/health/ready",
            accepted_statuses=frozenset({NOT_READY}),
            is_authenticated=False,
            retry_mode=RetryMode.IF_NOT_PROCESSED,
        )
        return (await self._api.send(call)).status != NOT_READY

    async def list_vehicle_vendors(self) -> tuple[VendorHealth, ...]:
        """Return every vehicle vendor that this client may link."""
        call = ApiCall(method="GET", route="/health/vehicles")
        return tuple(VendorHealth.from_json(item, call.operation) for item in await self._api.get_objects(call))
