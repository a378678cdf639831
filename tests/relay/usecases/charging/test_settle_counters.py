"""The shown counters lag behind what late events may still lower, and catch up although nothing more is reported."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.usecases.charging.settle_counters import settle_counters
from tests.relay.support.charging_events import get_energy, make_charging, make_stopped
from tests.relay.support.enode_events import make_pipeline


def ago(minutes):
    return datetime.now(UTC) - timedelta(minutes=minutes)


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


async def charge(pipeline, *, until):
    """Charge 7.2 kW for half an hour that ended `until` minutes ago, and return the vehicle's record of energy."""
    stopped_at = ago(until)
    for minutes, level in ((30, 40), (20, 42), (10, 45)):
        await pipeline.process_update("car", stopped_at - timedelta(minutes=minutes), **make_charging(level))
    await pipeline.process_update("car", stopped_at, **make_stopped(47))
    return await get_energy(pipeline)


async def test_charge_that_ended_long_ago_is_shown_at_once(pipeline, pool):
    assert (await charge(pipeline, until=11))["lifetime_kwh"] == 3.6
    assert await settle_counters(pool) == []


async def test_last_ten_minutes_of_a_charge_are_shown_later_with_a_new_revision(pipeline, pool):
    energy = await charge(pipeline, until=1)
    assert energy["lifetime_kwh"] == pytest.approx(2.4)
    assert await settle_counters(pool) == []
    await pipeline.execute("update vehicle_energy set settle_at = now()")
    seq = await pipeline.get_feed_seq()
    assert await settle_counters(pool) == [pipeline.user_id]
    assert (await get_energy(pipeline))["lifetime_kwh"] == 3.6
    assert (await pipeline.get_vehicle())["revision"] == await pipeline.get_feed_seq() == seq + 1
    assert await settle_counters(pool) == []


async def test_open_charge_lags_behind_its_newest_sample_even_if_that_is_old(pipeline):
    started_at = ago(60)
    for minutes, level in ((0, 40), (10, 42), (20, 45)):
        await pipeline.process_update("car", started_at + timedelta(minutes=minutes), **make_charging(level))
    assert (await get_energy(pipeline))["lifetime_kwh"] == 1.2


async def test_time_to_settle_from_a_clock_that_ran_ahead_is_due(pipeline, pool):
    await charge(pipeline, until=1)
    await pipeline.execute("update vehicle_energy set settle_at = now() + interval '1 day'")
    assert await settle_counters(pool) == [pipeline.user_id]


async def test_vehicle_that_is_gone_is_settled_in_silence(pipeline, pool):
    await charge(pipeline, until=1)
    await pipeline.execute("update vehicle_energy set settle_at = now()")
    await pipeline.execute("update vehicles set gone_at = now(), gone_reason = 'unlinked'")
    assert await settle_counters(pool) == []
    [row] = await pipeline.execute("select lifetime_kwh, settle_at from vehicle_energy")
    assert (row["lifetime_kwh"], row["settle_at"]) == (pytest.approx(3.6), None)


async def test_events_that_overtake_each_other_by_minutes_do_not_overshoot(pipeline, pool):
    """Charging stopped nine minutes ago; the news of it comes after news that is two minutes old."""
    await pipeline.process_update("car", ago(30), **make_charging(40))
    await pipeline.process_update("car", ago(20), **make_charging(42))
    await pipeline.process_update("car", ago(2), **make_charging(45))
    shown = (await get_energy(pipeline))["lifetime_kwh"]
    await pipeline.process_update("car", ago(9), **make_stopped(45))
    [row] = await pipeline.execute("select counted_kwh from vehicle_energy")
    assert shown <= row["counted_kwh"] + 1e-9
    await pipeline.execute("update vehicle_energy set settle_at = now()")
    await settle_counters(pool)
    assert (await get_energy(pipeline))["lifetime_kwh"] == pytest.approx(row["counted_kwh"], abs=0.001)
