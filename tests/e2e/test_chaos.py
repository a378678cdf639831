"""Nothing is lost under faults: bad deliveries, killed processes, a killed database, failing endpoints.

`--full` makes a longer run, and `--chaos-events 10000` one of this length. `--chaos-seed` repeats a run, apart from the
timing of processes.
"""

import random
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest

from tests.e2e.chaos.checks import (
    check_enode,
    check_inbox,
    check_installations,
    check_logs,
    check_sessions,
    list_outdated_installations,
)
from tests.e2e.chaos.cluster import POSTGRES, SERVERS, WORKERS, Cluster
from tests.e2e.chaos.fault_injection import VehicleChanger, kill_processes, register_endpoint
from tests.e2e.chaos.ground_truth import GroundTruth
from tests.e2e.chaos.installations import Account, StreamInstallation, WebhookInstallation, WebhookServer
from tests.e2e.chaos.seeded_random import create_random, fork_random
from tests.e2e.processes import wait_until
from tests.e2e.simulated_enode import run_simulator

ACCOUNT_VENDORS = ("TESLA", "TESLA", "VOLKSWAGEN")
DELIVERY_FAULTS = {
    "repeat_delivery": 0.1,
    "repeat_event": 0.1,
    "reorder": 0.15,
    "window": 6,
    "broken": 0.15,
    "forged": 0.1,
    "slow": 0.02,
    "slow_seconds": 0.3,
}
EVENTS, FULL_EVENTS = 180, 500
"""The number of vehicle changes. With the smaller one, every process is still killed at least once."""
BEHAVIORS = ["acknowledge"] * 6 + ["fail", "ignore", "fail after applying", "stall"]


@dataclass
class ChaosOptions:
    """The number of vehicle changes, and the random generator of the run."""

    events: int
    generator: random.Random


@pytest.fixture
def options(request, full_run) -> ChaosOptions:
    """The options of this run, printed so that it can be repeated."""
    seed = request.config.getoption("--chaos-seed")
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    events = request.config.getoption("--chaos-events") or (FULL_EVENTS if full_run else EVENTS)
    sys.stdout.write(f"chaos: --chaos-events {events} --chaos-seed {seed}\n")
    return ChaosOptions(events=events, generator=create_random(seed))


@pytest.fixture
def enode(tmp_path):
    """A simulator whose vehicles change only on request, as fast as they charge with a power that a car can have."""
    simulator_options = ("--sandbox", "--speed", "90", "--give-up", "86400")
    with (tmp_path / "enode.log").open("ab") as log, run_simulator(*simulator_options, log=log) as simulator:
        yield simulator


@pytest.fixture
def cluster(tmp_path, enode):
    relay = Cluster(tmp_path, enode.url)
    try:
        relay.start_all()
        yield relay
    finally:
        relay.stop()


@pytest.fixture
def webhook_server(options):
    server = WebhookServer(fork_random(options.generator))
    yield server
    server.close()


@pytest.fixture
def accounts(cluster, enode, webhook_server, options):
    """Users with linked vehicles, each with a stream and an endpoint."""
    wait_until(lambda: enode.count_webhooks() == 1)
    generators = [fork_random(options.generator) for _ in ACCOUNT_VENDORS]

    def create_account(number: int) -> Account:
        user = cluster.run("user", "add", email := f"driver{number}@example.org")
        keys = [cluster.run("key", "create", "--user", user) for _ in range(2)]
        enode.link(cluster.run("vehicle", "link", "--user", user), ACCOUNT_VENDORS[number])
        webhook = WebhookInstallation(f"webhook {number}", keys[1], f"/api/webhook/{secrets.token_hex(32)}")
        webhook_server.installations[webhook.path] = webhook
        secret = wait_until(lambda: register_endpoint(cluster, webhook_server, webhook))
        stream = StreamInstallation(f"stream {number}", keys[0], cluster.urls, generators[number])
        return Account(user=user, stream=stream, webhook=webhook, secrets=[*keys, webhook.path, secret, email])

    with ThreadPoolExecutor() as pool:
        created = list(pool.map(create_account, range(len(ACCOUNT_VENDORS))))
    yield created
    for account in created:
        account.stream.close()


@pytest.mark.timeout(3600)
def test_every_installation_reaches_the_true_state_despite_faults(cluster, enode, webhook_server, accounts, options):
    wait_until(lambda: all(account.stream.vehicles for account in accounts))
    webhook_server.behaviors = BEHAVIORS
    delivery_faults = {"seed": options.generator.randrange(1000), **DELIVERY_FAULTS}
    enode.http.post("/_sim/mischief", json=delivery_faults).raise_for_status()
    changer = VehicleChanger(enode, fork_random(options.generator), options.events)
    webhooks = [account.webhook for account in accounts]
    kills = kill_processes(cluster, webhook_server, webhooks, changer, options.generator)
    changer.finish()
    assert kills.keys() == {*SERVERS, *WORKERS, POSTGRES}

    fault_report = enode.http.get("/_sim/mischief").json()
    sys.stdout.write(f"chaos: kills {dict(kills)}; POSTs {webhook_server.counts}; {fault_report}\n")
    enode.http.delete("/_sim/mischief").raise_for_status()
    webhook_server.behaviors = []
    wait_until_delivered(cluster, enode, webhook_server, accounts)
    check_installations(accounts, fetch_truth(enode))
    check_without_faults(enode, changer, accounts)

    truth = fetch_truth(enode)
    with psycopg.connect(cluster.run("database", "url"), autocommit=True) as connection:
        check_inbox(connection, truth, [account.user for account in accounts])
        check_sessions(connection, truth.vehicles)
    check_enode(enode, fault_report["answers"])
    check_logs(cluster, accounts, truth.vehicles)


def wait_until_delivered(cluster, enode, webhook_server, accounts) -> None:
    """Wait until Enode has delivered every event and every endpoint is registered."""
    wait_until(lambda: enode.http.get("/_sim/health").json()["pending_events"] == 0)
    for account in accounts:
        wait_until(lambda account=account: register_endpoint(cluster, webhook_server, account.webhook))


def fetch_truth(enode) -> GroundTruth:
    return GroundTruth(enode.http.get("/_sim/truth", timeout=60).json())


def check_without_faults(enode, changer, accounts) -> None:
    """Without faults, every installation receives every transition."""
    installations = [installation for account in accounts for installation in account.installations]
    transitions_before = {
        enode_id: len(vehicle.transitions) for enode_id, vehicle in fetch_truth(enode).vehicles.items()
    }
    received_before = [len(installation.transitions) for installation in installations]
    changer.run_all_steps()
    vehicles = fetch_truth(enode).vehicles
    wait_until(lambda: not list_outdated_installations(accounts, vehicles))
    for installation, start in zip(installations, received_before, strict=True):
        for record in installation.vehicles.values():
            enode_id = record["vehicle"]["id"]
            expected = vehicles[enode_id].transitions[transitions_before[enode_id] :]

            def list_received(installation=installation, start=start, record=record) -> list[str]:
                return [kind for vehicle_id, kind in installation.transitions[start:] if vehicle_id == record["id"]]

            # A transition follows the vehicle's new state in a message of its own.
            wait_until(lambda expected=expected, list_received=list_received: len(list_received()) >= len(expected))
            assert list_received() == expected
