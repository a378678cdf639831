"""From a simulated vehicle to the stream of a Home Assistant and back, with real processes and real HTTP.

The tests share one relay, one simulator and one vehicle, which is parked and unplugged at the start of each test.
"""

import itertools
from pathlib import Path

import pytest

from tests.e2e.processes import wait_until
from tests.e2e.running_relay import find_message, link_vehicle, run_relays
from tests.e2e.simulated_enode import run_simulator

CHARGE_LIMITS = itertools.count(90)
"""A different one for each test. A limit can change at any time; a level or an odometer that jumps is held back."""


@pytest.fixture(scope="module")
def enode():
    with run_simulator("--speed", "300") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def relay(tmp_path_factory, enode, template):
    with run_relays(tmp_path_factory.mktemp("relay"), enode.url, template) as start:
        yield start()


@pytest.fixture(scope="module")
def linked_vehicle_ids(relay, enode):
    return link_vehicle(relay, enode)


@pytest.fixture
def vehicle_ids(relay, enode, linked_vehicle_ids):
    """The vehicle, parked: (our id, Enode's id). The relay has processed the events about that."""
    enode.change_vehicle(linked_vehicle_ids[1], activity="park", charge_limit=(limit := next(CHARGE_LIMITS)))
    wait_until(lambda: relay.list_vehicles()[0]["vehicle"]["chargeState"]["chargeLimit"] == limit)
    return linked_vehicle_ids


def test_linked_vehicle_arrives_as_enode_sent_it(relay, enode, vehicle_ids):
    vehicle_id, enode_id = vehicle_ids
    enode.change_vehicle(enode_id, activity="unplug", charge_limit=67)

    def has_new_limit(event, _id, data):
        return event in {"snapshot", "vehicle"} and any(
            record["vehicle"].get("chargeState", {}).get("chargeLimit") == 67
            for record in data.get("vehicles", [data])
            if "vehicle" in record
        )

    find_message(relay, has_new_limit)
    expected = wait_until(lambda: enode.get_vehicles()[enode_id])
    record = wait_until(lambda: next(record for record in relay.list_vehicles() if record["id"] == vehicle_id))
    assert record["vehicle"].keys() == expected.keys()
    assert record["vehicle"]["information"] == expected["information"]
    assert record["vehicle"]["userId"] == relay.user
    assert record["link"]["state"] == "ok"


def test_charging_is_started_confirmed_and_stopped(relay, enode, vehicle_ids):
    vehicle_id, enode_id = vehicle_ids
    enode.change_vehicle(enode_id, activity="plug_in")
    stream = relay.stream_messages()
    messages = []

    def read_until_transition(kind):
        for event, _, data in stream:
            messages.append((event, data))
            if event == "transition" and (data["type"], data["vehicle_id"]) == (kind, vehicle_id):
                return data
        raise AssertionError(f"the stream ended before {kind}")

    read_until_transition("plugged_in")
    for action, kind in (("START", "charging_started"), ("STOP", "charging_stopped")):
        url = f"/api/ha/v2/vehicles/{vehicle_id}/charging"
        wait_until(lambda url=url, action=action: relay.http.post(url, json={"action": action}).status_code == 202)
        assert not read_until_transition(kind)["replayed"]
    charging_states = [data["vehicle"]["chargeState"]["isCharging"] for event, data in messages if event == "vehicle"]
    assert True in charging_states
    commands = [data["command"] for event, data in messages if event == "vehicle" and data["command"]]
    assert {"pending", "confirmed"} <= {command["state"] for command in commands}


def test_refusal_by_enode_is_returned_with_enodes_detail(relay, enode, vehicle_ids):
    vehicle_id, enode_id = vehicle_ids
    enode.change_vehicle(enode_id, activity="unplug")
    problem = {"type": "https://developers.enode.com/api/problems/bad-request", "title": "No", "detail": "Not today."}
    fault = {"method": "POST", "path": "/vehicles/*/charging", "times": 1, "status": 400, "problem": problem}
    enode.http.post("/_sim/faults", json=fault).raise_for_status()
    response = relay.http.post(f"/api/ha/v2/vehicles/{vehicle_id}/charging", json={"action": "START"})
    assert (response.status_code, response.json()["detail"]) == (422, "Not today.")


def test_log_contains_no_secret_vin_or_position(relay, enode, vehicle_ids):
    _, enode_id = vehicle_ids
    delivered_before = len(enode.list_delivered_events())
    enode.change_vehicle(enode_id, activity="drive")
    wait_until(lambda: len(enode.list_delivered_events()) > delivered_before + 5)
    log = Path(relay.log).read_text()
    vehicle = enode.get_vehicles()[enode_id]
    secrets = [relay.key, relay.environment["ENODE_WEBHOOK_SECRET"], "client-secret", vehicle["information"]["vin"]]
    coordinates = [str(vehicle["location"][name])[:7] for name in ("latitude", "longitude")]
    assert [text for text in (*secrets, *coordinates, "driver@example.org") if text in log] == []
