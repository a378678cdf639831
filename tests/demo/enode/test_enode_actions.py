"""Actions: creation, pending state and outcomes."""

import uuid

import pytest

from tests.demo.enode.running_simulator import RunningSimulator
from tests.demo.enode.webhook_receiver import WebhookReceiver

ACTION_UPDATED = "user:vendor-action:updated"


@pytest.fixture
def car(enode: RunningSimulator) -> str:
    """A plugged-in car that can charge."""
    found = enode.link_car()
    enode.change_car(found, activity="plug_in", battery_level=40)
    return found


def list_action_states(enode: RunningSimulator, receiver: WebhookReceiver) -> list[tuple[str, str]]:
    """List kind and state of every action event so far."""
    return [
        (event["vendorAction"]["kind"], event["vendorAction"]["state"])
        for event in enode.collect_events(receiver, ACTION_UPDATED)
    ]


def test_start_is_pending_until_the_car_charges(enode: RunningSimulator, receiver: WebhookReceiver, car: str):
    enode.create_subscription(receiver.url)
    action = enode.send_command(car, "START")
    assert (action["state"], action["kind"], action["targetId"]) == ("PENDING", "START", car)
    assert (action["completedAt"], action["failureReason"]) == (None, None)
    assert enode.json("GET", f"/vehicles/actions/{action['id']}") == action
    enode.advance_time(10)
    assert enode.get_vehicle(car)["chargeState"]["isCharging"] is False
    enode.advance_time(60)
    done = enode.json("GET", f"/vehicles/actions/{action['id']}")
    assert (done["state"], done["createdAt"]) == ("CONFIRMED", action["createdAt"])
    assert done["completedAt"] == done["updatedAt"] > action["updatedAt"]
    assert enode.get_vehicle(car)["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:CHARGING"
    assert list_action_states(enode, receiver) == [("START", "PENDING"), ("START", "CONFIRMED")]
    last = enode.collect_events(receiver, ACTION_UPDATED)[-1]
    assert last["vendorAction"] == done
    assert set(last["updatedFields"]) == {"state", "updatedAt", "completedAt"}


def test_daily_routine_does_not_restart_a_stopped_charge(enode: RunningSimulator):
    car = enode.link_car()
    enode.change_car(car, activity="charge", battery_level=30)
    enode.change_car(car, activity="auto")
    action = enode.send_command(car, "STOP")
    enode.advance_time(3600)
    assert enode.json("GET", f"/vehicles/actions/{action['id']}")["state"] == "CONFIRMED"
    assert enode.get_vehicle(car)["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:STOPPED"


def test_confirmation_is_sent_after_the_vehicle_update(enode: RunningSimulator, receiver: WebhookReceiver, car: str):
    enode.create_subscription(receiver.url)
    enode.send_command(car, "START")
    enode.advance_time(120)
    names = [event["event"] for delivery in receiver.wait_for_deliveries(1) for event in delivery.events]
    enode.collect_events(receiver, ACTION_UPDATED)
    names = [event["event"] for delivery in receiver.deliveries for event in delivery.events]
    assert names.index("user:vehicle:updated") < len(names) - 1 - names[::-1].index(ACTION_UPDATED)


def test_repeated_command_returns_the_same_action(enode: RunningSimulator, receiver: WebhookReceiver, car: str):
    enode.create_subscription(receiver.url)
    assert enode.send_command(car, "START") == enode.send_command(car, "START")
    assert list_action_states(enode, receiver) == [("START", "PENDING")]


def test_different_command_cancels_the_pending_one(enode: RunningSimulator, receiver: WebhookReceiver, car: str):
    enode.create_subscription(receiver.url)
    first, second = enode.send_command(car, "START"), enode.send_command(car, "STOP")
    assert second["id"] != first["id"]
    cancelled = enode.json("GET", f"/vehicles/actions/{first['id']}")
    assert (cancelled["state"], cancelled["failureReason"]["type"]) == ("CANCELLED", "CONFLICT")
    enode.advance_time(60)
    assert list_action_states(enode, receiver) == [
        ("START", "PENDING"),
        ("START", "CANCELLED"),
        ("STOP", "PENDING"),
        ("STOP", "CONFIRMED"),
    ]


def test_command_to_an_unreachable_car_times_out(enode: RunningSimulator, car: str):
    enode.change_car(car, reachable=False)
    action = enode.send_command(car, "START")
    enode.advance_time(1700)
    assert enode.json("GET", f"/vehicles/actions/{action['id']}")["state"] == "PENDING"
    enode.advance_time(200)
    failed = enode.json("GET", f"/vehicles/actions/{action['id']}")
    assert (failed["state"], failed["failureReason"]["type"]) == ("FAILED", "NO_RESPONSE")


def test_reachable_again_car_executes_the_pending_command(enode: RunningSimulator, car: str):
    enode.change_car(car, reachable=False)
    action = enode.send_command(car, "START")
    enode.advance_time(600)
    enode.change_car(car, reachable=True)
    enode.advance_time(60)
    assert enode.json("GET", f"/vehicles/actions/{action['id']}")["state"] == "CONFIRMED"


def test_unplugging_cancels_a_pending_start(enode: RunningSimulator, car: str):
    action = enode.send_command(car, "START")
    enode.change_car(car, activity="unplug")
    enode.advance_time(1)
    lost = enode.json("GET", f"/vehicles/actions/{action['id']}")
    assert (lost["state"], lost["failureReason"]["type"]) == ("CANCELLED", "FAILED_PRECONDITION")


@pytest.mark.parametrize("changes", [{"activity": "park"}, {"power_delivery_state": "PLUGGED_IN:FAULT"}])
def test_start_without_power_is_cancelled_at_once(enode: RunningSimulator, car: str, changes: dict):
    enode.change_car(car, **changes)
    action = enode.send_command(car, "START")
    assert (action["state"], action["failureReason"]["type"]) == ("CANCELLED", "FAILED_PRECONDITION")
    assert enode.json("GET", f"/vehicles/actions/{action['id']}") == action


@pytest.mark.parametrize(
    ("changes", "action", "detail"),
    [
        ({"activity": "charge"}, "START", "already charging"),
        ({"activity": "charge", "battery_level": 80, "charge_limit": 80}, "START", "fully charged"),
        ({"activity": "stop"}, "STOP", "not charging"),
        ({"activity": "drive"}, "STOP", "not charging"),
    ],
)
def test_unnecessary_command_returns_400(enode: RunningSimulator, car: str, changes: dict, action: str, detail: str):
    enode.change_car(car, **changes)
    problem = enode.send_command(car, action, status=400)
    assert detail in problem["detail"]
    assert problem["type"].endswith("/bad-request")


@pytest.mark.parametrize("body", [{}, {"action": "PAUSE"}, {"action": "START", "now": True}, ["START"], None])
def test_invalid_command_returns_400(enode: RunningSimulator, car: str, body: object):
    assert enode.json("POST", f"/vehicles/{car}/charging", body, status=400)["title"] == "Bad Request"


def test_cancelled_action_is_still_executed_and_cannot_be_cancelled_twice(enode: RunningSimulator, car: str):
    action = enode.send_command(car, "START")
    cancelled = enode.json("POST", f"/vehicles/actions/{action['id']}/cancel")
    assert (cancelled["state"], cancelled["failureReason"]["type"]) == ("CANCELLED", "REQUESTED_CANCELLATION")
    assert enode.json("POST", f"/vehicles/actions/{action['id']}/cancel", status=409) == cancelled
    enode.advance_time(60)
    assert enode.get_vehicle(car)["chargeState"]["isCharging"] is True


def test_action_id_must_be_a_known_uuid(enode: RunningSimulator):
    enode.json("GET", "/vehicles/actions/17", status=400)
    enode.json("GET", f"/vehicles/actions/{uuid.uuid4()}", status=404)
    enode.json("POST", f"/vehicles/actions/{uuid.uuid4()}/cancel", status=404)


def test_unlinking_fails_the_pending_action(enode: RunningSimulator, receiver: WebhookReceiver, car: str):
    enode.create_subscription(receiver.url)
    action = enode.send_command(car, "START")
    enode.json("DELETE", "/users/u1/vendors/TESLA", status=204)
    enode.advance_time(1)
    failed = enode.json("GET", f"/vehicles/actions/{action['id']}")
    assert (failed["state"], failed["failureReason"]["type"]) == ("FAILED", "NOT_FOUND")
    assert list_action_states(enode, receiver)[-1] == ("START", "FAILED")


def test_start_is_cancelled_when_the_car_is_full(enode: RunningSimulator, car: str):
    action = enode.send_command(car, "START")
    enode.change_car(car, battery_level=80, charge_limit=80)
    enode.advance_time(90)
    ended = enode.json("GET", f"/vehicles/actions/{action['id']}")
    assert (ended["state"], ended["failureReason"]["type"]) == ("CANCELLED", "UNNECESSARY")


def test_max_current_limits_the_charge_rate(enode: RunningSimulator, receiver: WebhookReceiver, car: str):
    enode.change_car(car, activity="charge")
    enode.create_subscription(receiver.url)
    action = enode.json("POST", f"/vehicles/{car}/max-current", {"maxCurrent": 8})
    assert (action["state"], action["targetState"]) == ("PENDING", {"maxCurrent": 8})
    enode.advance_time(300)
    assert enode.json("GET", f"/vehicles/actions/{action['id']}")["state"] == "CONFIRMED"
    charge = enode.get_vehicle(car)["chargeState"]
    assert (charge["maxCurrent"], charge["chargeRate"]) == (8, 5.5)
    assert enode.collect_events(receiver, ACTION_UPDATED)[-1]["vendorAction"]["targetState"] == {"maxCurrent": 8}
    enode.json("POST", f"/vehicles/{car}/max-current", {"maxCurrent": 0}, status=400)
    other = enode.link_car("xpeng-g6")
    enode.json("POST", f"/vehicles/{other}/max-current", {"maxCurrent": 8}, status=400)


def test_smart_charging_refuses_commands_until_overridden(enode: RunningSimulator, receiver: WebhookReceiver, car: str):
    enode.create_subscription(receiver.url)
    path = f"/vehicles/{car}/smart-charging-policy"
    assert enode.json("PUT", path, {"isEnabled": True}, status=400)["title"] == "Cannot activate smart charging"
    enode.json("PUT", path, {"deadline": "25:00"}, status=400)
    policy = enode.json("PUT", path, {"isEnabled": True, "deadline": "07:30"})
    assert policy == {"isEnabled": True, "deadline": "07:30", "minimumChargeLimit": 0}
    assert enode.json("GET", path) == enode.get_vehicle(car)["smartChargingPolicy"] == policy
    status = enode.json("GET", f"/vehicles/{car}/smart-charging-status")
    assert (status["state"], status["consideration"]["isPluggedIn"]) == ("CONSIDERING", True)
    enode.send_command(car, "START", status=422)
    enode.json("DELETE", f"/vehicles/{car}/smart-override", status=404)
    override = enode.json("POST", f"/vehicles/{car}/smart-override")
    enode.advance_time(60)
    assert enode.json("GET", f"/vehicles/actions/{override['vendorActionId']}")["state"] == "CONFIRMED"
    ended = enode.json("DELETE", f"/vehicles/{car}/smart-override")
    assert (ended["createdAt"], ended["endedAt"] is None) == (override["createdAt"], False)
    enode.json("PUT", path, {"isEnabled": False})
    published = enode.collect_events(receiver, "user:vehicle:smart-charging-status-updated")
    assert [event["smartChargingStatus"]["state"] for event in published] == ["CONSIDERING", "DISABLED"]
    enode.json("GET", f"/vehicles/{car}/smart-charging-plans/latest", status=404)
