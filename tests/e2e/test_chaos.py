"""Nothing is lost under faults: bad deliveries, killed processes, and the rows of `tests/e2e/chaos/faults.py`.

`--full` makes a longer run, and `--chaos-events 10000` one of this length. `--chaos-seed` repeats a run, apart from the
timing of processes.
"""

import random
import secrets
import sys
from dataclasses import dataclass

import pytest

from tests.e2e.chaos.accounts import create_accounts, register_endpoints
from tests.e2e.chaos.checks import (
    check_enode,
    check_inbox,
    check_installations,
    check_logs,
    check_sessions,
    check_without_faults,
)
from tests.e2e.chaos.cluster import POSTGRES, SERVERS, WORKERS, Cluster
from tests.e2e.chaos.commands import CommandSender, check_commands, wait_until_sent_are_settled
from tests.e2e.chaos.fake_clock import FAKETIME, FAKETIME_MISSING
from tests.e2e.chaos.faults import CLOCK, EVENTS, FAULTS, FULL_DISK, KINDS, POLLING
from tests.e2e.chaos.polling_faults import request_poll
from tests.e2e.chaos.scenario import Fault, Phase, Run, run_phase
from tests.e2e.chaos.seeded_random import create_random, fork_random
from tests.e2e.chaos.vehicle_changer import VehicleChanger
from tests.e2e.chaos.webhook_installation import WebhookServer
from tests.e2e.processes import wait_until
from tests.e2e.simulated_enode import run_simulator
from tests.relay.support.redis_server import REDIS, REDIS_MISSING

EVENTS_SHORT, EVENTS_FULL, MIN_EVENTS = 180, 1000, 50
"""The number of vehicle changes in the first phase. With the smaller one, each of its faults still happens once."""
PHASES = (
    Phase(name=EVENTS, share=1, kills=(*SERVERS, *WORKERS, POSTGRES), has_commands=True, has_bad_deliveries=True),
    Phase(name=FULL_DISK, share=0.1),
    Phase(name=CLOCK, share=0.1, has_commands=True, only_full=True),
    Phase(name=POLLING, share=0.1, only_full=True),
)
MISSING_PROGRAMS = {} if REDIS else {"redis": REDIS_MISSING}
MISSING_PROGRAMS |= {} if FAKETIME else {"clock": FAKETIME_MISSING}
"""Why the faults of a kind can't be injected on this machine."""


@dataclass
class ChaosOptions:
    """The number of vehicle changes, and the random generator of the run."""

    events: int
    generator: random.Random


@pytest.fixture(scope="module")
def options(request, full_run) -> ChaosOptions:
    """The options of this run, printed so that it can be repeated."""
    seed = request.config.getoption("--chaos-seed")
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    events = request.config.getoption("--chaos-events") or (EVENTS_FULL if full_run else EVENTS_SHORT)
    sys.stdout.write(f"chaos: --chaos-events {events} --chaos-seed {seed}\n")
    return ChaosOptions(events=events, generator=create_random(seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def enode(folder):
    """A simulator whose vehicles change only on request, as fast as they charge with a power that a car can have.

    Above 500 kW, the relay would ask whether the power is in watts, because the level stands still.
    """
    simulator_options = ("--sandbox", "--speed", "40", "--give-up", "86400")
    with (folder / "enode.log").open("ab") as log, run_simulator(*simulator_options, log=log) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def cluster(folder, enode):
    relay = Cluster(folder, enode.url)
    try:
        relay.start_all()
        yield relay
    finally:
        relay.stop()


@pytest.fixture(scope="module")
def webhook_server(options):
    server = WebhookServer(fork_random(options.generator))
    yield server
    server.close()


@pytest.fixture(scope="module")
def run(cluster, enode, webhook_server, options):
    """A relay and its accounts, before any fault."""
    wait_until(lambda: enode.count_webhooks() == 1, missing="the relay's webhook at Enode")
    accounts = create_accounts(cluster, enode, webhook_server, options.generator)
    wait_until(
        lambda: all(account.stream.vehicles for account in accounts), missing="the linked vehicles on the streams"
    )
    sender = CommandSender(cluster, accounts, fork_random(options.generator))
    changer = VehicleChanger(enode, fork_random(options.generator))
    yield Run(
        cluster=cluster,
        enode=enode,
        webhook_server=webhook_server,
        accounts=accounts,
        changer=changer,
        sender=sender,
        generator=options.generator,
    )
    for account in accounts:
        account.stream.close()
        account.shared.close()


@pytest.fixture(scope="module")
def faults(full_run) -> list[Fault]:
    """The faults of this run: those of its phases whose programs are installed."""
    phases = {phase.name for phase in PHASES if full_run or not phase.only_full}
    return [fault for fault in FAULTS if fault.phase in phases and fault.kind not in MISSING_PROGRAMS]


@pytest.mark.timeout(3600)
def test_every_installation_reaches_the_true_state_despite_faults(run, options, faults):
    for phase in PHASES:
        if any(fault.phase == phase.name for fault in faults):
            if phase.name == CLOCK:
                run.cluster.use_fake_clock()
            run_phase(run, phase, faults, max(MIN_EVENTS, int(options.events * phase.share)))
            AFTER_PHASE[phase.name](run)
    assert run.kills.keys() >= {*SERVERS, *WORKERS, POSTGRES}
    check_logs(run)


@pytest.mark.parametrize("kind", KINDS)
def test_fault_was_injected(run, faults, kind):
    if kind in MISSING_PROGRAMS:
        pytest.skip(MISSING_PROGRAMS[kind])
    if not any(fault.kind == kind for fault in faults):
        pytest.skip("only with --full")
    assert run.injected[kind] == sum(fault.kind == kind for fault in FAULTS)


def end_faults(run: Run) -> None:
    """End the faults of deliveries, and wait until Enode has delivered every event and all endpoints are registered."""
    run.enode.http.delete("/_sim/mischief").raise_for_status()
    run.webhook_server.behaviors = []
    pending = "/_sim/health"
    wait_until(
        lambda: run.enode.http.get(pending).json()["pending_events"] == 0,
        missing="the delivery of all of Enode's events",
    )
    register_endpoints(run.cluster, run.webhook_server, run.accounts)


def check_after_events(run: Run) -> None:
    fault_report = run.enode.http.get("/_sim/mischief").json()
    sys.stdout.write(f"chaos: kills {dict(run.kills)}; POSTs {run.webhook_server.counts}; {fault_report}\n")
    end_faults(run)
    check_installations(run)
    check_without_faults(run)
    check_stored(run)
    check_enode(run, fault_report["answers"])


def check_stored(run: Run) -> None:
    """Check what the database has: events, charging sessions, commands."""
    truth = run.fetch_truth()
    with run.cluster.connect() as connection:
        check_inbox(connection, truth, run.users)
        check_sessions(connection, truth.vehicles)
        wait_until_sent_are_settled(connection, run.users)
        check_commands(connection, run.fetch_truth(), run.sender.commands, run.users)


def check_after_full_disk(run: Run) -> None:
    end_faults(run)
    check_installations(run)
    check_stored(run)


def check_after_clock(run: Run) -> None:
    """After the clock was wrong, later reports count. What was stored by the wrong clock has wrong times for good, so
    the sessions of that time aren't compared with the truth.
    """
    end_faults(run)
    run.changer.run_all_steps()
    check_installations(run)
    check_without_faults(run)
    with run.cluster.connect() as connection:
        wait_until_sent_are_settled(connection, run.users)
        check_commands(connection, run.fetch_truth(), run.sender.commands, run.users)


def check_after_polling(run: Run) -> None:
    request_poll(run)
    # A poll reads when a car was last seen. Enode sends no event if nothing else has changed.
    check_installations(run, ignored=["lastSeen"])


AFTER_PHASE = {
    EVENTS: check_after_events,
    FULL_DISK: check_after_full_disk,
    CLOCK: check_after_clock,
    POLLING: check_after_polling,
}
