"""Charging sessions and energy counters that result from Enode's events, in any order of arrival."""

import random
from datetime import datetime
from uuid import UUID

import psycopg
import pytest

from relay.usecases.feed.reader import read_snapshot
from relay.usecases.operations import prune_history
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from relay.vehicles import charging_ledger
from tests.relay.support.enode_events import CHARGING, at, make_event, make_pipeline, make_vehicle

SOC = {"chargeRate": None, "batteryCapacity": 50}


def make_charging(level, **more):
    return {"charge": CHARGING | {"batteryLevel": level, "batteryCapacity": 50} | more}


def make_stopped(level, **more):
    state = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
    return {"charge": state | {"batteryLevel": level, "batteryCapacity": 50} | more}


async def list_sessions(pipeline):
    return await pipeline.execute("select * from charging_sessions order by started_at")


async def get_energy(pipeline):
    async with pipeline.pool.connection() as connection:
        [record] = (await read_snapshot(connection, pipeline.user_id)).vehicles
    return record["energy"]


async def set_home(pipeline, latitude=52.1, longitude=5.1):
    await pipeline.execute("insert into home_places values (%s, %s, %s, 500)", pipeline.user_id, latitude, longitude)


async def set_rate(pipeline, since, cost, currency="EUR"):
    await pipeline.execute(
        "insert into electricity_rates values (%s, %s, %s, %s)", pipeline.user_id, since, cost, currency
    )


async def test_session_at_home_is_recorded_with_energy_and_rate(pipeline):
    await set_home(pipeline)
    await set_rate(pipeline, at(-99), 0.4)
    await set_rate(pipeline, at(900), 9)
    await pipeline.process_update("car", at(0), charge={"batteryLevel": 40, "batteryCapacity": 50})
    assert await get_energy(pipeline) == {"lifetime_kwh": 0.0, "home_kwh": 0.0}
    await pipeline.process_update("car", at(600), **make_charging(40))
    [open_session] = await list_sessions(pipeline)
    assert (open_session["open"], open_session["started_at"], open_session["energy_kwh"]) == (True, at(600), None)
    await pipeline.process_update("car", at(1200), **make_charging(42))
    await pipeline.process_update("car", at(1800), **make_stopped(45))
    [session] = await list_sessions(pipeline)
    assert session["id"] == open_session["id"]
    assert (session["open"], session["ended_at"], session["amended_at"]) == (False, at(1800), None)
    assert (session["energy_kwh"], session["energy_source"], session["peak_kw"]) == (
        pytest.approx(2.4),
        "power",
        7.2,
    )
    assert (session["at_home"], session["latitude"], session["odometer_km"]) == (True, 52.1, 48213)
    assert (
        session["cost_per_kwh"],
        session["currency"],
        session["soc_start"],
        session["soc_end"],
    ) == (0.4, "EUR", 40, 45)
    assert await get_energy(pipeline) == {"lifetime_kwh": 2.4, "home_kwh": 2.4}


async def test_charging_away_from_home_counts_only_to_the_lifetime_total(pipeline):
    await set_home(pipeline, 1, 1)
    await pipeline.process_update("car", at(0), **make_charging(40))
    await pipeline.process_update("car", at(600), **make_stopped(42))
    assert [it["at_home"] for it in await list_sessions(pipeline)] == [False]
    assert await get_energy(pipeline) == {"lifetime_kwh": 1.2, "home_kwh": 0.0}


async def test_home_counter_needs_a_home_and_any_counter_a_charge_state(pipeline):
    await pipeline.process(pipeline.make_discovery("car", at(0)))
    assert await get_energy(pipeline) is None
    await pipeline.process_update("car", at(1))
    assert await get_energy(pipeline) == {"lifetime_kwh": 0.0, "home_kwh": None}


async def test_session_keeps_the_location_where_it_began(pipeline):
    await pipeline.process_update("car", at(0), **make_charging(40))
    charge = make_vehicle("car", at(0), **make_charging(40))["chargeState"]
    elsewhere = make_vehicle("car", at(60)) | {"chargeState": charge, "location": {"latitude": 1, "longitude": 1}}
    await pipeline.process(make_event("user:vehicle:updated", at(60), pipeline.user_id, vehicle=elsewhere))
    assert [it["latitude"] for it in await list_sessions(pipeline)] == [52.1]


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


async def fetch_users_rows(pipeline, statement):
    return await pipeline.execute(statement, pipeline.user_id)


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_and_repetition_of_events_give_the_same_history(pipeline, pool, seed):
    await set_home(pipeline)
    await set_rate(pipeline, at(0), 0.4)
    await set_rate(pipeline, at(5000), 0.5)
    for seconds, groups in EVENTS:
        await pipeline.process_update("car", at(seconds), **groups)
    other = await make_pipeline(pool)
    await set_home(other)
    await set_rate(other, at(0), 0.4)
    await set_rate(other, at(5000), 0.5)
    shuffled = random.Random(seed)  # noqa: S311 - an order of events
    order = shuffled.sample(EVENTS, len(EVENTS))
    lifetime_kwh = 0.0
    for seconds, groups in [*order, *order[:4]]:
        # Emptied, because the inbox would ignore a repeated event.
        await other.execute("delete from webhook_logs where user_id = %s", other.user_id)
        await other.process_update("car2", at(seconds), **groups)
        now = (await get_energy(other))["lifetime_kwh"]
        assert now >= lifetime_kwh
        lifetime_kwh = now
    ours, theirs = [
        [await fetch_users_rows(it, statement) for statement in (SESSION_STATEMENT, COUNTER_STATEMENT)]
        for it in (pipeline, other)
    ]
    assert theirs == ours
    assert len(ours[0]) == 3


async def test_late_event_amends_an_ended_session_and_publishes_the_vehicle(pipeline):
    await pipeline.process_update("car", at(0), **make_charging(40, **SOC))
    await pipeline.process_update("car", at(3000), **make_stopped(60, **SOC))
    [before] = await list_sessions(pipeline)
    seq, wakes = await pipeline.get_feed_seq(), len(pipeline.feed_wakes)
    await pipeline.process_update("car", at(-3000), **make_charging(20, **SOC))
    [after] = await list_sessions(pipeline)
    assert (after["id"], after["started_at"], after["energy_kwh"]) == (before["id"], at(-3000), 20)
    assert after["amended_at"] is not None
    assert (await pipeline.get_vehicle())["revision"] == await pipeline.get_feed_seq() == seq + 1
    assert len(pipeline.feed_wakes) == wakes + 1
    assert await get_energy(pipeline) == {"lifetime_kwh": 20.0, "home_kwh": None}


async def test_lifetime_counter_never_decreases_on_a_correction(pipeline):
    await pipeline.process_update("car", at(0), **make_charging(40, **SOC))
    await pipeline.process_update("car", at(600), **make_stopped(60, **SOC))
    corrected = make_vehicle("car", at(600), **make_stopped(50, **SOC))
    await pipeline.process(make_event("user:vehicle:updated", at(700), pipeline.user_id, vehicle=corrected))
    assert [it["energy_kwh"] for it in await list_sessions(pipeline)] == [5]
    assert (await get_energy(pipeline))["lifetime_kwh"] == 10


async def test_charging_event_costs_one_statement_and_unchanged_state_none(pipeline, monkeypatch):
    await pipeline.process_update("car", at(0), **make_charging(40))
    statements = []
    execute = psycopg.AsyncCursor.execute
    record = charging_ledger.record_charging

    async def execute_and_count(self, query, *arguments, **options):
        statements.append(query)
        return await execute(self, query, *arguments, **options)

    async def record_and_count(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.AsyncCursor, "execute", execute_and_count)
            return await record(*arguments, **options)

    monkeypatch.setattr("relay.usecases.events.event_context.record_charging", record_and_count)
    await pipeline.process_update("car", at(60), **make_charging(41))
    assert len(statements) == 1
    same = make_vehicle("car", at(60), **make_charging(41)) | {"isReachable": False}
    await pipeline.process(make_event("user:vehicle:updated", at(90), pipeline.user_id, vehicle=same))
    assert (await pipeline.get_vehicle())["online"] is False
    assert len(statements) == 1


def make_noon_update(pipeline, time, state, **groups):
    """An event that is created at `time` and reports the state at noon."""
    return make_event(
        "user:vehicle:updated", time, pipeline.user_id, vehicle=make_vehicle("car", at(0), **state) | groups
    )


async def test_newest_event_decides_the_state_of_a_moment(pipeline):
    first, wrong, confirmed = (
        make_noon_update(pipeline, at(n), make_charging(level)) for n, level in ((1, 40), (2, 90), (3, 40))
    )
    for event in (first, confirmed, wrong):
        await pipeline.process(event)
    await pipeline.process_update("car", at(600), **make_stopped(42))
    assert [it["soc_start"] for it in await list_sessions(pipeline)] == [40]


async def test_oldest_event_decides_the_location_of_a_moment(pipeline):
    away = {"location": {"latitude": 1, "longitude": 1}}
    await pipeline.process(make_noon_update(pipeline, at(60), make_charging(40), **away))
    await pipeline.process(make_noon_update(pipeline, at(1), make_charging(40)))
    assert [it["latitude"] for it in await list_sessions(pipeline)] == [52.1]


async def test_processing_events_again_changes_nothing(pipeline):
    for seconds, groups in EVENTS:
        await pipeline.process_update("car", at(seconds), **groups)
    sessions = await list_sessions(pipeline)
    counters = await fetch_users_rows(pipeline, COUNTER_STATEMENT)
    seq = await pipeline.get_feed_seq()
    await pipeline.execute("delete from webhook_logs")
    for seconds, groups in EVENTS:
        await pipeline.process_update("car", at(seconds), **groups)
    assert await list_sessions(pipeline) == sessions
    assert await fetch_users_rows(pipeline, COUNTER_STATEMENT) == counters
    assert await pipeline.get_feed_seq() == seq


async def test_implausible_numbers_are_ignored_in_sessions(pipeline):
    odd = {"batteryLevel": -5, "chargeRate": 1e300, "batteryCapacity": "much"}
    await pipeline.process_update(
        "car", at(0), **make_charging(40, **odd), location={"latitude": 999, "longitude": None}
    )
    await pipeline.process_update(
        "car", at(600), **make_stopped(True, batteryCapacity=10**400), odometer={"distance": -1}
    )
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}
    [it] = await list_sessions(pipeline)
    assert (it["energy_kwh"], it["energy_source"], it["latitude"], it["odometer_km"]) == (None, "none", None, 48213)


async def test_merging_vehicles_by_update_merges_their_charging_history(pipeline):
    await pipeline.process_update("old", at(0), **make_charging(20))
    await pipeline.process_update("old", at(600), **make_stopped(22))
    await pipeline.process(pipeline.make_deletion("old", at(700)))
    await pipeline.process_update("new", at(5000), vin=None, **make_charging(22))
    await pipeline.process_update("new", at(5600), vin=None, **make_stopped(24))
    assert len({it["vehicle_id"] for it in await list_sessions(pipeline)}) == 2
    await pipeline.process_update("new", at(9000), **make_stopped(24))
    vehicle = await pipeline.get_vehicle()
    assert [it["vehicle_id"] for it in await list_sessions(pipeline)] == [vehicle["id"], vehicle["id"]]
    assert await get_energy(pipeline) == {"lifetime_kwh": 2.4, "home_kwh": None}
    [counters] = await pipeline.execute("select counted_kwh from vehicle_energy")
    assert counters["counted_kwh"] == pytest.approx(2.4)


async def test_merging_vehicles_by_discovery_merges_their_charging_history(pipeline):
    await pipeline.process_update("old", at(0), **make_charging(20))
    await pipeline.process_update("new", at(600), vin=None, **make_stopped(22))
    await pipeline.process(pipeline.make_discovery("new", at(700)))
    [it] = await list_sessions(pipeline)
    assert (it["vehicle_id"], it["ended_at"]) == ((await pipeline.get_vehicle())["id"], at(600))
    assert (await get_energy(pipeline))["lifetime_kwh"] == 1.2


async def test_archiving_samples_changes_no_session_or_counter(pipeline, monkeypatch):
    for seconds, groups in EVENTS:
        await pipeline.process_update("car", at(seconds), **groups)
    sessions, counters = await list_sessions(pipeline), await fetch_users_rows(pipeline, COUNTER_STATEMENT)
    window = datetime.now(at(0).tzinfo) - at(9300)
    monkeypatch.setattr(prune_history, "AMENDMENT_WINDOW", window)
    async with pipeline.pool.connection() as connection:
        assert await prune_old_rows(connection, Retention()) == 0
    monkeypatch.setattr(prune_history, "ARCHIVE_INTERVAL", at(0) - at(0))
    async with pipeline.pool.connection() as connection:
        assert await prune_old_rows(connection, Retention()) == 1
        assert await prune_old_rows(connection, Retention()) == 0
    [remaining] = await pipeline.execute("select count(*) as n, min(at) as first from charging_samples")
    assert (remaining["n"], remaining["first"]) == (4, at(9600))
    # Too old to amend anything. A session that began before and ended after the limit can still be amended.
    await pipeline.process_update("car", at(450), **make_charging(99))
    assert (await list_sessions(pipeline), await fetch_users_rows(pipeline, COUNTER_STATEMENT)) == (sessions, counters)
    await pipeline.process_update("car", at(9660), **make_charging(46, chargeRate=7.2))
    grown = (await list_sessions(pipeline))[1]
    assert (grown["id"], grown["started_at"]) == (sessions[1]["id"], sessions[1]["started_at"])
    assert grown["energy_kwh"] > sessions[1]["energy_kwh"]


async def test_session_stays_at_home_when_the_home_location_is_deleted(pipeline):
    await set_home(pipeline)
    await pipeline.process_update("car", at(0), **make_charging(40))
    await pipeline.execute("delete from home_places")
    await pipeline.process_update("car", at(600), **make_charging(42))
    await pipeline.process_update("car", at(1200), **make_stopped(44))
    assert [it["at_home"] for it in await list_sessions(pipeline)] == [True]
    assert (await get_energy(pipeline))["home_kwh"] == 2.4


async def test_sessions_of_new_vehicles_in_one_batch_are_stored(pipeline):
    await pipeline.process(*[pipeline.make_update(f"car{n}", at(n), vin=None, **make_charging(40)) for n in range(3)])
    assert len(await list_sessions(pipeline)) == 3
    assert all(isinstance(it["vehicle_id"], UUID) for it in await list_sessions(pipeline))
