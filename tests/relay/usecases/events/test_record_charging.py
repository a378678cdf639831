"""Charging history as it comes out of Enode's events: from the POST to rows, in whatever order they come."""

import random
from datetime import datetime
from uuid import UUID

import psycopg
import pytest

from relay.usecases.feed.reader import read_snapshot
from relay.usecases.operations import prune_history
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from relay.vehicles.charging import recording
from tests.relay.support.enode_events import CHARGING, at, make_event, make_pipeline, make_vehicle

HERE = {"latitude": 52.1, "longitude": 5.1}
SOC = {"chargeRate": None, "batteryCapacity": 50}


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


def charging(level, **more):
    return {"charge": CHARGING | {"batteryLevel": level, "batteryCapacity": 50} | more}


def stopped(level, **more):
    state = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
    return {"charge": state | {"batteryLevel": level, "batteryCapacity": 50} | more}


async def sessions(pipeline):
    return await pipeline.execute("select * from charging_sessions order by started_at")


async def energy(pipeline):
    async with pipeline.pool.connection() as connection:
        [car] = (await read_snapshot(connection, pipeline.user_id)).vehicles
    return car["energy"]


async def set_home(pipeline, latitude=52.1, longitude=5.1):
    await pipeline.execute("insert into home_places values (%s, %s, %s, 500)", pipeline.user_id, latitude, longitude)


async def set_rate(pipeline, since, cost, currency="EUR"):
    await pipeline.execute(
        "insert into electricity_rates values (%s, %s, %s, %s)", pipeline.user_id, since, cost, currency
    )


async def test_a_session_begins_grows_and_ends_at_home_at_its_rate(pipeline):
    await set_home(pipeline)
    await set_rate(pipeline, at(-99), 0.4)
    await set_rate(pipeline, at(900), 9)
    await pipeline.process_update("car", at(0), charge={"batteryLevel": 40, "batteryCapacity": 50})
    assert await energy(pipeline) == {"lifetime_kwh": 0.0, "home_kwh": 0.0}
    await pipeline.process_update("car", at(600), **charging(40))
    [begun] = await sessions(pipeline)
    assert (begun["open"], begun["started_at"], begun["energy_kwh"]) == (True, at(600), None)
    await pipeline.process_update("car", at(1200), **charging(42))
    await pipeline.process_update("car", at(1800), **stopped(45))
    [ended] = await sessions(pipeline)
    assert ended["id"] == begun["id"]
    assert (ended["open"], ended["ended_at"], ended["amended_at"]) == (False, at(1800), None)
    assert (ended["energy_kwh"], ended["energy_source"], ended["peak_kw"]) == (pytest.approx(2.4), "power", 7.2)
    assert (ended["at_home"], ended["latitude"], ended["odometer_km"]) == (True, 52.1, 48213)
    assert (ended["cost_per_kwh"], ended["currency"], ended["soc_start"], ended["soc_end"]) == (0.4, "EUR", 40, 45)
    assert await energy(pipeline) == {"lifetime_kwh": 2.4, "home_kwh": 2.4}


async def test_away_from_home_only_the_lifetime_counts(pipeline):
    await set_home(pipeline, 1, 1)
    await pipeline.process_update("car", at(0), **charging(40))
    await pipeline.process_update("car", at(600), **stopped(42))
    assert [it["at_home"] for it in await sessions(pipeline)] == [False]
    assert await energy(pipeline) == {"lifetime_kwh": 1.2, "home_kwh": 0.0}


async def test_without_a_home_there_is_no_home_counter_and_without_charge_state_none_at_all(pipeline):
    await pipeline.process(pipeline.make_discovery("car", at(0)))
    assert await energy(pipeline) is None
    await pipeline.process_update("car", at(1))
    assert await energy(pipeline) == {"lifetime_kwh": 0.0, "home_kwh": None}


async def test_a_car_that_moves_on_leaves_its_session_where_it_was(pipeline):
    await pipeline.process_update("car", at(0), **charging(40))
    charge = make_vehicle("car", at(0), **charging(40))["chargeState"]
    elsewhere = make_vehicle("car", at(60)) | {"chargeState": charge, "location": {"latitude": 1, "longitude": 1}}
    await pipeline.process(make_event("user:vehicle:updated", at(60), pipeline.user_id, vehicle=elsewhere))
    assert [it["latitude"] for it in await sessions(pipeline)] == [52.1]


STORY = [
    (0, stopped(40)),
    (300, charging(40)),
    (600, charging(41, chargeRate=11)),
    (900, charging(43, chargeRate=None)),
    (1500, stopped(45)),
    (9000, charging(45, chargeRate=3.6)),
    (9600, charging(46, chargeRate=3.6)),
    (12000, {"charge": {"batteryLevel": 50, "batteryCapacity": 50}}),
    (40000, {"charge": {"batteryLevel": 20, "batteryCapacity": 50}}),
    (41000, stopped(70)),
]
TOLD = (
    "select s.started_at, s.ended_at, s.open, round(s.energy_kwh::numeric, 6) as energy, s.energy_source, s.soc_start,"
    " s.soc_end, s.peak_kw, s.at_home, s.latitude, s.odometer_km, s.cost_per_kwh"
    " from charging_sessions s join vehicles v on v.id = s.vehicle_id where v.user_id = %s order by s.started_at"
)
TRUTH = (
    "select round(e.counted_kwh::numeric, 6) as kwh, round(e.counted_home_kwh::numeric, 6) as home"
    " from vehicle_energy e join vehicles v on v.id = e.vehicle_id where v.user_id = %s"
)


async def of_car(pipeline, statement):
    return await pipeline.execute(statement, pipeline.user_id)


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_and_repetition_of_the_same_events_end_the_same(pipeline, pool, seed):
    await set_home(pipeline)
    await set_rate(pipeline, at(0), 0.4)
    await set_rate(pipeline, at(5000), 0.5)
    for seconds, said in STORY:
        await pipeline.process_update("car", at(seconds), **said)
    other = await make_pipeline(pool)
    await set_home(other)
    await set_rate(other, at(0), 0.4)
    await set_rate(other, at(5000), 0.5)
    shuffled = random.Random(seed)  # noqa: S311 - an order of events
    order = shuffled.sample(STORY, len(STORY))
    shown = 0.0
    for seconds, said in [*order, *order[:4]]:
        # A repeated event is another row of the inbox when it is taken in anew.
        await other.execute("delete from webhook_logs where user_id = %s", other.user_id)
        await other.process_update("car2", at(seconds), **said)
        now = (await energy(other))["lifetime_kwh"]
        assert now >= shown
        shown = now
    ours, theirs = [[await of_car(it, statement) for statement in (TOLD, TRUTH)] for it in (pipeline, other)]
    assert theirs == ours
    assert len(ours[0]) == 3


async def test_late_news_amends_an_ended_session_and_is_told_with_the_car(pipeline):
    await pipeline.process_update("car", at(0), **charging(40, **SOC))
    await pipeline.process_update("car", at(3000), **stopped(60, **SOC))
    [before] = await sessions(pipeline)
    seq, woken = await pipeline.get_feed_seq(), len(pipeline.feed_wakes)
    await pipeline.process_update("car", at(-3000), **charging(20, **SOC))
    [after] = await sessions(pipeline)
    assert (after["id"], after["started_at"], after["energy_kwh"]) == (before["id"], at(-3000), 20)
    assert after["amended_at"] is not None
    assert (await pipeline.get_vehicle())["revision"] == await pipeline.get_feed_seq() == seq + 1
    assert len(pipeline.feed_wakes) == woken + 1
    assert await energy(pipeline) == {"lifetime_kwh": 20.0, "home_kwh": None}


async def test_a_correction_downwards_is_owed(pipeline):
    await pipeline.process_update("car", at(0), **charging(40, **SOC))
    await pipeline.process_update("car", at(600), **stopped(60, **SOC))
    corrected = make_vehicle("car", at(600), **stopped(50, **SOC))
    await pipeline.process(make_event("user:vehicle:updated", at(700), pipeline.user_id, vehicle=corrected))
    assert [it["energy_kwh"] for it in await sessions(pipeline)] == [5]
    assert (await energy(pipeline))["lifetime_kwh"] == 10


async def test_the_common_event_costs_one_statement_more_and_nothing_new_none(pipeline, monkeypatch):
    await pipeline.process_update("car", at(0), **charging(40))
    statements = []
    execute = psycopg.AsyncCursor.execute
    record = recording.record_charging

    async def counted(self, query, *arguments, **options):
        statements.append(query)
        return await execute(self, query, *arguments, **options)

    async def watched(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.AsyncCursor, "execute", counted)
            return await record(*arguments, **options)

    monkeypatch.setattr("relay.usecases.events.apply_enode_event.record_charging", watched)
    await pipeline.process_update("car", at(60), **charging(41))
    assert len(statements) == 1
    same = make_vehicle("car", at(60), **charging(41)) | {"isReachable": False}
    await pipeline.process(make_event("user:vehicle:updated", at(90), pipeline.user_id, vehicle=same))
    assert (await pipeline.get_vehicle())["online"] is False
    assert len(statements) == 1


def heard(pipeline, moment, said, **groups):
    """What an event of `moment` says of noon."""
    return make_event(
        "user:vehicle:updated", moment, pipeline.user_id, vehicle=make_vehicle("car", at(0), **said) | groups
    )


async def test_of_one_moment_the_newest_event_has_the_word_also_when_it_says_nothing_new(pipeline):
    first, wrong, confirmed = (heard(pipeline, at(n), charging(level)) for n, level in ((1, 40), (2, 90), (3, 40)))
    for news in (first, confirmed, wrong):
        await pipeline.process(news)
    await pipeline.process_update("car", at(600), **stopped(42))
    assert [it["soc_start"] for it in await sessions(pipeline)] == [40]


async def test_of_one_moment_the_oldest_event_has_the_place_also_when_it_comes_late(pipeline):
    away = {"location": {"latitude": 1, "longitude": 1}}
    await pipeline.process(heard(pipeline, at(60), charging(40), **away))
    await pipeline.process(heard(pipeline, at(1), charging(40)))
    assert [it["latitude"] for it in await sessions(pipeline)] == [52.1]


async def test_news_taken_in_again_change_nothing_and_are_not_told(pipeline):
    for seconds, said in STORY:
        await pipeline.process_update("car", at(seconds), **said)
    told, truth, seq = await sessions(pipeline), await of_car(pipeline, TRUTH), await pipeline.get_feed_seq()
    await pipeline.execute("delete from webhook_logs")
    for seconds, said in STORY:
        await pipeline.process_update("car", at(seconds), **said)
    assert (await sessions(pipeline), await of_car(pipeline, TRUTH), await pipeline.get_feed_seq()) == (
        told,
        truth,
        seq,
    )


async def test_odd_numbers_make_no_session_and_no_trouble(pipeline):
    odd = {"batteryLevel": -5, "chargeRate": 1e300, "batteryCapacity": "much"}
    await pipeline.process_update("car", at(0), **charging(40, **odd), location={"latitude": 999, "longitude": None})
    await pipeline.process_update("car", at(600), **stopped(True, batteryCapacity=10**400), odometer={"distance": -1})
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}
    [it] = await sessions(pipeline)
    assert (it["energy_kwh"], it["energy_source"], it["latitude"], it["odometer_km"]) == (None, "none", None, 48213)


async def test_a_car_that_turns_out_to_be_another_brings_its_history(pipeline):
    await pipeline.process_update("old", at(0), **charging(20))
    await pipeline.process_update("old", at(600), **stopped(22))
    await pipeline.process(pipeline.make_deletion("old", at(700)))
    await pipeline.process_update("new", at(5000), vin=None, **charging(22))
    await pipeline.process_update("new", at(5600), vin=None, **stopped(24))
    assert len({it["vehicle_id"] for it in await sessions(pipeline)}) == 2
    await pipeline.process_update("new", at(9000), **stopped(24))
    car = await pipeline.get_vehicle()
    assert [it["vehicle_id"] for it in await sessions(pipeline)] == [car["id"], car["id"]]
    assert await energy(pipeline) == {"lifetime_kwh": 2.4, "home_kwh": None}
    [truth] = await pipeline.execute("select counted_kwh from vehicle_energy")
    assert truth["counted_kwh"] == pytest.approx(2.4)


async def test_a_car_that_is_discovered_to_be_another_brings_its_history_too(pipeline):
    await pipeline.process_update("old", at(0), **charging(20))
    await pipeline.process_update("new", at(600), vin=None, **stopped(22))
    await pipeline.process(pipeline.make_discovery("new", at(700)))
    [it] = await sessions(pipeline)
    assert (it["vehicle_id"], it["ended_at"]) == ((await pipeline.get_vehicle())["id"], at(600))
    assert (await energy(pipeline))["lifetime_kwh"] == 1.2


async def test_samples_are_folded_away_in_time_and_nothing_changes_by_it(pipeline, monkeypatch):
    for seconds, said in STORY:
        await pipeline.process_update("car", at(seconds), **said)
    told, truth = await sessions(pipeline), await of_car(pipeline, TRUTH)
    kept = datetime.now(at(0).tzinfo) - at(9300)
    monkeypatch.setattr(prune_history, "AMENDMENT_WINDOW", kept)
    async with pipeline.pool.connection() as connection:
        assert await prune_old_rows(connection, Retention()) == 0
    monkeypatch.setattr(prune_history, "ARCHIVE_INTERVAL", at(0) - at(0))
    async with pipeline.pool.connection() as connection:
        assert await prune_old_rows(connection, Retention()) == 1
        assert await prune_old_rows(connection, Retention()) == 0
    [left] = await pipeline.execute("select count(*) as n, min(at) as first from charging_samples")
    assert (left["n"], left["first"]) == (4, at(9600))
    # Too old to amend anything; a session that began before and ended after still can be.
    await pipeline.process_update("car", at(450), **charging(99))
    assert (await sessions(pipeline), await of_car(pipeline, TRUTH)) == (told, truth)
    await pipeline.process_update("car", at(9660), **charging(46, chargeRate=7.2))
    grown = (await sessions(pipeline))[1]
    assert (grown["id"], grown["started_at"]) == (told[1]["id"], told[1]["started_at"])
    assert grown["energy_kwh"] > told[1]["energy_kwh"]


async def test_the_home_stays_decided_when_home_moves(pipeline):
    await set_home(pipeline)
    await pipeline.process_update("car", at(0), **charging(40))
    await pipeline.execute("delete from home_places")
    await pipeline.process_update("car", at(600), **charging(42))
    await pipeline.process_update("car", at(1200), **stopped(44))
    assert [it["at_home"] for it in await sessions(pipeline)] == [True]
    assert (await energy(pipeline))["home_kwh"] == 2.4


async def test_a_foreign_key_of_a_new_car_holds(pipeline):
    await pipeline.process(*[pipeline.make_update(f"car{n}", at(n), vin=None, **charging(40)) for n in range(3)])
    assert len(await sessions(pipeline)) == 3
    assert all(isinstance(it["vehicle_id"], UUID) for it in await sessions(pipeline))
