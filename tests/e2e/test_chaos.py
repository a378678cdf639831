"""Nothing is lost: events with mischief, processes and the database killed, endpoints that fail; then all is compared.

`--chaos-events 10000` makes it long; `--chaos-seed` repeats one, as far as processes can be made to.
"""

import random
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest

from tests.e2e.chaos.checks import check_enode, check_inbox, check_installations, check_logs, check_sessions, who_errs
from tests.e2e.chaos.dice import dice as new_dice
from tests.e2e.chaos.dice import more_of
from tests.e2e.chaos.installations import Account, Homes, Hook, Listener
from tests.e2e.chaos.rage import Driver, rage, register
from tests.e2e.chaos.spread import POSTGRES, SERVES, WORKS, Spread
from tests.e2e.chaos.truth import Truth
from tests.e2e.conftest import simulating, until

ACCOUNTS = ("TESLA", "TESLA", "VOLKSWAGEN")
MISCHIEF = {
    "repeat_delivery": 0.1,
    "repeat_event": 0.1,
    "reorder": 0.15,
    "window": 6,
    "broken": 0.15,
    "forged": 0.1,
    "slow": 0.02,
    "slow_seconds": 0.3,
}
MOODS = ["well"] * 6 + ["refuse", "ignore", "forget", "stall"]


@dataclass
class Chaos:
    """How much of it, and by which dice."""

    events: int
    dice: random.Random


@pytest.fixture
def chaos(request) -> Chaos:
    """Printed, so that it can be repeated."""
    seed = request.config.getoption("--chaos-seed")
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    events = request.config.getoption("--chaos-events")
    sys.stdout.write(f"chaos: --chaos-events {events} --chaos-seed {seed}\n")
    return Chaos(events=events, dice=new_dice(seed))


@pytest.fixture
def enode(tmp_path):
    """A world in which only hands move cars, and Enode's delays are short."""
    options = ("--sandbox", "--speed", "600", "--give-up", "86400")
    with (tmp_path / "enode.log").open("ab") as log, simulating(*options, log=log) as simulator:
        yield simulator


@pytest.fixture
def spread(tmp_path, enode):
    relay = Spread(tmp_path, enode.url)
    try:
        relay.start_all()
        yield relay
    finally:
        relay.stop()


@pytest.fixture
def homes(chaos):
    homes = Homes(more_of(chaos.dice))
    yield homes
    homes.close()


@pytest.fixture
def accounts(spread, enode, homes, chaos):
    """Users with linked cars, each with a stream and an endpoint."""
    until(lambda: enode.http.get("/_sim/health").json()["webhooks"] == 1)
    chances = [more_of(chaos.dice) for _ in ACCOUNTS]

    def make(number: int) -> Account:
        user = spread.run("user", "add", mail := f"driver{number}@example.org")
        keys = [spread.run("key", "create", "--user", user) for _ in range(2)]
        enode.link(spread.run("vehicle", "link", "--user", user), ACCOUNTS[number])
        hook = Hook(f"hook of {number}", keys[1], f"/api/webhook/{secrets.token_hex(32)}")
        homes.hooks[hook.path] = hook
        secret = until(lambda: register(spread, homes, hook))
        listener = Listener(f"listener of {number}", keys[0], spread.urls, chances[number])
        return Account(user=user, listener=listener, hook=hook, secrets=[*keys, hook.path, secret, mail])

    with ThreadPoolExecutor() as pool:
        made = list(pool.map(make, range(len(ACCOUNTS))))
    yield made
    for it in made:
        it.listener.close()


@pytest.mark.timeout(3600)
def test_whatever_dies_every_home_assistant_knows_the_truth_in_the_end(spread, enode, homes, accounts, chaos):
    until(lambda: all(it.listener.vehicles for it in accounts))
    homes.moods = MOODS
    enode.http.post("/_sim/mischief", json={"seed": chaos.dice.randrange(1000), **MISCHIEF}).raise_for_status()
    driver = Driver(enode, more_of(chaos.dice), chaos.events)
    killed = rage(spread, homes, [it.hook for it in accounts], driver, chaos.dice)
    driver.finish()
    assert killed.keys() == {*SERVES, *WORKS, POSTGRES}

    mischief = enode.http.get("/_sim/mischief").json()
    sys.stdout.write(f"chaos: killed {dict(killed)}; POSTs {homes.played}; {mischief}\n")
    enode.http.delete("/_sim/mischief").raise_for_status()
    homes.moods = []
    settle(spread, enode, homes, accounts)
    check_installations(accounts, truth_of(enode))
    check_calm(enode, driver, accounts)

    truth = truth_of(enode)
    with psycopg.connect(spread.run("database", "url"), autocommit=True) as connection:
        check_inbox(connection, truth, [it.user for it in accounts])
        check_sessions(connection, truth.cars)
    check_enode(enode, mischief["answers"])
    check_logs(spread, accounts, truth.cars)


def settle(spread, enode, homes, accounts) -> None:
    """All are alive and well again, and Enode has told everything."""
    until(lambda: enode.http.get("/_sim/health").json()["pending_events"] == 0)
    for it in accounts:
        until(lambda it=it: register(spread, homes, it.hook))


def truth_of(enode) -> Truth:
    return Truth(enode.http.get("/_sim/truth", timeout=60).json())


def check_calm(enode, driver, accounts) -> None:
    """With nothing in the way, everybody is told everything that happens."""
    installations = [one for it in accounts for one in (it.listener, it.hook)]
    cars = truth_of(enode).cars
    before = {name: len(car.transitions) for name, car in cars.items()}
    told = [len(it.transitions) for it in installations]
    driver.round()
    after = truth_of(enode).cars
    until(lambda: not who_errs(accounts, after))
    for installation, start in zip(installations, told, strict=True):
        news = installation.transitions[start:]
        for record in installation.vehicles.values():
            name = record["vehicle"]["id"]
            assert [kind for car, kind in news if car == record["id"]] == after[name].transitions[before[name] :]
