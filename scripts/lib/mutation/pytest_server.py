"""A process that runs pytest many times, each time in a fork, so that slow imports happen once.

It reads requests from standard input, one JSON object a line, and answers each with a line. Only packages of others are
imported before the fork: our own modules differ from one mutant to the next.
"""

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TypedDict

import pytest

# Not pytest's plugins, which pytest has to import itself to rewrite their assertions.
PRELOADED_BY_RELAY = ("fastapi", "httpx", "hypothesis", "jwt", "procrastinate", "prometheus_client", "psycopg_pool")
PRELOADED_BY_COMPONENT = ("aiohttp.web", "homeassistant.bootstrap", "homeassistant.components.http")
POLL_SECONDS = 0.05
GRACE_SECONDS = 10.0
# Errors of PostgreSQL that say that a statement can never run. A mutant must not fail for this reason.
INVALID_STATEMENT_ERRORS = (
    "AmbiguousColumn",
    "AmbiguousParameter",
    "DatatypeMismatch",
    "GroupingError",
    "IndeterminateDatatype",
    "InvalidColumnReference",
    "SyntaxError",
    "UndefinedColumn",
    "UndefinedFunction",
    "UndefinedParameter",
    "UndefinedTable",
)


class Request(TypedDict):
    """Run pytest with these arguments, its output in the file `log`, for at most `timeout` seconds."""

    arguments: list[str]
    log: str
    timeout: float


class Answer(TypedDict):
    """The exit status (None: it timed out), the ids of the tests that failed, and what made a statement invalid."""

    status: int | None
    failed: list[str]
    invalid: str | None


class FailureRecorder:
    """A plugin of pytest that writes the tests that failed to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._failed: list[str] = []
        self._invalid: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failure, also one of a fixture."""
        if not report.failed:
            return
        self._failed.append(report.nodeid)
        text = str(report.longrepr)
        self._invalid = self._invalid or next(
            (name for name in INVALID_STATEMENT_ERRORS if f"psycopg.errors.{name}" in text), None
        )

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        self._file.write_text(json.dumps({"failed": self._failed, "invalid": self._invalid}), encoding="utf-8")


def serve(preloaded: Iterable[str]) -> None:
    """Answer requests until standard input ends or SIGTERM arrives."""
    signal.signal(signal.SIGTERM, _exit)
    for name in preloaded:
        importlib.import_module(name)
    for line in sys.stdin:
        request: Request = json.loads(line)
        answer = run_in_fork(request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def run_in_fork(request: Request) -> Answer:
    """Run pytest in a child process of its own session, and stop all that it left."""
    record = Path(f"{request['log']}.json")
    record.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _run_pytest(request, record)
    try:
        status = _poll(child, request["timeout"])
    finally:
        _stop_session(child)
    recorded = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    return {"status": status, "failed": recorded.get("failed", []), "invalid": recorded.get("invalid")}


def _run_pytest(request: Request, record: Path) -> None:
    """Run pytest and end this process."""
    status = 70
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        os.setsid()
        output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for descriptor in (0, 1, 2):
            os.dup2(output if descriptor else os.open(os.devnull, os.O_RDONLY), descriptor)
        status = int(pytest.main(request["arguments"], plugins=[FailureRecorder(record)]))
        sys.stdout.flush()
    finally:
        os._exit(status)


def _stop_session(child: int) -> None:
    """Stop a child, if it still runs, and all that it started: gently at first, so that it stops its PostgreSQL."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child, number)
        if _poll(child, GRACE_SECONDS) is not None:
            break


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


def _poll(child: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            done, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:  # it was waited for before
            return 0
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_SECONDS)
    return None


if __name__ == "__main__":
    serve(sys.argv[1:])
