"""The commands leave no program of theirs behind, and give each the chance to stop what it started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib.child_processes import TIMED_OUT_STATUS, run_command
from tests.architecture.tree import ROOT

# Says that it runs, and says goodbye when it is interrupted, as pytest and the demo do.
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
def polite(tmp_path) -> tuple[list[str], Path, Path]:
    """Its command, the file that tells that it runs, and the file that tells that it stopped in order."""
    ready, done = tmp_path / "ready", tmp_path / "done"
    return [sys.executable, "-c", INTERRUPTIBLE, str(ready), str(done)], ready, done


def test_the_exit_status_comes_back():
    assert run_command([sys.executable, "-c", "raise SystemExit(7)"]) == 7


def test_what_takes_too_long_is_interrupted_and_may_clean_up(polite, capfd):
    command, _ready, done = polite
    assert run_command(command, timeout=1.5) == TIMED_OUT_STATUS
    assert done.exists()
    assert "error: stopped after 2 s" in capfd.readouterr().out


@pytest.fixture(params=["in the foreground", "in the background of a shell"])
def ignored(request):
    """What a program inherits as ignored from whoever starts it."""
    return (signal.SIGINT, signal.SIGQUIT) if "background" in request.param else ()


def test_sigterm_takes_the_child_along(polite, ignored):
    command, ready, done = polite
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
