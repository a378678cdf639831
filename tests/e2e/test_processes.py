"""One relay spread over several processes on one database: who serves, who works, and who does what is done once."""

import signal
from collections import Counter

import httpx
import psycopg
import pytest

from relay.kit.leader_election import LEADER_LOCK_ID
from tests.e2e.conftest import free_port, until


@pytest.fixture
def spread(start_relay):
    """A relay that only serves, and what starts workers beside it."""
    relay = start_relay("--no-worker")
    workers = []

    def start_worker():
        before = relay.log.read_text().count("worker ready version=0.1.0")
        workers.append(relay.spawn("work"))
        until(lambda: relay.log.read_text().count("worker ready version=0.1.0") > before)
        return workers[-1]

    relay.start_worker = start_worker
    yield relay
    for worker in workers:
        worker.terminate()
        assert worker.wait(20) in {0, -signal.SIGKILL}


def link(relay, enode):
    """A car, linked at Enode; it is known to the relay once somebody works."""
    enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    return next(iter(enode.cars()))


def pending(relay):
    with psycopg.connect(relay.run("database", "url")) as connection:
        states = "select state, count(*) from evconduit.webhook_logs where user_id is not null group by state"
        return Counter(dict(connection.execute(states).fetchall()))["pending"]


def level(relay):
    return [it["vehicle"]["chargeState"]["batteryLevel"] for it in relay.vehicles() if it["vehicle"].get("chargeState")]


def test_what_one_process_takes_in_another_acts_on_and_the_first_tells_it(spread, enode):
    worker = spread.start_worker()
    until(lambda: enode.http.get("/_sim/health").json()["webhooks"] == 1)  # made by the worker: the other has no keeper
    car = link(spread, enode)
    until(lambda: level(spread))
    messages = spread.stream()
    assert next(messages)[0] == "snapshot"
    enode.tell(car, activity="park", battery_level=43)
    told = next(it for it in messages if it[0] == "vehicle" and it[2]["vehicle"]["chargeState"]["batteryLevel"] == 43)
    assert told[2]["vehicle"]["id"] == car
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    enode.tell(car, battery_level=44)
    until(lambda: pending(spread))  # taken in and kept, though nobody acts on it
    spread.start_worker()
    next(it for it in messages if it[0] == "vehicle" and it[2]["vehicle"]["chargeState"]["batteryLevel"] == 44)
    assert pending(spread) == 0


def leaders(relay):
    """Sessions of the database that hold the leader's lock: there is never more than one."""
    held = "select pid from pg_locks where locktype = 'advisory' and granted and objid = %s"
    with psycopg.connect(relay.run("database", "url")) as connection:
        return {pid for (pid,) in connection.execute(held, [LEADER_LOCK_ID]).fetchall()}


def test_what_is_done_once_is_taken_over_from_the_dead(spread, enode):
    workers = [spread.start_worker(), spread.start_worker()]
    until(lambda: enode.http.get("/_sim/health").json()["webhooks"] == 1)
    led = [until(lambda: leaders(spread))]
    for worker in workers:  # one of them leads
        worker.kill()
        worker.wait()
        workers.append(spread.start_worker())
        led.append(until(lambda: leaders(spread)))
        if len(workers) == 4:
            break
    assert all(len(it) == 1 for it in led)
    assert led[-1] != led[0]
    assert enode.http.get("/_sim/health").json()["webhooks"] == 1


def test_two_that_serve_and_work_share_one_embedded_database(start_relay, enode):
    relay = start_relay()
    port = free_port()
    other = relay.spawn("serve", EVCONDUIT_PORT=str(port))
    try:
        headers = {"Authorization": f"Bearer {relay.key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
            until(lambda: http.get("/api/health/ready").status_code == 200)
            link(relay, enode)
            until(lambda: level(relay))
            assert http.get("/api/ha/v2/vehicles").json()["vehicles"][0]["id"] == relay.vehicles()[0]["id"]
            relay.end()  # the first to come goes first; the database stays with the other
            assert http.get("/api/ha/v2/vehicles").status_code == 200
            relay.start()
    finally:
        other.terminate()
        other.wait(20)
