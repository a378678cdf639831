"""Corrections that time ends without any report, and the question to Enode about a level that is held."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from relay.gateways.enode import EnodeProtocolError
from relay.usecases.vehicles.review_corrections import request_refreshes, review_due_vehicles
from tests.relay.support.enode_events import make_pipeline
from tests.relay.support.reported_cars import ReportedCar

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class EnodeStub:
    """Enode's client, as far as it is asked here."""

    def __init__(self):
        self.asked, self.fails = [], False
        self.vehicles = self

    async def send_refresh_hint(self, enode_vehicle_id):
        self.asked.append(enode_vehicle_id)
        if self.fails:
            raise EnodeProtocolError("refresh hint", fault="not JSON")


@pytest.fixture
async def car(pool):
    return ReportedCar(await make_pipeline(pool))


@pytest.fixture
def runtime(pool):
    wakes, polls = [], []
    return SimpleNamespace(
        pool=pool,
        enode=EnodeStub(),
        feed_waker=SimpleNamespace(wake=wakes.extend),
        request_poll=lambda: polls.append(1),
        wakes=wakes,
        polls=polls,
    )


def minutes_ago(minutes):
    """Such a moment in the minutes after noon that cars report in."""
    return (datetime.now(UTC) - timedelta(minutes=minutes) - NOON) / timedelta(minutes=1)


async def hold_level(car, since):
    """A car whose level has been held for `since` minutes."""
    start = minutes_ago(since)
    await car.report(start - 2, level=72)
    record = await car.report(start, level=0)
    assert record["vehicle"]["chargeState"]["batteryLevel"] == 72
    return start


@pytest.mark.parametrize(("since", "asked"), [(4, 0), (6, 1), (29, 1)])
async def test_enode_is_asked_once_about_a_level_that_is_held_for_five_minutes(car, runtime, since, asked):
    start = await hold_level(car, since)
    assert await request_refreshes(runtime) == asked
    assert runtime.enode.asked == ["car"] * asked
    assert len(runtime.polls) == asked
    await car.report(start + 0.5, level=0)
    assert await request_refreshes(runtime) == 0


async def test_enode_is_asked_again_about_another_held_level(car, runtime):
    start = await hold_level(car, 28)
    assert await request_refreshes(runtime) == 1
    await car.report(start + 1, level=72)
    await car.report(start + 3, level=0)
    assert await request_refreshes(runtime) == 1


async def test_enode_is_not_asked_about_a_level_that_was_contradicted(car, runtime):
    start = await hold_level(car, 20)
    await car.report(start + 2, level=72)
    assert await request_refreshes(runtime) == 0


async def test_enode_that_does_not_answer_is_not_asked_again(car, runtime):
    runtime.enode.fails = True
    await hold_level(car, 10)
    assert await request_refreshes(runtime) == 1
    assert await request_refreshes(runtime) == 0


async def test_relay_without_enode_asks_nobody(car, runtime):
    await hold_level(car, 10)
    runtime.enode = None
    assert await request_refreshes(runtime) == 0


async def test_held_level_is_shown_after_half_an_hour_without_a_report(car, runtime):
    await hold_level(car, 20)
    assert await review_due_vehicles(runtime) == 0
    await age_reports(car, 15)
    assert await review_due_vehicles(runtime) == 1
    record = await car.get_record()
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (0, [])
    assert runtime.wakes == [car.pipeline.user_id]
    assert await review_due_vehicles(runtime) == 0


async def age_reports(car, minutes):
    """Make the held level older than it is."""
    await car.pipeline.execute("update vehicles set review_at = review_at - make_interval(mins => %s)", minutes)
    statement = """
    update vehicle_energy set tail = jsonb_set(jsonb_set(tail, '{tail,plausibility,held_since}', %s::jsonb),
                                               '{tail,plausibility,levels,hold,since}', %s::jsonb)
    """
    since = f'"{(datetime.now(UTC) - timedelta(minutes=20 + minutes)).isoformat()}"'
    await car.pipeline.execute(statement, since, since)


async def test_charging_of_a_car_that_is_not_reached_expires_after_eight_hours(car, runtime):
    start = minutes_ago(8 * 60 + 1)
    await car.report(start, "charging", level=50, chargeRate=7.2, chargeTimeRemaining=90)
    unknown = {"batteryLevel": None, "isPluggedIn": None, "isCharging": None, "powerDeliveryState": "UNKNOWN"}
    asleep = {"isReachable": False, "chargeState": unknown | {"lastUpdated": None}}
    await car.report(start + 1, groups=asleep)
    charge = await car.get_charge_state()
    assert (charge["isCharging"], charge["chargeRate"], charge["batteryLevel"]) == (True, 7.2, 50)
    assert await review_due_vehicles(runtime) == 1
    charge = await car.get_charge_state()
    assert (charge["isCharging"], charge["chargeRate"], charge["chargeTimeRemaining"], charge["isPluggedIn"]) == (
        None,
        None,
        None,
        True,
    )
    assert (charge["powerDeliveryState"], charge["batteryLevel"]) == ("UNKNOWN", 50)
    assert (await car.get_record())["corrections"] == ["isCharging:expired"]
    assert await car.list_transitions() == []
    assert await review_due_vehicles(runtime) == 0
    await car.report(start + 481, "stopped", level=61)
    assert await car.list_transitions() == ["charging_stopped"]


async def test_review_that_a_clock_that_ran_ahead_has_set_is_due(car, runtime):
    await hold_level(car, 20)
    await age_reports(car, 15)
    await car.pipeline.execute("update vehicles set review_at = now() + interval '1 day'")
    assert await review_due_vehicles(runtime) == 1
    assert (await car.get_charge_state())["batteryLevel"] == 0
    assert await review_due_vehicles(runtime) == 0


async def test_review_of_reports_from_the_future_is_not_repeated_in_each_round(car, runtime):
    await hold_level(car, 20)
    await age_reports(car, -24 * 60)
    await car.pipeline.execute("update vehicles set review_at = now() + interval '1 day'")
    assert await review_due_vehicles(runtime) == 1
    assert await review_due_vehicles(runtime) == 0
