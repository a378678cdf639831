import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from demo.world.ledger import Ledger
from demo.world.processes import Program, Supervisor

type MakeProgram = Callable[[str, str], Program]


@pytest.fixture
def program(tmp_path: Path) -> MakeProgram:
    """A program made of a name and Python code."""

    def make(name: str, code: str) -> Program:
        return Program(name=name, command=[sys.executable, "-I", "-S", "-c", code], folder=tmp_path)

    return make


@pytest.fixture
async def hurry() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def supervisor(tmp_path: Path, hurry: asyncio.Event) -> AsyncIterator[Supervisor]:
    logs = tmp_path / "logs"
    logs.mkdir()
    made = Supervisor(ledger=Ledger(tmp_path / "processes.json"), logs=logs, hurry=hurry)
    yield made
    hurry.set()
    await made.stop_all()
