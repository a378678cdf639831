"""Smart charging plans: charging waits for a low price, and the car is ready by its deadline."""

from datetime import UTC, datetime, timedelta

import pytest

from demo.enode.smart_plans import CHEAPEST_AFTER_SECONDS, find_next_deadline
from tests.demo.enode.running_simulator import RunningSimulator
from tests.demo.enode.webhook_receiver import WebhookReceiver

STATUS_UPDATED = "user:vehicle:smart-charging-status-updated"
STOPPING, STOPPED, STARTING, STARTED, OVERRIDDEN = (
    f"PLAN:EXECUTING:{state}" for state in ("STOPPING", "STOPPED", "STARTING", "STARTED", "OVERRIDDEN")
)


@pytest.fixture
def car(enode: RunningSimulator) -> str:
    """A car at a Location, plugged in at 30 %, with smart charging and a deadline in 20 hours."""
    car = enode.link_car()
    enode.change_car(car, activity="charge", battery_level=30)
    place = {key: enode.get_vehicle(car)["location"][key] for key in ("latitude", "longitude")}
    enode.json("POST", "/users/u1/locations", {"name": "Home", "timezoneName": "UTC", **place})
    enode.advance_time(420)
    return car


def enable(enode: RunningSimulator, car: str, **changes: object) -> None:
    deadline = (datetime.now(UTC) + timedelta(hours=20)).strftime("%H:%M")
    enode.json("PUT", f"/vehicles/{car}/smart-charging-policy", {"isEnabled": True, "deadline": deadline, **changes})


def get_status(enode: RunningSimulator, car: str) -> dict:
    return enode.json("GET", f"/vehicles/{car}/smart-charging-status")


def test_car_waits_for_the_low_price_and_then_charges_to_its_limit(
    enode: RunningSimulator, receiver: WebhookReceiver, car: str
):
    enode.create_subscription(receiver.url)
    enable(enode, car)
    enode.advance_time(420)
    status = get_status(enode, car)
    assert status["state"] == STOPPED
    assert enode.get_vehicle(car)["chargeState"]["isCharging"] is False
    start = datetime.fromisoformat(status["plan"]["startAt"])
    assert abs((start - datetime.now(UTC)).total_seconds() - CHEAPEST_AFTER_SECONDS) < 60
    assert status["plan"]["smartCost"] < status["plan"]["nonSmartCost"]
    enode.send_command(car, "START", status=422)
    enode.advance_time(CHEAPEST_AFTER_SECONDS + 600)
    assert get_status(enode, car)["state"] == STARTED
    assert enode.get_vehicle(car)["chargeState"]["isCharging"] is True
    enode.advance_time(12 * 3600)
    assert enode.get_vehicle(car)["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:COMPLETE"
    assert get_status(enode, car)["plan"]["finalState"] == "PLAN:ENDED:FINISHED"
    states = [event["smartChargingStatus"]["state"] for event in enode.collect_events(receiver, STATUS_UPDATED)]
    assert states == [STOPPING, STOPPED, STARTING, STARTED, "PLAN:ENDED:FINISHED"]


def test_override_charges_now_and_ends_with_the_plan(enode: RunningSimulator, car: str):
    enable(enode, car)
    enode.advance_time(420)
    enode.json("POST", f"/vehicles/{car}/smart-override")
    enode.advance_time(420)
    status = get_status(enode, car)
    assert (status["state"], status["smartOverride"]["endedAt"]) == (OVERRIDDEN, None)
    assert enode.get_vehicle(car)["chargeState"]["isCharging"] is True
    enode.json("DELETE", f"/vehicles/{car}/smart-override")
    enode.advance_time(420)
    assert get_status(enode, car)["state"] == STOPPED
    assert enode.get_vehicle(car)["chargeState"]["isCharging"] is False


def test_unplugging_ends_the_plan_and_plugging_in_makes_another(enode: RunningSimulator, car: str):
    enable(enode, car)
    enode.advance_time(420)
    first = get_status(enode, car)["plan"]["id"]
    enode.change_car(car, activity="unplug")
    enode.advance_time(420)
    assert get_status(enode, car)["state"] == "PLAN:ENDED:UNPLUGGED"
    enode.change_car(car, activity="charge")
    enode.advance_time(420)
    status = get_status(enode, car)
    assert status["state"] == STOPPED
    assert status["plan"]["id"] != first


def test_car_below_its_minimum_charges_at_once(enode: RunningSimulator, car: str):
    enable(enode, car, minimumChargeLimit=60)
    enode.advance_time(420)
    assert get_status(enode, car)["plan"] is None
    assert enode.get_vehicle(car)["chargeState"]["isCharging"] is True


def test_disabling_ends_the_plan(enode: RunningSimulator, car: str):
    enable(enode, car)
    enode.advance_time(420)
    enode.json("PUT", f"/vehicles/{car}/smart-charging-policy", {"isEnabled": False})
    status = get_status(enode, car)
    assert (status["state"], status["plan"]) == ("DISABLED", None)


@pytest.mark.parametrize(
    ("deadline", "time_zone", "now", "expected"),
    [
        ("07:00", "UTC", "2026-11-20T06:59:00+00:00", "2026-11-20T07:00:00+00:00"),
        ("07:00", "UTC", "2026-11-20T07:00:00+00:00", "2026-11-21T07:00:00+00:00"),
        ("07:00", "Europe/Oslo", "2026-11-20T06:30:00+00:00", "2026-11-21T06:00:00+00:00"),
        ("24:00", "UTC", "2026-11-20T06:30:00+00:00", "2026-11-21T00:00:00+00:00"),
    ],
)
def test_deadline_is_the_next_time_of_day_in_the_time_zone(deadline: str, time_zone: str, now: str, expected: str):
    found = find_next_deadline(deadline, time_zone, datetime.fromisoformat(now))
    assert found.astimezone(UTC) == datetime.fromisoformat(expected)
