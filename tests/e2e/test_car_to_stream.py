"""From a simulated car to what a Home Assistant is told, and back, over real processes and real HTTP."""

import signal
from pathlib import Path

import psycopg
import pytest

from tests.e2e.conftest import until


def first(relay, wanted, *, last=None):
    """The first message of the stream that `wanted` likes."""
    return next(message for message in relay.stream(last) if wanted(*message))


@pytest.fixture
def relay(start_relay):
    return start_relay()


@pytest.fixture
def car(relay, enode):
    """A car that can do everything, linked through Enode's page and known to the relay in full: (our id, Enode's)."""
    sent_to = enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    assert sent_to.startswith(f"http://127.0.0.1:{relay.port}/link-callback?link=")
    record = until(lambda: next((it for it in relay.vehicles() if it["vehicle"].get("chargeState")), None))
    enode.tell(record["vehicle"]["id"], activity="park")
    return record["id"], record["vehicle"]["id"]


def test_a_linked_car_arrives_as_enode_tells_it(relay, enode, car):
    ours, enodes = car
    enode.tell(enodes, activity="unplug", battery_level=37)

    def told(event, _id, data):
        return event in {"snapshot", "vehicle"} and any(
            it["vehicle"].get("chargeState", {}).get("batteryLevel") == 37
            for it in data.get("vehicles", [data])
            if "vehicle" in it
        )

    first(relay, told)
    truth = until(lambda: enode.cars()[enodes])
    record = until(lambda: next(it for it in relay.vehicles() if it["id"] == ours))
    assert record["vehicle"].keys() == truth.keys()
    assert record["vehicle"]["information"] == truth["information"]
    assert record["vehicle"]["userId"] == relay.user
    assert record["link"]["state"] == "ok"


def test_a_charge_is_started_told_confirmed_and_stopped(relay, enode, car):
    ours, enodes = car
    enode.tell(enodes, activity="plug_in", battery_level=30)
    stream = relay.stream()
    seen = []

    def watch(kind):
        """Read on until this transition is told."""
        for event, _, data in stream:
            seen.append((event, data))
            if event == "transition" and (data["type"], data["vehicle_id"]) == (kind, ours):
                return data
        raise AssertionError(f"the stream ended before {kind}")

    watch("plugged_in")
    for action, kind in (("START", "charging_started"), ("STOP", "charging_stopped")):
        url = f"/api/ha/v2/vehicles/{ours}/charging"
        until(lambda url=url, action=action: relay.http.post(url, json={"action": action}).status_code == 202)
        assert not watch(kind)["replayed"]
    records = [data["vehicle"]["chargeState"]["isCharging"] for event, data in seen if event == "vehicle"]
    assert True in records
    commands = [data["command"] for event, data in seen if event == "vehicle" and data["command"]]
    assert {"pending", "confirmed"} <= {it["state"] for it in commands}


def test_a_refusal_of_enode_is_told_in_its_own_words(relay, enode, car):
    ours, enodes = car
    enode.tell(enodes, activity="unplug")
    problem = {"type": "https://developers.enode.com/api/problems/bad-request", "title": "No", "detail": "Not today."}
    fault = {"method": "POST", "path": "/vehicles/*/charging", "times": 1, "status": 400, "problem": problem}
    enode.http.post("/_sim/faults", json=fault).raise_for_status()
    answer = relay.http.post(f"/api/ha/v2/vehicles/{ours}/charging", json={"action": "START"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "Not today.")


def test_a_relay_killed_in_mid_charge_misses_nothing(relay, enode, car):
    ours, enodes = car
    enode.tell(enodes, activity="plug_in", battery_level=20)
    cursor = first(relay, lambda event, *_: event == "snapshot")[1]
    enode.tell(enodes, activity="charge")
    until(lambda: next(it for it in relay.vehicles() if it["id"] == ours)["vehicle"]["chargeState"]["isCharging"])
    relay.end(signal.SIGKILL)
    enode.tell(enodes, battery_level=61)
    until(enode.pending)
    relay.start()
    until(lambda: not enode.pending())
    level = until(lambda: enode.cars()[enodes]["chargeState"]["batteryLevel"])
    until(lambda: relay.vehicles()[0]["vehicle"]["chargeState"]["batteryLevel"] >= min(level, 61))

    delivered = enode.delivered()
    with psycopg.connect(relay.run("database", "url")) as connection:
        stored = [row[0] for row in connection.execute("select payload from evconduit.webhook_logs").fetchall()]
        open_rows = (
            "select count(*) from evconduit.webhook_logs where state = 'pending' and event_at < now() - interval '20 s'"
        )
        assert connection.execute(open_rows).fetchone() == (0,)
    assert [event for event in delivered if event not in stored] == []

    def started(event, _id, data):
        return event == "transition" and data["type"] == "charging_started"

    assert first(relay, started, last=cursor)[2]["replayed"]


def test_without_a_public_address_the_relay_asks(start_relay, enode):
    relay = start_relay(webhook=False)
    back = enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    relay.http.get(back).raise_for_status()  # the browser's way back makes the relay look
    record = until(relay.vehicles)[0]
    assert record["vehicle"]["id"] in enode.cars()


def test_no_secret_vin_or_place_is_in_the_log(relay, enode, car):
    enode.tell(car[1], activity="drive")
    until(lambda: len(enode.delivered()) > 5)
    log = Path(relay.log).read_text()
    truth = enode.cars()[car[1]]
    told = [relay.key, relay.environment["ENODE_WEBHOOK_SECRET"], "client-secret", truth["information"]["vin"]]
    places = [str(truth["location"][it])[:7] for it in ("latitude", "longitude")]
    assert [it for it in (*told, *places, "driver@example.org") if it in log] == []
