"""Ground truth, interventions, removed cars, throttling and the sandbox."""

from collections.abc import Iterator
from typing import Any

import pytest

from demo.enode.simulator import Delays
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.test_enode_delivery_faults import wait_until
from tests.demo.enode.webhook_receiver import WebhookReceiver


def test_ground_truth_has_all_published_events_in_order(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    car = enode.link_car()
    enode.change_car(car, activity="charge", battery_level=40)
    enode.change_car(car, activity="unplug")
    published = [
        event for event in enode.collect_events(receiver, "user:vehicle:updated") if event["vehicle"]["id"] == car
    ]
    truth = enode.json("GET", "/_sim/truth")
    row = truth["vehicles"][car]
    assert (row["vehicle"], row["linked"]) == (enode.get_vehicle(car), True)
    assert row["states"][0]["event"] == "user:vehicle:discovered"
    assert [(state["at"], state["vehicle"]) for state in row["states"][1:]] == [
        (event["createdAt"], event["vehicle"]) for event in published
    ]
    assert truth["events"] == {"user:vehicle:discovered": 1, "user:vehicle:updated": len(published)}


def test_removed_car_publishes_a_deleted_event_and_keeps_its_history(
    enode: RunningSimulator, receiver: WebhookReceiver
):
    enode.create_subscription(receiver.url)
    car = enode.link_car()
    enode.json("DELETE", f"/_sim/vehicles/{car}", status=204)
    assert enode.collect_events(receiver, "user:vehicle:deleted")[0]["vehicle"]["id"] == car
    row = enode.json("GET", "/_sim/truth")["vehicles"][car]
    assert (row["linked"], row["states"][-1]["event"]) == (False, "user:vehicle:deleted")
    enode.json("GET", f"/vehicles/{car}", status=404)
    assert enode.json("GET", "/users/u1")["linkedVendors"]
    enode.json("DELETE", f"/_sim/vehicles/{car}", status=404)


def test_unlinking_a_vendor_deletes_its_cars(enode: RunningSimulator):
    car = enode.link_car()
    enode.json("DELETE", "/users/u1/vendors/TESLA", status=204)
    row = enode.json("GET", "/_sim/truth")["vehicles"][car]
    assert (row["linked"], row["states"][-1]["event"]) == (False, "user:vehicle:deleted")


def test_empty_world_has_an_empty_ground_truth(enode: RunningSimulator):
    enode.link_car()
    enode.json("DELETE", "/_sim/world", status=204)
    assert enode.json("GET", "/_sim/truth") == {"events": {}, "vehicles": {}, "log": []}


def test_control_api_raises_and_clears_an_intervention(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    car = enode.link_car()
    enode.change_car(car, interventions=["tesla-virtual-key"])
    start = enode.get_vehicle(car)["capabilities"]["startCharging"]
    assert (start["isCapable"], len(start["interventionIds"])) == (False, 1)
    what = enode.json("GET", f"/interventions/{start['interventionIds'][0]}")["resolution"]
    assert (what["access"], what["action"]) == ("Physical", "Link")
    assert enode.get_vehicle(car)["capabilities"]["chargeState"]["isCapable"]
    assert "not capable" in enode.send_command(car, "START", status=400)["detail"]
    enode.change_car(car, interventions=[])
    assert enode.get_vehicle(car)["capabilities"]["startCharging"] == {"isCapable": True, "interventionIds": []}
    published = enode.collect_events(receiver, "user:vehicle:updated")[-2:]
    assert [event["vehicle"]["capabilities"]["startCharging"]["isCapable"] for event in published] == [False, True]
    problem = enode.json("POST", f"/_sim/vehicles/{car}", {"interventions": ["flat-tyre"]}, status=422)
    assert "tesla-virtual-key" in problem["detail"]


@pytest.mark.parametrize(
    ("language", "title"),
    [("de-DE", "Erneut anmelden"), ("nl-NL", "Opnieuw inloggen"), ("pt-PT", "Sign in again"), ("xx", "Sign in again")],
)
def test_intervention_is_returned_in_the_requested_language(enode: RunningSimulator, language: str, title: str):
    listed = enode.json("GET", f"/interventions?language={language}")
    assert title in {row["resolution"]["title"] for row in listed}
    for one in listed:
        assert enode.json("GET", f"/interventions/{one['id']}?language={language}") == one


def test_throttled_requests_have_an_optional_retry_after(enode: RunningSimulator):
    enode.json("POST", "/_sim/faults", {"path": "/vehicles", "retry_after": 7})
    enode.json("POST", "/_sim/faults", {"path": "/vehicles", "status": 429})
    with_time, without = enode.http.get("/vehicles"), enode.http.get("/vehicles")
    assert (with_time.status_code, with_time.headers["retry-after"]) == (429, "7")
    assert (without.status_code, without.headers.get("retry-after")) == (429, None)
    assert enode.http.get("/vehicles").status_code == 200


@pytest.fixture
def sandbox() -> Iterator[RunningSimulator]:
    """A simulator in sandbox mode."""
    simulator = RunningSimulator(make_settings(sandbox=True, delays=Delays(give_up_after=300.0)))
    simulator.sign_in()
    yield simulator
    simulator.close()


def test_sandbox_changes_no_values_but_executes_commands(sandbox: RunningSimulator):
    car = sandbox.link_car()
    before = sandbox.get_vehicle(car)
    sandbox.advance_time(6 * 3600)
    assert sandbox.get_vehicle(car)["chargeState"] == before["chargeState"]
    assert sandbox.get_vehicle(car)["odometer"] == before["odometer"]
    sandbox.change_car(car, activity="plug_in", battery_level=30)
    action = sandbox.send_command(car, "START")
    sandbox.advance_time(60)
    assert sandbox.json("GET", f"/vehicles/actions/{action['id']}")["state"] == "CONFIRMED"
    sandbox.advance_time(6 * 3600)
    charge = sandbox.get_vehicle(car)["chargeState"]
    assert (charge["powerDeliveryState"], charge["batteryLevel"]) == ("PLUGGED_IN:CHARGING", 30)


def test_sandbox_refuses_smart_charging(sandbox: RunningSimulator):
    policy = f"/vehicles/{sandbox.link_car()}/smart-charging-policy"
    refused = sandbox.json("PUT", policy, {"isEnabled": True, "deadline": "07:00"}, status=400)
    assert refused["title"] == "Cannot activate smart charging"
    assert sandbox.json("PUT", policy, {"isEnabled": False})["isEnabled"] is False


def test_sandbox_deactivates_a_failing_webhook_after_five_minutes(sandbox: RunningSimulator, receiver: WebhookReceiver):
    receiver.statuses.extend([500] * 100)
    subscription = sandbox.create_subscription(receiver.url)["id"]
    sandbox.json("POST", "/_sim/heartbeat", status=204)

    def is_off() -> Any:
        sandbox.advance_time(30)
        return not sandbox.json("GET", f"/webhooks/{subscription}")["isActive"]

    wait_until(is_off)
    assert len(receiver.deliveries) > 1
    assert sandbox.json("GET", "/_sim/deliveries")[-1]["state"] == "failed"
