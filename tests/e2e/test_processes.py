"""One relay as several processes on one database: servers, workers, and the leader that runs the singleton jobs."""

import signal
from collections import Counter

import httpx
import psycopg
import pytest

from relay.kit.leader_election import LEADER_LOCK_ID
from tests.e2e.conftest import find_free_port, wait_until

WORKER_READY = "worker ready version=0.1.0"


@pytest.fixture
def server(start_relay):
    """A relay process that only serves, with a method that starts workers beside it."""
    relay = start_relay("--no-worker")
    workers = []

    def start_worker():
        ready_before = relay.log.read_text().count(WORKER_READY)
        workers.append(relay.start_process("work"))
        wait_until(lambda: relay.log.read_text().count(WORKER_READY) > ready_before)
        return workers[-1]

    relay.start_worker = start_worker
    yield relay
    for worker in workers:
        worker.terminate()
        assert worker.wait(20) in {0, -signal.SIGKILL}


def link_vehicle(relay, enode):
    """Link a vehicle at Enode and return Enode's id. The relay lists it once a worker has processed the events."""
    enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    return next(iter(enode.get_vehicles()))


def count_pending_events(relay):
    with psycopg.connect(relay.run("database", "url")) as connection:
        states = "select state, count(*) from evconduit.webhook_logs where user_id is not null group by state"
        return Counter(dict(connection.execute(states).fetchall()))["pending"]


def list_battery_levels(relay):
    return [
        record["vehicle"]["chargeState"]["batteryLevel"]
        for record in relay.list_vehicles()
        if record["vehicle"].get("chargeState")
    ]


def read_until_battery_level(messages, level):
    """Return the data of the next `vehicle` message with this battery level."""
    return next(
        data
        for event, _, data in messages
        if event == "vehicle" and data["vehicle"]["chargeState"]["batteryLevel"] == level
    )


def test_server_stores_events_worker_processes_them_and_server_streams_the_result(server, enode):
    worker = server.start_worker()
    wait_until(lambda: enode.count_webhooks() == 1)  # by the worker: the server alone creates no webhook
    enode_id = link_vehicle(server, enode)
    wait_until(lambda: list_battery_levels(server))
    messages = server.stream_messages()
    assert next(messages)[0] == "snapshot"
    enode.change_vehicle(enode_id, activity="park", battery_level=43)
    assert read_until_battery_level(messages, 43)["vehicle"]["id"] == enode_id
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    enode.change_vehicle(enode_id, battery_level=44)
    wait_until(lambda: count_pending_events(server))  # stored although there is no worker
    server.start_worker()
    read_until_battery_level(messages, 44)
    assert count_pending_events(server) == 0


def find_leader_pids(relay):
    """Return the database sessions that hold the leader lock: at most one at a time."""
    find_holders = "select pid from pg_locks where locktype = 'advisory' and granted and objid = %s"
    with psycopg.connect(relay.run("database", "url")) as connection:
        return {pid for (pid,) in connection.execute(find_holders, [LEADER_LOCK_ID]).fetchall()}


def test_another_worker_becomes_leader_after_the_leader_is_killed(server, enode):
    workers = [server.start_worker(), server.start_worker()]
    wait_until(lambda: enode.count_webhooks() == 1)
    leaders = [wait_until(lambda: find_leader_pids(server))]
    for worker in workers:  # kills both of the first two workers, one of which is the leader
        worker.kill()
        worker.wait()
        workers.append(server.start_worker())
        leaders.append(wait_until(lambda: find_leader_pids(server)))
        if len(workers) == 4:
            break
    assert all(len(pids) == 1 for pids in leaders)
    assert leaders[-1] != leaders[0]
    assert enode.count_webhooks() == 1


def test_two_relays_share_one_embedded_database(start_relay, enode):
    relay = start_relay()
    port = find_free_port()
    other_process = relay.start_process("serve", EVCONDUIT_PORT=str(port))
    try:
        headers = {"Authorization": f"Bearer {relay.key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
            wait_until(lambda: http.get("/api/health/ready").status_code == 200)
            link_vehicle(relay, enode)
            wait_until(lambda: list_battery_levels(relay))
            assert http.get("/api/ha/v2/vehicles").json()["vehicles"][0]["id"] == relay.list_vehicles()[0]["id"]
            relay.stop()  # the process that started the database stops; the database stays up for the other one
            assert http.get("/api/ha/v2/vehicles").status_code == 200
            relay.start()
    finally:
        other_process.terminate()
        other_process.wait(20)
