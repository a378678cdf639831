"""What a session cost, and the hourly ledger: energy of each interval times the price valid then."""

import random

import pytest

from relay.vehicles.charging import repository
from tests.relay.support.charging_events import (
    EVENTS,
    get_energy,
    list_sessions,
    make_charging,
    make_stopped,
    set_home,
    set_rate,
)
from tests.relay.support.enode_events import at

HOUR = 3600
LONG_AGO, FAR = at(-99 * HOUR), at(999 * HOUR)


async def list_hours(pipeline):
    vehicle = await pipeline.get_vehicle()
    async with pipeline.pool.connection() as connection:
        return await repository.list_hours(connection, vehicle["id"], LONG_AGO, FAR)


async def get_sums(pipeline):
    """kWh charged, at home and discharged, and cost: of the sessions, and of the hours."""
    sessions = await list_sessions(pipeline)
    of_sessions = [0.0, 0.0, 0.0, 0.0]
    for session in sessions:
        energy = session["energy_kwh"] or 0.0
        if session["kind"] == "discharge":
            of_sessions[2] += energy
        else:
            of_sessions[0] += energy
            of_sessions[1] += energy if session["at_home"] else 0.0
            of_sessions[3] += session["cost"] or 0.0
    hours = await list_hours(pipeline)
    columns = [[hour.kwh, hour.home_kwh, hour.discharged_kwh, hour.cost or 0.0] for hour in hours]
    return of_sessions, [sum(column) for column in zip(*columns, strict=True)] or [0.0] * 4


async def charge_at(pipeline, *times, kw=6.0):
    """Charge with constant power, sampled at these seconds; the last one is the stop. 50 kWh."""
    level = 40.0
    for number, seconds in enumerate(times):
        level += kw * (seconds - times[max(0, number - 1)]) / HOUR / 50 * 100
        make = make_stopped if number == len(times) - 1 else make_charging
        power = {} if make is make_stopped else {"chargeRate": kw}
        await pipeline.process_update("car", at(seconds), **make(level, **power))


def every(minutes, until):
    return range(0, until * 60 + 1, minutes * 60)


async def test_cost_is_the_sum_of_each_quarter_hours_energy_times_its_price(pipeline):
    for quarter, price in enumerate((0.40, 0.10, 0.20, 0.30)):
        await set_rate(pipeline, at(quarter * 900), price)
    await charge_at(pipeline, *every(5, 60))
    [session] = await list_sessions(pipeline)
    assert (session["cost"], session["currency"], session["cost_unknown"]) == (pytest.approx(1.5), "EUR", None)
    assert session["cost_per_kwh"] == pytest.approx(0.25)
    [hour, *rest] = await list_hours(pipeline)
    assert (hour.hour, hour.kwh, hour.cost, hour.currency, rest) == (
        at(0),
        pytest.approx(6),
        pytest.approx(1.5),
        "EUR",
        [],
    )


async def test_price_that_changes_within_a_quarter_hour_counts_by_time(pipeline):
    await set_rate(pipeline, LONG_AGO, 0.30)
    await set_rate(pipeline, at(20 * 60), 0.60)
    await charge_at(pipeline, *every(5, 30))
    [session] = await list_sessions(pipeline)
    assert session["cost"] == pytest.approx(2 * 0.30 + 1 * 0.60)


async def test_price_of_zero_is_a_known_price(pipeline):
    await set_rate(pipeline, LONG_AGO, 0)
    await charge_at(pipeline, *every(5, 30))
    [session] = await list_sessions(pipeline)
    assert (session["cost"], session["cost_per_kwh"], session["cost_unknown"]) == (0, 0, None)


UNKNOWN_COSTS = {
    "no price at all": ([], "price"),
    "price unknown at first": ([(600, 0.3, "EUR")], "price"),
    "prices in two currencies": ([(-HOUR, 0.3, "EUR"), (600, 3.0, "SEK")], "currency"),
}


@pytest.mark.parametrize("case", UNKNOWN_COSTS)
async def test_cost_is_null_and_said_to_be_unknown_if_any_price_is(pipeline, case):
    rates, reason = UNKNOWN_COSTS[case]
    for seconds, price, currency in rates:
        await set_rate(pipeline, at(seconds), price, currency)
    await charge_at(pipeline, *every(5, 30))
    [session] = await list_sessions(pipeline)
    assert (session["cost"], session["cost_per_kwh"], session["currency"]) == (None, None, None)
    assert session["cost_unknown"] == reason
    [hour] = await list_hours(pipeline)
    assert (hour.kwh, hour.cost) == (pytest.approx(3), None)


async def test_cost_of_unknown_energy_is_unknown(pipeline):
    await set_rate(pipeline, LONG_AGO, 0.3)
    await pipeline.process_update("car", at(0), **make_charging(40))
    [session] = await list_sessions(pipeline)
    assert (session["energy_kwh"], session["cost"], session["cost_unknown"]) == (None, None, "energy")
    assert (session["cost_per_kwh"], session["currency"]) == (0.3, "EUR")
    assert await list_hours(pipeline) == []


async def test_amendment_rewrites_its_hours_and_leaves_emptied_ones_as_zeros(pipeline):
    await set_home(pipeline)
    await set_rate(pipeline, LONG_AGO, 0.5)
    await charge_at(pipeline, *range(0, 2 * HOUR + 1, 600))
    assert [(hour.hour, hour.kwh) for hour in await list_hours(pipeline)] == [
        (at(0), pytest.approx(6)), (at(HOUR), pytest.approx(6)),
    ]  # fmt: skip
    # Wrong: it had been stopped and unplugged since the first hour's end.
    for seconds in range(HOUR, 2 * HOUR + 1, 600):
        corrected = {"charge": {"batteryLevel": 52, "batteryCapacity": 50}}
        vehicle = pipeline.make_update("car", at(seconds), **corrected)
        await pipeline.process(vehicle | {"createdAt": "2026-11-23T15:00:00.000Z"})
    first, second = await list_hours(pipeline)
    assert (first.kwh, first.home_kwh, first.cost) == (pytest.approx(6), pytest.approx(6), pytest.approx(3))
    assert (second.hour, second.kwh, second.home_kwh, second.cost) == (at(HOUR), 0, 0, 0)


@pytest.mark.parametrize("seed", range(4))
async def test_hours_add_up_to_the_sessions_in_any_order_of_events(pipeline, seed):
    await set_home(pipeline)
    await set_rate(pipeline, LONG_AGO, 0.4)
    await set_rate(pipeline, at(5000), 0.5)
    shuffled = random.Random(seed)  # noqa: S311 - an order of events
    for seconds, groups in shuffled.sample(EVENTS, len(EVENTS)):
        await pipeline.process_update("car", at(seconds), **groups)
        of_sessions, of_hours = await get_sums(pipeline)
        assert of_hours == pytest.approx(of_sessions)
    assert of_sessions[0] > 20
    assert (await get_energy(pipeline))["lifetime_kwh"] >= round(of_sessions[0], 3)


async def test_hours_of_a_merged_vehicle_become_those_of_the_kept_one(pipeline):
    await set_rate(pipeline, LONG_AGO, 0.4)
    await pipeline.process_update("old", at(0), **make_charging(20))
    await pipeline.process_update("old", at(600), **make_stopped(22))
    await pipeline.process(pipeline.make_deletion("old", at(700)))
    await pipeline.process_update("new", at(1200), vin=None, **make_charging(22))
    await pipeline.process_update("new", at(1800), vin=None, **make_stopped(24))
    await pipeline.process_update("new", at(9000), **make_stopped(24))
    of_sessions, of_hours = await get_sums(pipeline)
    assert of_hours == pytest.approx(of_sessions)
    assert of_hours[0] == pytest.approx(2.4)
    [rows] = await pipeline.execute("select count(*) as n from charging_hours")
    assert rows["n"] == 1
