"""The commands stop their child processes and give them time to clean up."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.child_processes import TIMED_OUT_STATUS, run_command, run_concurrently, run_in_background
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


@pytest.fixture(autouse=True)
def _interrupts_not_ignored() -> Iterator[None]:
    """Let the commands receive SIGINT, although a shell that runs pytest in the background makes it ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interruptible(tmp_path) -> tuple[list[str], Path, Path]:
    """The command, the file that it creates when running, and the file that it creates after an interrupt."""
    ready, done = tmp_path / "ready", tmp_path / "done"
    return [sys.executable, "-c", INTERRUPTIBLE, str(ready), str(done)], ready, done


def wait_for_file(file: Path) -> None:
    """Wait up to 30 s."""
    deadline = time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_exit_status_is_returned():
    assert run_command([sys.executable, "-c", "raise SystemExit(7)"]) == 7


def test_timeout_interrupts_the_command_and_allows_cleanup(interruptible, capfd):
    command, ready, done = interruptible
    for timeout in (0.4, 1, 3, 9, 27):  # a loaded machine needs longer to start the command
        assert run_command(command, timeout=timeout) == TIMED_OUT_STATUS
        if ready.exists():
            break
    assert done.exists()
    assert f"error: stopped after {timeout:.0f} s" in capfd.readouterr().out


def test_timeout_interrupts_what_the_command_has_started(interruptible, monkeypatch):
    """As pytest's workers: they stop their PostgreSQL only if they are interrupted, not if they are killed."""
    monkeypatch.setattr(sys, "stdin", None)  # no terminal
    command, ready, done = interruptible
    starts_another = (
        "import signal, subprocess\n"
        f"child = subprocess.Popen({command!r})\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child.wait()"
    )
    for timeout in (0.6, 2, 6, 18):
        assert run_command([sys.executable, "-c", starts_another], timeout=timeout) == TIMED_OUT_STATUS
        if ready.exists():
            break
    assert done.exists()


def test_concurrent_commands_return_their_exit_statuses_in_order(tmp_path, capsys):
    # The first command ends about when the last one does, which starts when the second one has ended.
    waits = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\nsys.exit(3)"
    first = [sys.executable, "-c", waits, str(tmp_path / "last")]
    second = [sys.executable, "-c", "import sys; print('problem', file=sys.stderr); sys.exit(1)"]
    last = ["touch", str(tmp_path / "last")]
    assert run_concurrently([first, second, last], at_once=2) == [3, 1, 0]
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "problem"
    assert f"==> touch {tmp_path}/last" in printed[2:]


def test_background_command_has_a_time_limit(interruptible):
    command, ready, done = interruptible
    for timeout in (0.4, 1, 3, 9, 27):
        with run_in_background([command], timeout=timeout) as (future,):
            pass
        if ready.exists():
            break
    assert done.exists()
    result = future.result()
    assert (result.status, result.output.splitlines()[-1]) == (
        TIMED_OUT_STATUS,
        f"error: stopped after {timeout:.0f} s",
    )


def test_failure_beside_background_commands_stops_them(interruptible):
    command, ready, done = interruptible
    never = ready.with_name("never")

    def fail() -> None:
        with run_in_background([command, ["touch", str(never)]]):
            wait_for_file(ready)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert done.exists()
    assert not never.exists()


@pytest.fixture(params=["in the foreground", "in the background of a shell"])
def ignored(request):
    """The signals that the parent process ignores."""
    return (signal.SIGINT, signal.SIGQUIT) if "background" in request.param else ()


@pytest.mark.parametrize("call", ["run_command({})", "run_concurrently([{}, {}], at_once=1)"])
def test_sigterm_stops_the_child(interruptible, ignored, call):
    command, ready, done = interruptible
    program = (
        "from scripts.lib.child_processes import run_command, run_concurrently, stop_children_on_sigterm\n"
        f"stop_children_on_sigterm()\n{call.replace('{}', repr(command))}"
    )
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with parent:
        wait_for_file(ready)
        parent.send_signal(signal.SIGTERM)
        parent.wait(20)
    assert done.exists()
