"""The control API: changing cars, the clock, API faults and heartbeats."""

import time
from typing import Any

import httpx
import pytest

from demo.enode.simulator import Delays
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import WebhookReceiver


@pytest.mark.parametrize(
    ("body", "activity", "state"),
    [
        ({"activity": "drive"}, "driving", "UNPLUGGED"),
        ({"activity": "park"}, "parked", "UNPLUGGED"),
        ({"activity": "plug_in"}, "stopped", "PLUGGED_IN:STOPPED"),
        ({"activity": "charge"}, "charging", "PLUGGED_IN:CHARGING"),
        ({"activity": "charge", "battery_level": 80, "charge_limit": 80}, "complete", "PLUGGED_IN:COMPLETE"),
        ({"activity": "stop"}, "stopped", "PLUGGED_IN:STOPPED"),
        ({"power_delivery_state": "PLUGGED_IN:FAULT"}, "fault", "PLUGGED_IN:FAULT"),
        ({"power_delivery_state": "PLUGGED_IN:NO_POWER"}, "no_power", "PLUGGED_IN:NO_POWER"),
        ({"power_delivery_state": "PLUGGED_IN:DISCHARGING"}, "discharging", "PLUGGED_IN:DISCHARGING"),
        ({"power_delivery_state": "UNKNOWN"}, "unknown", "UNKNOWN"),
    ],
)
def test_control_request_changes_a_car_at_once(
    enode: RunningSimulator, body: dict[str, Any], activity: str, state: str
):
    row = enode.change_car(enode.link_car(), **body)
    assert (row["activity"], row["pinned"]) == (activity, True)
    assert row["vehicle"]["chargeState"]["powerDeliveryState"] == state
    assert row == enode.json("GET", f"/_sim/vehicles/{row['vehicle']['id']}")
    assert [row] == enode.json("GET", "/_sim/vehicles")
    assert row["vehicle"] == enode.get_vehicle(row["vehicle"]["id"])


def test_setting_values_keeps_the_activity(enode: RunningSimulator):
    car = enode.link_car()
    row = enode.change_car(car, battery_level=34, charge_limit=75, odometer=60_000, max_current=10)
    seen = row["vehicle"]
    assert (row["activity"], row["pinned"]) == ("driving", False)
    assert (seen["chargeState"]["batteryLevel"], seen["chargeState"]["chargeLimit"]) == (34, 75)
    assert (seen["odometer"]["distance"], seen["chargeState"]["maxCurrent"]) == (60_000, 10)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"activity": "fly"}, "activity"),
        ({"battery_level": 101}, "battery_level"),
        ({"battery_level": "34"}, "battery_level"),
        ({"charge_limit": 0}, "charge_limit"),
        ({"odometer": 1}, "odometer"),
        ({"reachable": "no"}, "reachable"),
        ({"power_delivery_state": "PLUGGED_OUT"}, "power_delivery_state"),
        ({"colour": "red"}, "colour"),
        ([], "body"),
    ],
)
def test_invalid_change_returns_422_and_changes_nothing(enode: RunningSimulator, body: Any, where: str):
    car = enode.link_car()
    before = enode.json("GET", f"/_sim/vehicles/{car}")
    answer = enode.json("POST", f"/_sim/vehicles/{car}", body, status=422)
    assert where in answer["detail"]
    assert enode.json("GET", f"/_sim/vehicles/{car}") == before


def test_invalid_json_returns_422_and_unknown_car_404(enode: RunningSimulator):
    car = enode.link_car()
    assert enode.http.post(f"/_sim/vehicles/{car}", content=b"{").status_code == 422
    enode.json("POST", "/_sim/vehicles/nobody", {}, status=404)
    enode.json("GET", "/_sim/vehicles/nobody", status=404)


def test_control_api_needs_no_token(unauthenticated: RunningSimulator):
    assert unauthenticated.json("GET", "/_sim/health")["status"] == "ok"


@pytest.mark.parametrize("body", [{"speed": -1}, {"speed": 1e9}, {"advance": 0}, {"advance": 1e9}, {"warp": 9}])
def test_invalid_clock_request_returns_422(enode: RunningSimulator, body: dict[str, float]):
    enode.json("POST", "/_sim/clock", body, status=422)


def test_fault_applies_to_the_given_number_of_matching_requests(enode: RunningSimulator):
    car = enode.link_car()
    enode.change_car(car, activity="plug_in")
    problem = {"type": "https://example.org/p", "title": "Cannot", "detail": "Because."}
    body = {"method": "POST", "path": "/vehicles/*/charging", "times": 2, "status": 400, "problem": problem}
    assert enode.json("POST", "/_sim/faults", body)["times"] == 2
    assert enode.get_vehicle(car)
    for left in (1, 0):
        assert enode.send_command(car, "START", status=400) == problem
        assert [fault["times"] for fault in enode.json("GET", "/_sim/faults")] == ([1] if left else [])
    assert enode.send_command(car, "START")["state"] == "PENDING"


def test_fault_can_throttle_and_be_cleared(enode: RunningSimulator):
    body = {"path": "/vehicles", "times": 9, "status": 429, "headers": {"retry-after": "3"}}
    enode.json("POST", "/_sim/faults", body)
    answer = enode.http.get("/vehicles")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["title"]) == (429, "3", "Simulated fault")
    enode.json("DELETE", "/_sim/faults", status=204)
    assert enode.http.get("/vehicles").status_code == 200


def test_fault_without_status_only_delays(enode: RunningSimulator):
    enode.json("POST", "/_sim/faults", {"method": "GET", "path": "/vehicles", "delay": 0.2})
    started = time.monotonic()
    assert enode.http.get("/vehicles").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_faults_apply_to_the_token_endpoint_but_not_to_the_control_api(enode: RunningSimulator):
    enode.json("POST", "/_sim/faults", {"path": "*", "status": 503}, status=422)
    enode.json("POST", "/_sim/faults", {"path": "/*", "times": 1, "status": 503})
    assert enode.json("GET", "/_sim/health")["status"] == "ok"
    assert enode.request_token("anyone", "anything").status_code == 503


def test_deliveries_are_listed_with_their_events(enode: RunningSimulator, receiver: WebhookReceiver):
    subscription = enode.create_subscription(receiver.url)
    enode.link_car()
    enode.collect_events(receiver, "")
    seen = enode.json("GET", "/_sim/deliveries")
    assert {delivery["webhook_id"] for delivery in seen} == {subscription["id"]}
    assert [event for delivery in seen for event in delivery["events"]] == [
        event for delivery in receiver.deliveries for event in delivery.events
    ]
    assert {delivery["state"] for delivery in seen[:-1]} <= {"delivered"}


def test_ids_are_not_reused_after_clearing_the_world(enode: RunningSimulator):
    first = enode.link_car()
    enode.json("DELETE", "/_sim/world", status=204)
    assert enode.json("GET", "/_sim/vehicles") == []
    assert enode.link_car() != first


def test_same_seed_gives_the_same_ids_and_vins():
    def cars(seed: int) -> list[tuple[str, str]]:
        simulator = RunningSimulator(make_settings(seed=seed))
        try:
            simulator.sign_in()
            simulator.link_car()
            return [(row["id"], row["information"]["vin"]) for row in simulator.json("GET", "/vehicles")["data"]]
        finally:
            simulator.close()

    assert cars(7) == cars(7) != cars(8)


def test_heartbeats_are_sent_periodically(receiver: WebhookReceiver):
    simulator = RunningSimulator(make_settings(speed=1.0, delays=Delays(heartbeat=0.1, min_heartbeat_interval=0.1)))
    try:
        simulator.sign_in()
        simulator.create_subscription(receiver.url, events=["enode:webhook:test"])
        beats = receiver.wait_for_events("system:heartbeat", 2)
        assert beats[0] == {**beats[0], "version": "2024-10-01", "pendingEvents": 0}
    finally:
        simulator.close()


def test_heartbeat_interval_has_a_real_time_minimum(receiver: WebhookReceiver):
    settings = make_settings(speed=36_000.0)
    simulator = RunningSimulator(settings)
    try:
        simulator.sign_in()
        simulator.create_subscription(receiver.url)
        start = simulator.json("GET", "/_sim/clock")["seconds"]
        while simulator.json("GET", "/_sim/clock")["seconds"] < start + 30_000:
            pass
        assert receiver.list_events("system:heartbeat") == []
    finally:
        simulator.close()


def test_unknown_control_method_or_path_returns_an_error(simulator: RunningSimulator):
    with httpx.Client(base_url=simulator.url, trust_env=False) as http:
        assert http.put("/_sim/health").status_code == 405
        assert http.get("/_sim/nothing").status_code == 404
