"""The rows of the check, how they are run, and the table they make."""

import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.world.check.charging import check_charging, check_refused_command, check_stop_command
from demo.world.check.context import CheckContext, CheckFailedError, CheckSkippedError
from demo.world.check.dashboard import check_dashboard
from demo.world.check.health import check_home_assistant_health
from demo.world.check.home_assistant_restart import check_restart
from demo.world.check.integration_setup import check_config_flow, check_entities
from demo.world.check.relay_crash import check_relay_crash
from demo.world.check.sign_in import check_sign_in
from demo.world.check.stream_and_webhook import check_stream_and_webhook
from demo.world.console import Console
from demo.world.errors import ComponentError, read_log_tail
from demo.world.hass_socket import HassRefusedError
from demo.world.state_watcher import StateTimeoutError

PASSED, SKIPPED, FAILED = "ok", "skipped", "FAILED"
LOGS = ("home-assistant", "relay", "simulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Something to prove. `prove` gives a note of what was measured, and raises when it is not so."""

    title: str
    run: Callable[[CheckContext], Coroutine[Any, Any, str]]


CHECKS = (
    Check(title="set up: wrong key, right key, twice", run=check_config_flow),
    Check(title="devices and entities equal the cars", run=check_entities),
    Check(title="the car plugs in and charges", run=check_charging),
    Check(title="the switch stops the charge", run=check_stop_command),
    Check(title="a refused command raises its error", run=check_refused_command),
    Check(title="no stream: the webhook takes over", run=check_stream_and_webhook),
    Check(title="the relay is killed and comes back", run=check_relay_crash),
    Check(title="Home Assistant is restarted", run=check_restart),
    Check(title="a browser shows the dashboard", run=check_dashboard),
    Check(title="sign in by link, approve by OAuth", run=check_sign_in),
    Check(title="Home Assistant is well", run=check_home_assistant_health),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How a row went."""

    number: int
    title: str
    verdict: str
    seconds: float
    note: str


async def run_checks(bench: CheckContext, console: Console) -> list[CheckResult]:
    """Prove row after row, up to the first that fails."""
    results: list[CheckResult] = []
    for number, row in enumerate(CHECKS, start=1):
        began = time.monotonic()
        verdict, note = await _run_check(row, bench, console.step(f"({number}) {row.title}"))
        seconds = time.monotonic() - began
        results.append(CheckResult(number=number, title=row.title, verdict=verdict, seconds=seconds, note=note))
        if verdict == FAILED:
            break
    return results


async def _run_check(row: Check, bench: CheckContext, step: AbstractContextManager[None]) -> tuple[str, str]:
    """The verdict on a row, and a note."""
    try:
        with step:
            return PASSED, await bench.world.supervisor.run_while_alive(row.run(bench))
    except CheckSkippedError as error:
        return SKIPPED, str(error)
    except (CheckFailedError, StateTimeoutError, ComponentError, HassRefusedError) as error:
        return FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - whatever surprises a row fails it, and the table is still wanted
        return FAILED, f"{type(error).__name__}: {error}"


def render_table(results: list[CheckResult]) -> str:
    """All rows, with what was not run."""
    lines = [f"  {it.number:>2}  {it.title:<36}  {it.verdict:<7} {it.seconds:6.1f} s  {it.note}" for it in results]
    lines += [
        f"  {number:>2}  {row.title:<36}  not run"
        for number, row in enumerate(CHECKS[len(results) :], len(results) + 1)
    ]
    return "\n".join(lines)


def has_failed(results: list[CheckResult]) -> bool:
    """Whether a row failed."""
    return any(it.verdict == FAILED for it in results)


def render_log_tails(logs: Path) -> str:
    """The ends of the servers' logs."""
    return "\n".join(read_log_tail(logs / f"{name}.log") for name in LOGS)
