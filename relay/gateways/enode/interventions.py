"""Interventions: steps a user must take before a capability of a vehicle works."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import parse_datetime, parse_object, parse_text, require_text
from relay.kit.json_object import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """A step for the user, described in the requested language. Vendors and the other texts are open sets."""

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
    """Remote or Physical (at the vehicle)."""
    agent: str | None
    """User or ThirdParty."""
    action: str | None
    """Link if linking again solves it."""

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse Enode's JSON. Raises EnodeProtocolError."""
        resolution = parse_object(source, "resolution") or {}
        return cls(
            id=require_text(source, "id", operation),
            vendor=parse_text(source, "vendor"),
            vendor_type=parse_text(source, "vendorType"),
            brand=parse_text(source, "brand"),
            introduced_at=parse_datetime(source, "introducedAt"),
            domain=parse_text(source, "domain"),
            title=parse_text(resolution, "title"),
            description=parse_text(resolution, "description"),
            access=parse_text(resolution, "access"),
            agent=parse_text(resolution, "agent"),
            action=parse_text(resolution, "action"),
        )


class Interventions:
    """Calls about interventions. `language` is a tag such as nl-NL; Enode falls back to en-US."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def list(
        self, *, language: str | None = None, vendor: str | None = None, vendor_type: str | None = None
    ) -> tuple[Intervention, ...]:
        """Return every intervention that Enode defines, of one vendor or of all."""
        parameters = {"language": language, "vendor": vendor, "vendorType": vendor_type}
        query = {key: value for key, value in parameters.items() if value is not None}
        call = ApiCall(method="GET", route="/interventions", query=query)
        return tuple(Intervention.from_json(item, call.operation) for item in await self._api.get_objects(call))

    async def get(self, intervention_id: str, *, language: str | None = None) -> Intervention:
        """Return the intervention. Raises EnodeNotFound."""
        query = {"language": language} if language else {}
        call = ApiCall(method="GET", route="/interventions/{}", ids=(intervention_id,), query=query)
        return Intervention.from_json(await self._api.get_object(call), call.operation)
