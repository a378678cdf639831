"""The rows of the check, how they are run, and the table they make."""

import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.world.check.bench import Bench, SkippedError, UnprovenError
from demo.world.check.channels import prove_channels
from demo.world.check.charging import prove_charging, prove_command, prove_refusal
from demo.world.check.crash import prove_crash
from demo.world.check.health import prove_health
from demo.world.check.picture import prove_dashboard
from demo.world.check.restart import prove_restart
from demo.world.check.set_up import prove_config_flow, prove_entities
from demo.world.check.sign_in import prove_sign_in
from demo.world.console import Console
from demo.world.errors import BrokenPartError, tail
from demo.world.hass_socket import HassRefusedError
from demo.world.watch import NotSeenError

PROVED, SKIPPED, FAILED = "ok", "skipped", "FAILED"
LOGS = ("home-assistant", "relay", "simulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Something to prove. `prove` gives a note of what was measured, and raises when it is not so."""

    title: str
    prove: Callable[[Bench], Coroutine[Any, Any, str]]


ROWS = (
    Row(title="set up: wrong key, right key, twice", prove=prove_config_flow),
    Row(title="devices and entities equal the cars", prove=prove_entities),
    Row(title="the car plugs in and charges", prove=prove_charging),
    Row(title="the switch stops the charge", prove=prove_command),
    Row(title="a refused command raises its error", prove=prove_refusal),
    Row(title="no stream: the webhook takes over", prove=prove_channels),
    Row(title="the relay is killed and comes back", prove=prove_crash),
    Row(title="Home Assistant is restarted", prove=prove_restart),
    Row(title="a browser shows the dashboard", prove=prove_dashboard),
    Row(title="sign in by link, approve by OAuth", prove=prove_sign_in),
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
        verdict, note = await _prove(row, bench, console.step(f"({number}) {row.title}"))
        seconds = time.monotonic() - began
        results.append(Result(number=number, title=row.title, verdict=verdict, seconds=seconds, note=note))
        if verdict == FAILED:
            break
    return results


async def _prove(row: Row, bench: Bench, step: AbstractContextManager[None]) -> tuple[str, str]:
    """The verdict on a row, and a note."""
    try:
        with step:
            return PROVED, await bench.world.supervisor.guard(row.prove(bench))
    except SkippedError as error:
        return SKIPPED, str(error)
    except (UnprovenError, NotSeenError, BrokenPartError, HassRefusedError) as error:
        return FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - whatever surprises a row fails it, and the table is still wanted
        return FAILED, f"{type(error).__name__}: {error}"


def table(results: list[Result]) -> str:
    """All rows, with what was not run."""
    lines = [f"  {it.number:>2}  {it.title:<36}  {it.verdict:<7} {it.seconds:6.1f} s  {it.note}" for it in results]
    lines += [
        f"  {number:>2}  {row.title:<36}  not run" for number, row in enumerate(ROWS[len(results) :], len(results) + 1)
    ]
    return "\n".join(lines)


def has_failed(results: list[Result]) -> bool:
    """Whether a row failed."""
    return any(it.verdict == FAILED for it in results)


def tails(logs: Path) -> str:
    """The ends of the servers' logs."""
    return "\n".join(tail(logs / f"{name}.log") for name in LOGS)
