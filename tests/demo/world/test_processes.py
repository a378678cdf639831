import asyncio
import os
from pathlib import Path

import pytest

from demo.world import procfs
from demo.world.errors import BrokenPartError, tail
from demo.world.processes import Child, Program, Supervisor
from demo.world.tries import until

LASTING = "import time; print('started', flush=True); time.sleep(600)"
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    print(os.getpid(), file=open("grandchild", "w"))
print("started", flush=True)
time.sleep(600)
"""


async def says(child: Child, word: str) -> bool:
    return word in child.log.read_text("utf-8")


async def started(supervisor: Supervisor, program: Program) -> Child:
    child = await supervisor.start(program)
    await supervisor.until_ready(child, lambda: says(child, "started"), within=20)
    return child


async def test_a_child_that_will_not_stop_is_killed_with_all_of_its_session(supervisor, program, tmp_path):
    child = await started(supervisor, program("stubborn", STUBBORN))
    grandchild = tmp_path / "grandchild"
    await until(
        "a grandchild",
        lambda: asyncio.to_thread(lambda: grandchild.exists() and grandchild.stat().st_size > 0),
        within=20,
    )
    pid = int(grandchild.read_text("utf-8"))
    assert procfs.look(pid) is not None

    assert not await supervisor.stop(child, grace=0.2)

    assert procfs.look(child.process.pid) is None
    assert procfs.look(pid) is None


async def test_a_child_that_stops_when_asked_is_not_killed(supervisor, program):
    await started(supervisor, program("gentle", LASTING))
    assert await supervisor.stop_all() == []


async def test_haste_kills_at_once(supervisor, program, hurry):
    await started(supervisor, program("stubborn", STUBBORN))
    hurry.set()
    async with asyncio.timeout(3):  # and not after the whole grace
        assert await supervisor.stop_all() == ["stubborn"]


async def test_an_early_end_is_told_with_name_status_and_last_words(supervisor, program):
    child = await supervisor.start(program("frail", "import sys; print('no database'); sys.exit(3)"))
    with pytest.raises(BrokenPartError) as raised:
        await supervisor.until_ready(child, lambda: says(child, "started"), within=20)
    assert str(raised.value) == "frail ended with exit status 3"
    assert "no database" in raised.value.story()


async def test_the_death_of_a_server_ends_what_needs_it(supervisor, program):
    child = await started(supervisor, program("victim", LASTING))
    cleaned = []

    async def work() -> None:
        child.process.kill()
        try:
            await asyncio.sleep(600)
        finally:
            cleaned.append("up")

    with pytest.raises(BrokenPartError, match="victim was killed by SIGKILL"):
        await supervisor.guard(work())
    assert cleaned == ["up"]


async def test_a_server_that_was_stopped_or_killed_on_purpose_raises_no_alarm(supervisor, program):
    stopped, killed = [await started(supervisor, program(name, LASTING)) for name in ("stopped", "killed")]

    async def work() -> str:
        await supervisor.stop(stopped)
        supervisor.kill(killed)
        await supervisor.stop(killed)
        return "done"

    assert await supervisor.guard(work()) == "done"


async def test_an_error_of_guarded_work_is_its_own(supervisor):
    async def work() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await supervisor.guard(work())


async def test_a_child_that_never_gets_ready_is_told(supervisor, program):
    child = await supervisor.start(program("slow", "import time; time.sleep(600)"))
    with pytest.raises(BrokenPartError, match="slow was not ready within 0 s"):
        await supervisor.until_ready(child, lambda: says(child, "started"), within=0)


async def test_a_command_gives_what_it_prints_and_not_what_it_notes(supervisor, program):
    code = "import sys; print('answer'); print('note', file=sys.stderr)"
    assert await supervisor.run(program("command", code), within=20) == "answer\n"


async def test_a_command_that_fails_or_hangs_is_an_error(supervisor, program):
    with pytest.raises(BrokenPartError, match="bad ended with exit status 2"):
        await supervisor.run(program("bad", "raise SystemExit(2)"), within=20)
    with pytest.raises(BrokenPartError, match="stuck did not end within 0 s"):
        await supervisor.run(program("stuck", "import time; time.sleep(600)"), within=0.2)


async def test_a_program_that_is_not_there_is_told(supervisor, tmp_path):
    child = await supervisor.start(Program(name="ghost", command=["/nowhere/ghost"], folder=tmp_path))
    with pytest.raises(BrokenPartError) as raised:
        await supervisor.until_ready(child, lambda: says(child, "started"), within=20)
    assert "cannot start /nowhere/ghost: No such file or directory" in raised.value.story()


async def test_what_the_person_has_in_the_environment_stays_out(supervisor, program, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("ENODE_CLIENT_SECRET", "real")
    seen = await supervisor.run(program("env", "import os; print(sorted(os.environ))"), within=20)
    assert "PATH" in seen
    assert "DATABASE_URL" not in seen
    assert "ENODE_CLIENT_SECRET" not in seen


async def test_children_do_not_share_the_terminals_group(supervisor, program):
    child = await started(supervisor, program("apart", LASTING))
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
    assert tail(old_log).split()[-2:] == ["first", "second"]
    assert "of an earlier run" not in tail(old_log)
