"""From a simulated vehicle to the stream of a Home Assistant and back, with real processes and real HTTP."""

import signal
from pathlib import Path

import psycopg
import pytest

from tests.e2e.conftest import wait_until


def find_message(relay, predicate, *, last_event_id=None):
    """Return the first message of the stream for which `predicate(event, id, data)` is true."""
    return next(message for message in relay.stream_messages(last_event_id) if predicate(*message))


@pytest.fixture
def relay(start_relay):
    return start_relay()


@pytest.fixture
def vehicle_ids(relay, enode):
    """A vehicle with all capabilities, linked on Enode's page and read by the relay: (our id, Enode's id)."""
    redirect = enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    assert redirect.startswith(f"http://127.0.0.1:{relay.port}/link-callback?link=")
    record = wait_until(
        lambda: next((record for record in relay.list_vehicles() if record["vehicle"].get("chargeState")), None)
    )
    enode.change_vehicle(record["vehicle"]["id"], activity="park")
    return record["id"], record["vehicle"]["id"]


def test_linked_vehicle_arrives_as_enode_sent_it(relay, enode, vehicle_ids):
    vehicle_id, enode_id = vehicle_ids
    enode.change_vehicle(enode_id, activity="unplug", battery_level=37)

    def has_new_level(event, _id, data):
        return event in {"snapshot", "vehicle"} and any(
            record["vehicle"].get("chargeState", {}).get("batteryLevel") == 37
            for record in data.get("vehicles", [data])
            if "vehicle" in record
        )

    find_message(relay, has_new_level)
    expected = wait_until(lambda: enode.get_vehicles()[enode_id])
    record = wait_until(lambda: next(record for record in relay.list_vehicles() if record["id"] == vehicle_id))
    assert record["vehicle"].keys() == expected.keys()
    assert record["vehicle"]["information"] == expected["information"]
    assert record["vehicle"]["userId"] == relay.user
    assert record["link"]["state"] == "ok"


def test_charging_is_started_confirmed_and_stopped(relay, enode, vehicle_ids):
    vehicle_id, enode_id = vehicle_ids
    enode.change_vehicle(enode_id, activity="plug_in", battery_level=30)
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


def test_relay_killed_during_charging_loses_no_event(relay, enode, vehicle_ids):
    vehicle_id, enode_id = vehicle_ids
    enode.change_vehicle(enode_id, activity="plug_in", battery_level=20)
    cursor = find_message(relay, lambda event, *_: event == "snapshot")[1]
    enode.change_vehicle(enode_id, activity="charge")
    wait_until(
        lambda: next(record for record in relay.list_vehicles() if record["id"] == vehicle_id)["vehicle"][
            "chargeState"
        ]["isCharging"]
    )
    relay.stop(signal.SIGKILL)
    enode.change_vehicle(enode_id, battery_level=61)
    wait_until(enode.count_pending_deliveries)
    relay.start()
    wait_until(lambda: not enode.count_pending_deliveries())
    level = wait_until(lambda: enode.get_vehicles()[enode_id]["chargeState"]["batteryLevel"])
    wait_until(lambda: relay.list_vehicles()[0]["vehicle"]["chargeState"]["batteryLevel"] >= min(level, 61))

    delivered = enode.list_delivered_events()
    with psycopg.connect(relay.run("database", "url")) as connection:
        stored = [row[0] for row in connection.execute("select payload from evconduit.webhook_logs").fetchall()]
        count_stale_events = (
            "select count(*) from evconduit.webhook_logs where state = 'pending' and event_at < now() - interval '20 s'"
        )
        assert connection.execute(count_stale_events).fetchone() == (0,)
    assert [event for event in delivered if event not in stored] == []

    def is_charging_started(event, _id, data):
        return event == "transition" and data["type"] == "charging_started"

    assert find_message(relay, is_charging_started, last_event_id=cursor)[2]["replayed"]


def test_relay_without_a_public_address_polls(start_relay, enode):
    relay = start_relay(webhook=False)
    redirect = enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    relay.http.get(redirect).raise_for_status()  # opening the redirect makes the relay poll
    record = wait_until(relay.list_vehicles)[0]
    assert record["vehicle"]["id"] in enode.get_vehicles()


def test_log_contains_no_secret_vin_or_position(relay, enode, vehicle_ids):
    _, enode_id = vehicle_ids
    enode.change_vehicle(enode_id, activity="drive")
    wait_until(lambda: len(enode.list_delivered_events()) > 5)
    log = Path(relay.log).read_text()
    vehicle = enode.get_vehicles()[enode_id]
    secrets = [relay.key, relay.environment["ENODE_WEBHOOK_SECRET"], "client-secret", vehicle["information"]["vin"]]
    coordinates = [str(vehicle["location"][name])[:7] for name in ("latitude", "longitude")]
    assert [text for text in (*secrets, *coordinates, "driver@example.org") if text in log] == []
