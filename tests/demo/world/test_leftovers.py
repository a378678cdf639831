import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.world import procfs
from demo.world.orphaned_postgres import SHUTDOWN_STEPS, stop_orphaned_postgres
from demo.world.pid_file import PidFile, terminate_processes
from demo.world.polling import poll_until

# Starts a child as the demo does, prints its pid, and waits to be killed.
DEMO_CODE = """
import asyncio, sys
from pathlib import Path
from demo.world.pid_file import PidFile
from demo.world.processes import Program, Supervisor

async def main(folder):
    supervisor = Supervisor(pid_file=PidFile(folder / "processes.json"), logs=folder, force=asyncio.Event())
    code = "import signal, time; {ignore}; print('started', flush=True); time.sleep(600)"
    command = [sys.executable, "-I", "-S", "-c", code]
    child = await supervisor.start(Program(name="child", command=command, folder=folder))
    while "started" not in child.log.read_text():
        await asyncio.sleep(0.02)
    print(child.process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1])))
"""
IGNORE_SIGTERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def run_and_kill_demo(folder: Path, *, ignore: str = "pass") -> int:
    """Run a demo, kill it, and return the pid of its child."""
    code = DEMO_CODE.replace("{ignore}", ignore)
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        pid = int(demo.stdout.readline())
        demo.kill()
    return pid


async def has_exited(pid: int) -> bool:
    return procfs.find_process(pid) is None


async def test_children_end_when_the_demo_is_killed(tmp_path):
    pid = await asyncio.to_thread(run_and_kill_demo, tmp_path)
    await poll_until("the child to follow its parent", lambda: has_exited(pid), within=60)


async def test_surviving_child_is_found_and_terminated_by_the_next_demo(tmp_path):
    pid = await asyncio.to_thread(run_and_kill_demo, tmp_path, ignore=IGNORE_SIGTERM)
    leftovers = PidFile(tmp_path / "processes.json").find_leftovers()
    assert [process.pid for process in leftovers] == [pid]
    await terminate_processes(leftovers, grace=0.1)
    await poll_until("the child to be killed", lambda: has_exited(pid), within=60)


def test_process_with_a_reused_pid_is_ignored(tmp_path):
    file = tmp_path / "processes.json"
    me = procfs.find_process(os.getpid())
    assert me is not None
    file.write_text(json.dumps({str(me.session): 1}), "utf-8")
    assert PidFile(file).find_leftovers() == []


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"x": "y"}', None])
def test_unreadable_pid_file_gives_no_leftovers(tmp_path, content):
    file = tmp_path / "processes.json"
    if content is not None:
        file.write_text(content, "utf-8")
    assert PidFile(file).find_leftovers() == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with a data folder as working directory, a pid file there, and SIGINT ignored."""
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], cwd=data, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (data / "postmaster.pid").write_text(f"{process.pid}\n{data}\n", "utf-8")
        yield process
        process.kill()


async def test_orphaned_database_server_is_stopped(tmp_path, server):
    # A loaded machine may need longer than a user should wait until the second signal has ended the process.
    steps = ((signal.SIGINT, 0.1), (signal.SIGQUIT, 60), (signal.SIGKILL, 1))
    assert await stop_orphaned_postgres(tmp_path, steps=steps)
    assert await asyncio.to_thread(server.wait, 60) == -signal.SIGQUIT


def test_database_server_gets_the_chance_of_a_clean_shutdown_for_a_few_seconds():
    signals, seconds = zip(*SHUTDOWN_STEPS, strict=True)
    assert signals == (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
    assert min(seconds) >= 1
    assert sum(seconds) <= 4


async def test_postgres_pid_file_of_another_process_is_ignored(tmp_path):
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n", "utf-8")
    assert not await stop_orphaned_postgres(tmp_path)


@pytest.mark.parametrize("content", ["", "nonsense\n"])
async def test_invalid_postgres_pid_file_is_ignored(tmp_path, content):
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text(content, "utf-8")
    assert not await stop_orphaned_postgres(tmp_path)
