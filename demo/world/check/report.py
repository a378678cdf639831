"""The rows of the check, how they are run, and the table they make."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from demo.world.check.bench import Bench, UnprovenError
from demo.world.check.charging import prove_charging, prove_command, prove_refusal
from demo.world.check.crash import prove_crash
from demo.world.check.health import prove_health
from demo.world.check.restart import prove_restart
from demo.world.check.set_up import prove_config_flow, prove_entities
from demo.world.console import Console
from demo.world.errors import BrokenPartError, tail
from demo.world.hass_socket import HassRefusedError
from demo.world.watch import NotSeenError

LOGS = ("home-assistant", "relay", "simulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Something to prove. `prove` gives a note of what was measured, and raises when it is not so."""

    title: str
    prove: Callable[[Bench], Awaitable[str]]


ROWS = (
    Row(title="set up: wrong key, right key, twice", prove=prove_config_flow),
    Row(title="devices and entities equal the cars", prove=prove_entities),
    Row(title="the car plugs in and charges", prove=prove_charging),
    Row(title="the switch stops the charge", prove=prove_command),
    Row(title="a refused command raises its error", prove=prove_refusal),
    Row(title="the relay is killed and comes back", prove=prove_crash),
    Row(title="Home Assistant is restarted", prove=prove_restart),
    Row(title="Home Assistant is well", prove=prove_health),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a row went."""

    number: int
    title: str
    verdict: str
    seconds: float
    note: str


async def run_rows(bench: Bench, console: Console) -> list[Result]:
    """Prove row after row, up to the first that fails."""
    results: list[Result] = []
    for number, row in enumerate(ROWS, start=1):
        began = time.monotonic()
        try:
            with console.step(f"({number}) {row.title}"):
                verdict, note = "ok", await row.prove(bench)
        except (UnprovenError, NotSeenError, BrokenPartError, HassRefusedError) as error:
            verdict, note = "FAILED", str(error)
        seconds = time.monotonic() - began
        results.append(Result(number=number, title=row.title, verdict=verdict, seconds=seconds, note=note))
        if verdict != "ok":
            break
    return results


def table(results: list[Result]) -> str:
    """All rows, with what was not run."""
    lines = [f"  {it.number}  {it.title:<36}  {it.verdict:<7} {it.seconds:6.1f} s  {it.note}" for it in results]
    lines += [
        f"  {number}  {row.title:<36}  not run" for number, row in enumerate(ROWS[len(results) :], len(results) + 1)
    ]
    return "\n".join(lines)


def has_failed(results: list[Result]) -> bool:
    """Whether a row failed."""
    return any(it.verdict != "ok" for it in results)


def tails(logs: Path) -> str:
    """The ends of the servers' logs."""
    return "\n".join(tail(logs / f"{name}.log") for name in LOGS)
