import asyncio
import os
from pathlib import Path

import pytest

from demo.world import procfs
from demo.world.errors import ComponentError, read_log_tail
from demo.world.polling import poll_until
from demo.world.processes import Child, Program, Supervisor

RUNS_FOREVER = "import time; print('started', flush=True); time.sleep(600)"
IGNORES_SIGTERM = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    print(os.getpid(), file=open("grandchild", "w"))
print("started", flush=True)
time.sleep(600)
"""


async def has_logged(child: Child, word: str) -> bool:
    return word in child.log.read_text("utf-8")


async def has_exited(pid: int) -> bool:
    return procfs.find_process(pid) is None


async def start_and_wait(supervisor: Supervisor, program: Program) -> Child:
    child = await supervisor.start(program)
    await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=60)
    return child


async def test_child_that_ignores_sigterm_is_killed_with_its_session(supervisor, program, tmp_path):
    child = await start_and_wait(supervisor, program("stubborn", IGNORES_SIGTERM))
    grandchild = tmp_path / "grandchild"
    await poll_until(
        "a grandchild",
        lambda: asyncio.to_thread(lambda: grandchild.exists() and grandchild.stat().st_size > 0),
        within=20,
    )
    pid = int(grandchild.read_text("utf-8"))
    assert procfs.find_process(pid) is not None

    assert not await supervisor.stop(child, grace=0.2)

    for killed in (child.process.pid, pid):
        await poll_until("the process to end", lambda pid=killed: has_exited(pid), within=60)


@pytest.fixture
def long_grace(monkeypatch) -> None:
    """Programs have plenty of time to stop by themselves."""
    assert Supervisor.stop.__kwdefaults__ is not None
    monkeypatch.setitem(Supervisor.stop.__kwdefaults__, "grace", 600.0)


async def test_child_that_stops_is_not_reported_as_killed(supervisor, program, long_grace):
    await start_and_wait(supervisor, program("gentle", RUNS_FOREVER))
    assert await supervisor.stop_all() == []


async def test_force_kills_at_once(supervisor, program, force, long_grace):
    await start_and_wait(supervisor, program("stubborn", IGNORES_SIGTERM))
    force.set()
    async with asyncio.timeout(60):  # less than the grace period
        assert await supervisor.stop_all() == ["stubborn"]


async def test_early_exit_is_reported_with_name_status_and_log(supervisor, program):
    child = await supervisor.start(program("frail", "import sys; print('no database'); sys.exit(3)"))
    with pytest.raises(ComponentError) as raised:
        await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=60)
    assert str(raised.value) == "frail ended with exit status 3"
    assert "no database" in raised.value.describe()


async def test_unexpected_exit_of_a_server_cancels_the_work(supervisor, program):
    child = await start_and_wait(supervisor, program("victim", RUNS_FOREVER))
    cleaned = []

    async def work() -> None:
        child.process.kill()
        try:
            await asyncio.sleep(600)
        finally:
            cleaned.append("up")

    with pytest.raises(ComponentError, match="victim was killed by SIGKILL"):
        await supervisor.run_while_alive(work())
    assert cleaned == ["up"]


async def test_intended_stop_or_kill_does_not_fail_the_work(supervisor, program):
    stopped, killed = [await start_and_wait(supervisor, program(name, RUNS_FOREVER)) for name in ("stopped", "killed")]

    async def work() -> str:
        await supervisor.stop(stopped)
        supervisor.kill(killed)
        await supervisor.stop(killed)
        return "done"

    assert await supervisor.run_while_alive(work()) == "done"


async def test_error_of_the_work_is_raised(supervisor):
    async def work() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await supervisor.run_while_alive(work())


async def test_child_that_does_not_get_ready_raises_an_error(supervisor, program):
    child = await supervisor.start(program("slow", "import time; time.sleep(600)"))
    with pytest.raises(ComponentError, match="slow was not ready within 0 s"):
        await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=0)


async def test_run_to_end_returns_stdout_without_stderr(supervisor, program):
    code = "import sys; print('answer'); print('note', file=sys.stderr)"
    assert await supervisor.run_to_end(program("command", code), within=60) == "answer\n"


async def test_failing_or_hanging_command_raises_an_error(supervisor, program):
    with pytest.raises(ComponentError, match="bad ended with exit status 2"):
        await supervisor.run_to_end(program("bad", "raise SystemExit(2)"), within=60)
    with pytest.raises(ComponentError, match="stuck did not end within 0 s"):
        await supervisor.run_to_end(program("stuck", "import time; time.sleep(600)"), within=0.2)


async def test_missing_program_is_reported(supervisor, tmp_path):
    child = await supervisor.start(Program(name="ghost", command=["/nowhere/ghost"], folder=tmp_path))
    with pytest.raises(ComponentError) as raised:
        await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=60)
    assert "cannot start /nowhere/ghost: No such file or directory" in raised.value.describe()


async def test_users_environment_is_not_inherited(supervisor, program, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("ENODE_CLIENT_SECRET", "real")
    output = await supervisor.run_to_end(program("env", "import os; print(sorted(os.environ))"), within=60)
    assert "PATH" in output
    assert "DATABASE_URL" not in output
    assert "ENODE_CLIENT_SECRET" not in output


async def test_children_have_their_own_process_group(supervisor, program):
    child = await start_and_wait(supervisor, program("apart", RUNS_FOREVER))
    assert os.getpgid(child.process.pid) != os.getpgid(0)


@pytest.fixture
def old_log(tmp_path, supervisor) -> Path:
    log: Path = tmp_path / "logs" / "twice.log"
    log.write_text("earlier run\n", "utf-8")
    return log


async def test_log_covers_one_run_including_restarts(supervisor, program, old_log):
    for word in ("first", "second"):
        child = await supervisor.start(program("twice", f"print('{word}')"))
        await child.process.wait()
    assert read_log_tail(old_log).split()[-2:] == ["first", "second"]
    assert "earlier run" not in read_log_tail(old_log)
