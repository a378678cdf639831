"""Interventions: what a person must do before a capability of a vehicle works."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from relay.gateways.enode.api import Call, EnodeApi
from relay.gateways.enode.fields import JsonObject, member, moment, required, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Something for a person to do, told in the language asked for. Vendors' names and words are open sets."""

    id: str
    vendor: str | None
    vendor_type: str | None
    brand: str | None
    introduced_at: datetime | None
    domain: str | None
    """Account or Device."""
    title: str | None = field(repr=False)
    description: str | None = field(repr=False)
    """Markdown."""
    access: str | None
    """Remote, or Physical: at the vehicle."""
    agent: str | None
    """User or ThirdParty."""
    action: str | None
    """Link when linking anew solves it."""

    @classmethod
    def read(cls, source: JsonObject, operation: str) -> Self:
        """From Enode's JSON. Raises EnodeProtocolError."""
        resolution = member(source, "resolution") or {}
        return cls(
            id=required(source, "id", operation),
            vendor=text(source, "vendor"),
            vendor_type=text(source, "vendorType"),
            brand=text(source, "brand"),
            introduced_at=moment(source, "introducedAt"),
            domain=text(source, "domain"),
            title=text(resolution, "title"),
            description=text(resolution, "description"),
            access=text(resolution, "access"),
            agent=text(resolution, "agent"),
            action=text(resolution, "action"),
        )


class Interventions:
    """Calls about interventions. `language` is a tag such as nl-NL; Enode falls back to en-US."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def list(
        self, *, language: str | None = None, vendor: str | None = None, vendor_type: str | None = None
    ) -> tuple[Intervention, ...]:
        """Every intervention there is, of a vendor or of all."""
        wanted = {"language": language, "vendor": vendor, "vendorType": vendor_type}
        query = {key: value for key, value in wanted.items() if value is not None}
        call = Call(method="GET", route="/interventions", query=query)
        return tuple(Intervention.read(item, call.operation) for item in await self._api.get_objects(call))

    async def get(self, intervention_id: str, *, language: str | None = None) -> Intervention:
        """The intervention. Raises EnodeNotFound."""
        query = {"language": language} if language else {}
        call = Call(method="GET", route="/interventions/{}", ids=(intervention_id,), query=query)
        return Intervention.read(await self._api.get_object(call), call.operation)
