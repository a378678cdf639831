"""Enode's Locations, which give a vehicle's smart charging its time zone and tariff."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import parse_float, parse_text, require_text
from relay.gateways.enode.pagination import fetch_pages
from relay.gateways.enode.retry import RetryMode
from relay.kit.json_object import JsonObject

RATE_NAME = "RATE"
"""The name of the only rate of a tariff that doesn't change within a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationData:
    """What a Location is made of. `time_zone` is an IANA name."""

    name: str
    latitude: float | None = field(repr=False)
    longitude: float | None = field(repr=False)
    time_zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A Location of a user."""

    id: str
    data: LocationData

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            id=require_text(source, "id", operation),
            data=LocationData(
                name=parse_text(source, "name") or "",
                latitude=parse_float(source, "latitude"),
                longitude=parse_float(source, "longitude"),
                time_zone=parse_text(source, "timezoneName"),
            ),
        )


class Locations:
    """Calls about Locations and tariffs."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def list_for_user(self, user_id: str) -> AsyncIterator[Location]:
        """Yield the user's Locations."""
        async for page in fetch_pages(self._api, "/users/{}/locations", user_id):
            for item in page.items:
                yield Location.from_json(item, "GET /users/{}/locations")

    async def create(self, user_id: str, data: LocationData) -> Location:
        """Create a Location."""
        call = ApiCall(
            method="POST",
            route="/users/{}/locations",
            ids=(user_id,),
            body=_render(data),
            retry_mode=RetryMode.IF_NOT_PROCESSED,
        )
        return Location.from_json(await self._api.get_object(call), call.operation)

    async def update(self, location_id: str, data: LocationData) -> None:
        """Change a Location. Raises EnodeNotFound."""
        call = ApiCall(method="PUT", route="/locations/{}", ids=(location_id,), body=_render(data))
        await self._api.get_object(call)

    async def set_price(self, location_id: str, tariff_id: str, cost_per_kwh: str) -> None:
        """Charge this price, a decimal, at the Location, at all times. `tariff_id`: at most 36 characters, our own."""
        rates = [{"name": RATE_NAME, "cost": cost_per_kwh}]
        await self._api.send(ApiCall(method="PUT", route="/tariffs/{}", ids=(tariff_id,), body=rates))
        intervals = [{"name": RATE_NAME, "from": "00:00", "to": "24:00"}]
        await self._set_intervals(location_id, tariff_id, intervals)

    async def use_market_prices(self, location_id: str, tariff_id: str) -> None:
        """End a price that was set before: Enode uses market prices where a tariff has a gap."""
        call = ApiCall(method="GET", route="/locations/{}/tariff", ids=(location_id,))
        if await self._api.get_objects(call):
            await self._set_intervals(location_id, tariff_id, [])

    async def _set_intervals(self, location_id: str, tariff_id: str, intervals: list[dict[str, str]]) -> None:
        body = {"tariffId": tariff_id, "tariffIntervals": intervals}
        await self._api.send(ApiCall(method="PUT", route="/locations/{}/tariff", ids=(location_id,), body=body))


def _render(data: LocationData) -> JsonObject:
    return {
        "name": data.name,
        "latitude": data.latitude,
        "longitude": data.longitude,
        "timezoneName": data.time_zone,
    }
