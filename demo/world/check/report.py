"""The list of checks, their execution and the table of results."""

import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.world.check.charging import (
    check_charging,
    check_refused_command,
    check_session_energy,
    check_stop_command,
)
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
    """A check. `run` returns a note with measurements, and raises if the check fails."""

    title: str
    run: Callable[[CheckContext], Coroutine[Any, Any, str]]


CHECKS = (
    Check(title="config flow: wrong and right key", run=check_config_flow),
    Check(title="devices and entities match the cars", run=check_entities),
    Check(title="car plugs in and charges", run=check_charging),
    Check(title="switch stops the charge", run=check_stop_command),
    Check(title="session has the energy of the charge", run=check_session_energy),
    Check(title="refused command raises an error", run=check_refused_command),
    Check(title="webhook replaces a blocked stream", run=check_stream_and_webhook),
    Check(title="relay is killed and restarted", run=check_relay_crash),
    Check(title="Home Assistant is restarted", run=check_restart),
    Check(title="browser shows the dashboard", run=check_dashboard),
    Check(title="sign in by link and OAuth", run=check_sign_in),
    Check(title="Home Assistant is healthy", run=check_home_assistant_health),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check."""

    number: int
    title: str
    verdict: str
    seconds: float
    note: str


async def run_checks(context: CheckContext, console: Console) -> list[CheckResult]:
    """Run the checks in order, until the first failure."""
    results: list[CheckResult] = []
    for number, check in enumerate(CHECKS, start=1):
        began = time.monotonic()
        verdict, note = await _run_check(check, context, console.step(f"({number}) {check.title}"))
        seconds = time.monotonic() - began
        results.append(CheckResult(number=number, title=check.title, verdict=verdict, seconds=seconds, note=note))
        if verdict == FAILED:
            break
    return results


async def _run_check(check: Check, context: CheckContext, step: AbstractContextManager[None]) -> tuple[str, str]:
    """Run a check. Returns its verdict and a note."""
    try:
        with step:
            return PASSED, await context.world.supervisor.run_while_alive(check.run(context))
    except CheckSkippedError as error:
        return SKIPPED, str(error)
    except (CheckFailedError, StateTimeoutError, ComponentError, HassRefusedError) as error:
        return FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - any error fails the check; the table is printed regardless
        return FAILED, f"{type(error).__name__}: {error}"


def render_table(results: list[CheckResult]) -> str:
    """Render the results as a table, including checks that did not run."""
    lines = [
        f"  {result.number:>2}  {result.title:<36}  {result.verdict:<7} {result.seconds:6.1f} s  {result.note}"
        for result in results
    ]
    lines += [
        f"  {number:>2}  {check.title:<36}  not run"
        for number, check in enumerate(CHECKS[len(results) :], len(results) + 1)
    ]
    return "\n".join(lines)


def has_failed(results: list[CheckResult]) -> bool:
    """Return whether a check failed."""
    return any(result.verdict == FAILED for result in results)


def render_log_tails(logs: Path) -> str:
    """Render the last lines of the servers' logs."""
    return "\n".join(read_log_tail(logs / f"{name}.log") for name in LOGS)
