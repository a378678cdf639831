"""One run: the relay, its accounts, Enode and the load, and the phases in which faults are injected."""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tests.e2e.chaos.accounts import Account, register_endpoint
from tests.e2e.chaos.cluster import Cluster
from tests.e2e.chaos.commands import CommandSender
from tests.e2e.chaos.ground_truth import GroundTruth
from tests.e2e.chaos.vehicle_changer import VehicleChanger
from tests.e2e.chaos.webhook_installation import WebhookServer
from tests.e2e.processes import wait_until
from tests.e2e.simulated_enode import SimulatedEnode

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
BEHAVIORS = ["acknowledge"] * 6 + ["fail", "ignore", "fail after applying", "stall"]
MAX_CHANGES_BETWEEN_KILLS = 60


@dataclass(kw_only=True)
class Run:
    """Everything that takes part in a run. `injected` counts the faults that were injected, by kind."""

    cluster: Cluster
    enode: SimulatedEnode
    webhook_server: WebhookServer
    accounts: Sequence[Account]
    changer: VehicleChanger
    sender: CommandSender
    generator: random.Random
    injected: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def users(self) -> list[str]:
        return [account.user for account in self.accounts]

    def fetch_truth(self) -> GroundTruth:
        return GroundTruth(self.enode.http.get("/_sim/truth", timeout=60).json())

    def count_in_log(self, text: str) -> int:
        return self.cluster.log.read_text(errors="replace").count(text)

    def wait_for_changes(self, count: int) -> None:
        """Wait until the load has made this many more changes."""
        target = self.changer.changes + count
        wait_until(
            lambda: self.changer.changes >= target, missing=f"{target} changes, there are {self.changer.changes}"
        )

    def kill(self, name: str) -> None:
        """Kill and restart a process, and register an endpoint again, as a Home Assistant does at its start."""
        self.kills[name] += 1
        self.cluster.kill(name)
        time.sleep(self.generator.uniform(0, 0.5))
        self.cluster.start(name)
        account = self.generator.choice(self.accounts)
        with suppress(httpx.TransportError):  # the next registration tries again
            register_endpoint(self.cluster, self.webhook_server, self.generator.choice(account.endpoints))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row of the table of faults.

    `inject` does it while the load goes on, and fails unless it really happened. What it says in `holds` must be true
    afterwards, in addition to what is checked after each phase.
    """

    kind: str
    what: str
    phase: str
    inject: Callable[[Run], None]
    holds: str


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a run. `share` of the run's changes are made in it, while the processes `kills` are killed in turn.

    `has_commands`: commands are sent meanwhile. `has_bad_deliveries`: Enode's deliveries are disturbed, and endpoints
    fail. `only_full`: a short run leaves it out.
    """

    name: str
    share: float
    kills: tuple[str, ...] = ()
    has_commands: bool = False
    has_bad_deliveries: bool = False
    only_full: bool = False


def run_phase(run: Run, phase: Phase, faults: Sequence[Fault], changes: int) -> None:
    """Make `changes` changes, and inject the faults of this phase and its kills in a random order meanwhile."""
    started = time.monotonic()
    steps: list[Fault | str] = [*phase.kills, *(fault for fault in faults if fault.phase == phase.name)]
    run.generator.shuffle(steps)
    if phase.has_bad_deliveries:
        run.webhook_server.behaviors = BEHAVIORS
        faults_of_deliveries = {"seed": run.generator.randrange(1000), **DELIVERY_FAULTS}
        run.enode.http.post("/_sim/mischief", json=faults_of_deliveries).raise_for_status()
    run.changer.start(changes)
    if phase.has_commands:
        run.sender.start()
    try:
        spacing = max(1, changes // len(steps))
        for step in steps:
            perform_step(run, step)
            run.wait_for_changes(spacing // 2)
        while phase.kills and not run.changer.is_done:
            run.wait_for_changes(min(spacing, MAX_CHANGES_BETWEEN_KILLS))
            run.kill(run.generator.choice(phase.kills))
    finally:
        if phase.has_commands:
            run.sender.finish()
        run.changer.finish()
    sys.stdout.write(f"chaos: {phase.name}: {time.monotonic() - started:.0f} s, {run.changer.changes} changes so far\n")


def perform_step(run: Run, step: Fault | str) -> None:
    """Inject a fault, or kill the process with this name."""
    started = time.monotonic()
    if isinstance(step, Fault):
        step.inject(run)
        run.injected[step.kind] += 1
    else:
        run.kill(step)
    name = step.what if isinstance(step, Fault) else f"{step} is killed"
    sys.stdout.write(f"chaos:   {name} ({time.monotonic() - started:.1f} s)\n")
