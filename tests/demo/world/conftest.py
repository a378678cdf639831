import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from demo.world.pid_file import PidFile
from demo.world.processes import Program, Supervisor

type MakeProgram = Callable[[str, str], Program]


@pytest.fixture
def program(tmp_path: Path) -> MakeProgram:
    """Creates a program from a name and Python code."""

    def make(name: str, code: str) -> Program:
        return Program(name=name, command=[sys.executable, "-I", "-S", "-c", code], folder=tmp_path)

    return make


@pytest.fixture
async def force() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def supervisor(tmp_path: Path, force: asyncio.Event) -> AsyncIterator[Supervisor]:
    logs = tmp_path / "logs"
    logs.mkdir()
    supervisor = Supervisor(pid_file=PidFile(tmp_path / "processes.json"), logs=logs, force=force)
    yield supervisor
    force.set()
    await supervisor.stop_all()
