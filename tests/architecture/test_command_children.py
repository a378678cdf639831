"""The commands stop their child processes and give them time to clean up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib.child_processes import TIMED_OUT_STATUS, run_command
from tests.architecture.tree import ROOT

# Creates a file when it runs, and another one when it is interrupted, as a stand-in for pytest and the demo.
INTERRUPTIBLE = """
import pathlib, sys, time
ready, done = map(pathlib.Path, sys.argv[1:])
try:
    ready.touch()
    time.sleep(60)
except KeyboardInterrupt:
    done.touch()
"""


@pytest.fixture
def interruptible(tmp_path) -> tuple[list[str], Path, Path]:
    """The command, the file that it creates when running, and the file that it creates after an interrupt."""
    ready, done = tmp_path / "ready", tmp_path / "done"
    return [sys.executable, "-c", INTERRUPTIBLE, str(ready), str(done)], ready, done


def test_exit_status_is_returned():
    assert run_command([sys.executable, "-c", "raise SystemExit(7)"]) == 7


def test_timeout_interrupts_the_command_and_allows_cleanup(interruptible, capfd):
    command, _ready, done = interruptible
    assert run_command(command, timeout=1.5) == TIMED_OUT_STATUS
    assert done.exists()
    assert "error: stopped after 2 s" in capfd.readouterr().out


@pytest.fixture(params=["in the foreground", "in the background of a shell"])
def ignored(request):
    """The signals that the parent process ignores."""
    return (signal.SIGINT, signal.SIGQUIT) if "background" in request.param else ()


def test_sigterm_stops_the_child(interruptible, ignored):
    command, ready, done = interruptible
    program = (
        "from scripts.lib.child_processes import run_command, stop_children_on_sigterm\n"
        f"stop_children_on_sigterm()\nrun_command({command!r})"
    )
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with parent:
        deadline = time.monotonic() + 20
        while not ready.exists() and time.monotonic() < deadline:
            os.sched_yield()
        parent.send_signal(signal.SIGTERM)
        parent.wait(20)
    assert done.exists()
