"""Charging as Enode's events report it, and the sessions and counters that result."""

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import CHARGING

SOC = {"chargeRate": None, "batteryCapacity": 50}
"""A car that reports its level and capacity, but no power."""


def make_charging(level, **more):
    return {"charge": CHARGING | {"batteryLevel": level, "batteryCapacity": 50} | more}


def make_stopped(level, **more):
    state = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
    return {"charge": state | {"batteryLevel": level, "batteryCapacity": 50} | more}


EVENTS = [
    (0, make_stopped(40)),
    (300, make_charging(40)),
    (600, make_charging(41, chargeRate=11)),
    (900, make_charging(43, chargeRate=None)),
    (1500, make_stopped(45)),
    (9000, make_charging(45, chargeRate=3.6)),
    (9600, make_charging(46, chargeRate=3.6)),
    (12000, {"charge": {"batteryLevel": 50, "batteryCapacity": 50}}),
    (40000, {"charge": {"batteryLevel": 20, "batteryCapacity": 50}}),
    (41000, make_stopped(70)),
]
SESSION_STATEMENT = (
    "select s.started_at, s.ended_at, s.open, round(s.energy_kwh::numeric, 6) as energy, s.energy_source, s.soc_start,"
    " s.soc_end, s.peak_kw, s.at_home, s.latitude, s.odometer_km, s.cost_per_kwh"
    " from charging_sessions s join vehicles v on v.id = s.vehicle_id where v.user_id = %s order by s.started_at"
)
COUNTER_STATEMENT = (
    "select round(e.counted_kwh::numeric, 6) as kwh, round(e.counted_home_kwh::numeric, 6) as home"
    " from vehicle_energy e join vehicles v on v.id = e.vehicle_id where v.user_id = %s"
)


async def list_sessions(pipeline):
    return await pipeline.execute("select * from charging_sessions order by started_at")


async def get_energy(pipeline):
    async with pipeline.pool.connection() as connection:
        [record] = (await read_snapshot(connection, pipeline.user_id)).vehicles
    return record["energy"]


async def get_charged_energy(pipeline):
    """The counters of charged energy in the vehicle's record."""
    energy = await get_energy(pipeline)
    return energy and {name: energy[name] for name in ("lifetime_kwh", "home_kwh")}


async def set_home(pipeline, latitude=52.1, longitude=5.1):
    await pipeline.execute("insert into home_places values (%s, %s, %s, 500)", pipeline.user_id, latitude, longitude)


async def set_rate(pipeline, since, cost, currency="EUR"):
    await pipeline.execute(
        "insert into electricity_rates values (%s, %s, %s, %s)", pipeline.user_id, since, cost, currency
    )


async def fetch_user_rows(pipeline, statement):
    return await pipeline.execute(statement, pipeline.user_id)
