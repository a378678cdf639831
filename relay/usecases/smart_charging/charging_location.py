"""Ensure that Enode has a Location for the home of a user: a deadline is UTC without one, and no price is known."""

from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.gateways.enode import EnodeClient
from relay.gateways.enode.locations import Location, LocationData
from relay.kit.database import Connection, fetch_one

LOCATION_NAME = "EVConduit home"
"""By its name the relay recognizes the Location that it has made."""

# A rate that was changed within a week follows the market, or a tariff of Enode's own would be better: it isn't sent.
FIND_HOME: LiteralString = """
select h.latitude, h.longitude, case when (
    select count(*) from electricity_rates r where r.user_id = h.user_id and r.valid_from > now() - interval '7 days'
) <= 1 then (
    select r.cost_per_kwh from electricity_rates r where r.user_id = h.user_id order by r.valid_from desc limit 1
) end as cost_per_kwh
from home_places h where h.user_id = %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """A user's home, and the price of a kWh there if it is the same at all times."""

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    cost_per_kwh: float | None


async def find_home(connection: Connection, user_id: UUID) -> Home | None:
    """Find the user's home and fixed price."""
    row = await fetch_one(connection, FIND_HOME, [user_id], dict_row)
    return None if row is None else Home(**row)


async def ensure_location(enode: EnodeClient, user_id: UUID, home: Home, time_zone: str) -> None:
    """Create or update the Location of the user's home, and its tariff. Raises EnodeError."""
    data = LocationData(name=LOCATION_NAME, latitude=home.latitude, longitude=home.longitude, time_zone=time_zone)
    location = await _find_location(enode, user_id)
    if location is None:
        location = await enode.locations.create(str(user_id), data)
    elif location.data != data:
        await enode.locations.update(location.id, data)
    if home.cost_per_kwh is None:
        await enode.locations.use_market_prices(location.id, str(user_id))
    else:
        await enode.locations.set_price(location.id, str(user_id), format_decimal(home.cost_per_kwh))


async def _find_location(enode: EnodeClient, user_id: UUID) -> Location | None:
    async for location in enode.locations.list_for_user(str(user_id)):
        if location.data.name == LOCATION_NAME:
            return location
    return None


def format_decimal(number: float) -> str:
    """Format a number as Enode's decimal: up to nine digits after the point, and no exponent."""
    return f"{number:.9f}".rstrip("0").rstrip(".")
