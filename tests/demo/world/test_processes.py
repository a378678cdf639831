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


async def start_and_wait(supervisor: Supervisor, program: Program) -> Child:
    child = await supervisor.start(program)
    await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=20)
    return child


async def test_a_child_that_will_not_stop_is_killed_with_all_of_its_session(supervisor, program, tmp_path):
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

    assert procfs.find_process(child.process.pid) is None
    assert procfs.find_process(pid) is None


async def test_a_child_that_stops_when_asked_is_not_killed(supervisor, program):
    await start_and_wait(supervisor, program("gentle", RUNS_FOREVER))
    assert await supervisor.stop_all() == []


async def test_haste_kills_at_once(supervisor, program, force):
    await start_and_wait(supervisor, program("stubborn", IGNORES_SIGTERM))
    force.set()
    async with asyncio.timeout(3):  # and not after the whole grace
        assert await supervisor.stop_all() == ["stubborn"]


async def test_an_early_end_is_told_with_name_status_and_last_words(supervisor, program):
    child = await supervisor.start(program("frail", "import sys; print('no database'); sys.exit(3)"))
    with pytest.raises(ComponentError) as raised:
        await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=20)
    assert str(raised.value) == "frail ended with exit status 3"
    assert "no database" in raised.value.describe()


async def test_the_death_of_a_server_ends_what_needs_it(supervisor, program):
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


async def test_a_server_that_was_stopped_or_killed_on_purpose_raises_no_alarm(supervisor, program):
    stopped, killed = [await start_and_wait(supervisor, program(name, RUNS_FOREVER)) for name in ("stopped", "killed")]

    async def work() -> str:
        await supervisor.stop(stopped)
        supervisor.kill(killed)
        await supervisor.stop(killed)
        return "done"

    assert await supervisor.run_while_alive(work()) == "done"


async def test_an_error_of_guarded_work_is_its_own(supervisor):
    async def work() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await supervisor.run_while_alive(work())


async def test_a_child_that_never_gets_ready_is_told(supervisor, program):
    child = await supervisor.start(program("slow", "import time; time.sleep(600)"))
    with pytest.raises(ComponentError, match="slow was not ready within 0 s"):
        await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=0)


async def test_a_command_gives_what_it_prints_and_not_what_it_notes(supervisor, program):
    code = "import sys; print('answer'); print('note', file=sys.stderr)"
    assert await supervisor.run_to_end(program("command", code), within=20) == "answer\n"


async def test_a_command_that_fails_or_hangs_is_an_error(supervisor, program):
    with pytest.raises(ComponentError, match="bad ended with exit status 2"):
        await supervisor.run_to_end(program("bad", "raise SystemExit(2)"), within=20)
    with pytest.raises(ComponentError, match="stuck did not end within 0 s"):
        await supervisor.run_to_end(program("stuck", "import time; time.sleep(600)"), within=0.2)


async def test_a_program_that_is_not_there_is_told(supervisor, tmp_path):
    child = await supervisor.start(Program(name="ghost", command=["/nowhere/ghost"], folder=tmp_path))
    with pytest.raises(ComponentError) as raised:
        await supervisor.wait_until_ready(child, lambda: has_logged(child, "started"), within=20)
    assert "cannot start /nowhere/ghost: No such file or directory" in raised.value.describe()


async def test_what_the_person_has_in_the_environment_stays_out(supervisor, program, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("ENODE_CLIENT_SECRET", "real")
    seen = await supervisor.run_to_end(program("env", "import os; print(sorted(os.environ))"), within=20)
    assert "PATH" in seen
    assert "DATABASE_URL" not in seen
    assert "ENODE_CLIENT_SECRET" not in seen


async def test_children_do_not_share_the_terminals_group(supervisor, program):
    child = await start_and_wait(supervisor, program("apart", RUNS_FOREVER))
    assert os.getpgid(child.process.pid) != os.getpgid(0)


@pytest.fixture
def old_log(tmp_path, supervisor) -> Path:
    log: Path = tmp_path / "logs" / "twice.log"
    log.write_text("of an earlier run\n", "utf-8")
    return log


async def test_a_log_tells_of_this_run_with_its_restarts(supervisor, program, old_log):
    for word in ("first", "second"):
        child = await supervisor.start(program("twice", f"print('{word}')"))
        await child.process.wait()
    assert read_log_tail(old_log).split()[-2:] == ["first", "second"]
    assert "of an earlier run" not in read_log_tail(old_log)
