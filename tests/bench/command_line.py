"""The start of `evconduit` commands: their CPU time against importing the packages that each can't do without."""

import asyncio
import os
import statistics
import subprocess
import sys

from tests.bench.cases import Scale
from tests.bench.environment import EVCONDUIT, Environment
from tests.bench.report import Row


def measure_cpu_seconds(command: list[str], **variables: str) -> float:
    """Run a command, which must succeed, and return its user and system time."""
    process = subprocess.Popen(
        command, env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def measure_row(arguments: list[str], imports: str, *, budget: float, rounds: int, **variables: str) -> Row:
    """Measure one command and its floor in turn."""
    ours, floor = [], []
    for number in range(rounds + 1):  # the first round is a warm-up, which may compile modules
        seconds = measure_cpu_seconds([EVCONDUIT, *arguments], **variables)
        floor_seconds = measure_cpu_seconds([sys.executable, "-c", f"import {imports}"])
        if number:
            ours.append(seconds)
            floor.append(floor_seconds)
    medians = statistics.median(ours), statistics.median(floor)
    return Row(
        bench="command-line",
        what=f"`{' '.join(arguments[:2])}`",
        figures=f"{medians[0]:.2f} s of CPU; `import {imports}` {medians[1]:.2f} s",
        ratio=medians[0] / medians[1],
        budget=budget,
    )


async def measure_command_line(environment: Environment, scale: Scale) -> list[Row]:
    """Measure a command that needs nothing of the relay, and one that reads the database."""
    database, rounds = environment.create_database(shared=False), scale(9, 1, 1)  # without an owner
    variables = {"EVCONDUIT_DATA": str(environment.folder / "data"), "DATABASE_URL": database}
    user = ("--user", "me@example.org")
    await asyncio.to_thread(measure_cpu_seconds, [EVCONDUIT, "user", "add", user[1]], **variables)
    return [
        await asyncio.to_thread(measure_row, ["--version"], "typer", budget=2.5, rounds=rounds),
        await asyncio.to_thread(
            measure_row,
            ["key", "list", *user],
            "typer, psycopg_pool, pydantic.main",
            budget=2,
            rounds=rounds,
            **variables,
        ),
    ]
