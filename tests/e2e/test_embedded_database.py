"""A relay without DATABASE_URL creates, starts, shares and stops its database itself."""

import signal

import httpx
import psycopg

from tests.e2e.processes import find_free_port, wait_until
from tests.e2e.running_relay import find_message, link_vehicle


def test_relay_killed_during_charging_loses_no_event(start_embedded_relay, enode):
    relay = start_embedded_relay()
    vehicle_id, enode_id = link_vehicle(relay, enode)
    enode.change_vehicle(enode_id, activity="park")
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
    with psycopg.connect(relay.database_url) as connection:
        stored = [row[0] for row in connection.execute("select payload from evconduit.webhook_logs").fetchall()]
        count_stale_events = (
            "select count(*) from evconduit.webhook_logs where state = 'pending' and event_at < now() - interval '20 s'"
        )
        assert connection.execute(count_stale_events).fetchone() == (0,)
    assert [event for event in delivered if event not in stored] == []

    def is_charging_started(event, _id, data):
        return event == "transition" and data["type"] == "charging_started"

    assert find_message(relay, is_charging_started, last_event_id=cursor)[2]["replayed"]


def test_two_relays_share_one_embedded_database(start_embedded_relay, enode):
    relay = start_embedded_relay()
    port = find_free_port()
    other_process = relay.start_process("serve", EVCONDUIT_PORT=str(port))
    try:
        headers = {"Authorization": f"Bearer {relay.key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
            wait_until(lambda: http.get("/api/health/ready").status_code == 200)
            vehicle_id, _ = link_vehicle(relay, enode)
            assert http.get("/api/ha/v2/vehicles").json()["vehicles"][0]["id"] == vehicle_id
            relay.stop()  # the process that started the database stops; the database stays up for the other one
            assert http.get("/api/ha/v2/vehicles").status_code == 200
            relay.start()
    finally:
        other_process.terminate()
        other_process.wait(20)
