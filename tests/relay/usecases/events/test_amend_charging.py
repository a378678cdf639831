"""Charging history when events are late, repeated or corrected, when vehicles merge, and after archiving."""

import random
from datetime import datetime

import pytest

from relay.usecases.operations import prune_history
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.charging_events import (
    COUNTER_STATEMENT,
    EVENTS,
    SESSION_STATEMENT,
    SOC,
    fetch_user_rows,
    get_charged_energy,
    list_sessions,
    make_charging,
    make_stopped,
    set_home,
    set_rate,
)
from tests.relay.support.enode_events import at, make_event, make_pipeline, make_vehicle


def make_noon_update(pipeline, time, state, **groups):
    """An event that is created at `time` and reports the state at noon."""
    return make_event(
        "user:vehicle:updated", time, pipeline.user_id, vehicle=make_vehicle("car", at(0), **state) | groups
    )


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
        now = (await get_charged_energy(other))["lifetime_kwh"]
        assert now >= lifetime_kwh
        lifetime_kwh = now
    ours, theirs = [
        [await fetch_user_rows(each, statement) for statement in (SESSION_STATEMENT, COUNTER_STATEMENT)]
        for each in (pipeline, other)
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
    assert await get_charged_energy(pipeline) == {"lifetime_kwh": 20.0, "home_kwh": None}


async def test_lifetime_counter_never_decreases_on_a_correction(pipeline):
    await pipeline.process_update("car", at(0), **make_charging(40, **SOC))
    await pipeline.process_update("car", at(600), **make_stopped(60, **SOC))
    corrected = make_vehicle("car", at(600), **make_stopped(50, **SOC))
    await pipeline.process(make_event("user:vehicle:updated", at(700), pipeline.user_id, vehicle=corrected))
    assert [session["energy_kwh"] for session in await list_sessions(pipeline)] == [5]
    assert (await get_charged_energy(pipeline))["lifetime_kwh"] == 10


async def test_newest_event_decides_the_state_of_a_moment(pipeline):
    first, wrong, confirmed = (
        make_noon_update(pipeline, at(n), make_charging(level)) for n, level in ((1, 40), (2, 90), (3, 40))
    )
    for event in (first, confirmed, wrong):
        await pipeline.process(event)
    await pipeline.process_update("car", at(600), **make_stopped(42))
    assert [session["soc_start"] for session in await list_sessions(pipeline)] == [40]


async def test_oldest_event_decides_the_location_of_a_moment(pipeline):
    elsewhere = {"location": {"latitude": 1, "longitude": 1}}
    await pipeline.process(make_noon_update(pipeline, at(60), make_charging(40), **elsewhere))
    await pipeline.process(make_noon_update(pipeline, at(1), make_charging(40)))
    assert [session["latitude"] for session in await list_sessions(pipeline)] == [52.1]


async def test_late_event_about_an_earlier_moment_gives_its_place_but_not_its_reading(pipeline):
    elsewhere = {"location": {"latitude": 1, "longitude": 1}}
    await pipeline.process(make_noon_update(pipeline, at(3), make_charging(40)))
    await pipeline.process_update("car", at(600), **make_stopped(42))
    await pipeline.process(make_noon_update(pipeline, at(2), make_charging(90), **elsewhere))
    assert [(row["soc_start"], row["latitude"]) for row in await list_sessions(pipeline)] == [(40, 1)]


async def test_processing_events_again_changes_nothing(pipeline):
    for seconds, groups in EVENTS:
        await pipeline.process_update("car", at(seconds), **groups)
    sessions = await list_sessions(pipeline)
    counters = await fetch_user_rows(pipeline, COUNTER_STATEMENT)
    seq = await pipeline.get_feed_seq()
    await pipeline.execute("delete from webhook_logs")
    for seconds, groups in EVENTS:
        await pipeline.process_update("car", at(seconds), **groups)
    assert await list_sessions(pipeline) == sessions
    assert await fetch_user_rows(pipeline, COUNTER_STATEMENT) == counters
    assert await pipeline.get_feed_seq() == seq


async def test_merging_vehicles_by_update_merges_their_charging_history(pipeline):
    await pipeline.process_update("old", at(0), **make_charging(20))
    await pipeline.process_update("old", at(600), **make_stopped(22))
    await pipeline.process(pipeline.make_deletion("old", at(700)))
    await pipeline.process_update("new", at(5000), vin=None, **make_charging(22))
    await pipeline.process_update("new", at(5600), vin=None, **make_stopped(24))
    assert len({session["vehicle_id"] for session in await list_sessions(pipeline)}) == 2
    await pipeline.process_update("new", at(9000), **make_stopped(24))
    vehicle = await pipeline.get_vehicle()
    assert [session["vehicle_id"] for session in await list_sessions(pipeline)] == [vehicle["id"], vehicle["id"]]
    assert await get_charged_energy(pipeline) == {"lifetime_kwh": 2.4, "home_kwh": None}
    [counters] = await pipeline.execute("select counted_kwh from vehicle_energy")
    assert counters["counted_kwh"] == pytest.approx(2.4)


async def test_merging_vehicles_by_discovery_merges_their_charging_history(pipeline):
    await pipeline.process_update("old", at(0), **make_charging(20))
    await pipeline.process_update("new", at(600), vin=None, **make_stopped(22))
    await pipeline.process(pipeline.make_discovery("new", at(700)))
    [session] = await list_sessions(pipeline)
    assert (session["vehicle_id"], session["ended_at"]) == ((await pipeline.get_vehicle())["id"], at(600))
    assert (await get_charged_energy(pipeline))["lifetime_kwh"] == 1.2


async def test_archiving_samples_changes_no_session_or_counter(pipeline, monkeypatch):
    for seconds, groups in EVENTS:
        await pipeline.process_update("car", at(seconds), **groups)
    sessions, counters = await list_sessions(pipeline), await fetch_user_rows(pipeline, COUNTER_STATEMENT)
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
    corrected = make_vehicle("car", at(9000), **make_charging(99))  # the newest archived sample
    await pipeline.process(make_event("user:vehicle:updated", at(9001), pipeline.user_id, vehicle=corrected))
    assert (await list_sessions(pipeline), await fetch_user_rows(pipeline, COUNTER_STATEMENT)) == (sessions, counters)
    await pipeline.process_update("car", at(9660), **make_charging(46, chargeRate=7.2))
    grown = (await list_sessions(pipeline))[1]
    assert (grown["id"], grown["started_at"]) == (sessions[1]["id"], sessions[1]["started_at"])
    assert grown["energy_kwh"] > sessions[1]["energy_kwh"]
