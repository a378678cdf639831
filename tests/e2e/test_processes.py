"""One relay as several processes on one database: servers, workers, and the leader that runs the singleton jobs."""

import signal
from collections import Counter

import psycopg
import pytest

from relay.kit.leader_election import LEADER_LOCK_ID
from tests.e2e.processes import wait_until
from tests.e2e.running_relay import link_vehicle

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


def count_pending_events(relay):
    with psycopg.connect(relay.database_url) as connection:
        states = "select state, count(*) from evconduit.webhook_logs where user_id is not null group by state"
        return Counter(dict(connection.execute(states).fetchall()))["pending"]


def read_until_charge_limit(messages, limit):
    """Return the data of the next `vehicle` message with this charge limit."""
    vehicles = (data for event, _, data in messages if event == "vehicle")
    return next(data for data in vehicles if data["vehicle"]["chargeState"]["chargeLimit"] == limit)


def test_server_stores_events_worker_processes_them_and_server_streams_the_result(server, enode):
    worker = server.start_worker()
    wait_until(lambda: enode.count_webhooks() == 1)  # by the worker: the server alone creates no webhook
    _, enode_id = link_vehicle(server, enode)
    messages = server.stream_messages()
    assert next(messages)[0] == "snapshot"
    enode.change_vehicle(enode_id, activity="park", charge_limit=63)
    assert read_until_charge_limit(messages, 63)["vehicle"]["id"] == enode_id
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    enode.change_vehicle(enode_id, charge_limit=64)
    wait_until(lambda: count_pending_events(server))  # stored although there is no worker
    server.start_worker()
    read_until_charge_limit(messages, 64)
    wait_until(lambda: not count_pending_events(server))  # Enode sends more events than that one


def find_leader_pids(relay):
    """Return the database sessions that hold the leader lock: at most one at a time."""
    find_holders = "select pid from pg_locks where locktype = 'advisory' and granted and objid = %s"
    with psycopg.connect(relay.database_url) as connection:
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
