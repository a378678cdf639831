"""The table of results. Absolute figures are printed only; ratios are compared with budgets."""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A measurement. `ratio` compares with floor or peer; `budget` is its maximum, or minimum if `at_least`."""

    bench: str
    what: str
    figures: str
    ratio: float | None = None
    budget: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.ratio is None or self.budget is None:
            return ""
        is_met = self.ratio >= self.budget if self.at_least else self.ratio <= self.budget
        return "met" if is_met else "MISSED"

    @property
    def limit(self) -> str:
        return "" if self.budget is None else f"{'≥' if self.at_least else '≤'} {self.budget:g}"


def render_table(rows: list[Row]) -> str:
    """Render the rows as a Markdown table, which is readable in a terminal as well."""
    lines = ["| bench | what | measured | ratio | budget | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.bench} | {row.what} | {row.figures} | {'' if row.ratio is None else f'{row.ratio:.2f}'} | "
        f"{row.limit} | {row.verdict} |"
        for row in rows
    ]
    return "\n".join(lines)


def render_document_table(old: str, rows: list[Row], order: list[str]) -> str:
    """Render the document's table and the machine. Benchmarks that did not run keep their lines of `old`."""
    run = {row.bench for row in rows}
    head, rule, *lines = render_table(rows).splitlines()
    kept = [line for line in old.splitlines() if line.startswith("| ") and get_bench(line) in set(order) - run]
    lines = sorted(kept + lines, key=lambda line: order.index(get_bench(line)))
    if not kept:
        return "\n".join([head, rule, *lines, "", f"Measured on {describe_machine()}."]) + "\n"
    names = ", ".join(name for name in order if name in run)
    notes = [line for line in old.splitlines() if "easured on " in line and not line.startswith(f"{names}: ")]
    notes.append(f"{names}: measured on {describe_machine()}.")
    return "\n".join([head, rule, *lines, "", "\n\n".join(notes)]) + "\n"


def get_bench(line: str) -> str:
    """Return the benchmark's name in a line of the table."""
    return line.removeprefix("| ").partition(" | ")[0]


def describe_machine() -> str:
    """Describe hardware, operating system, packages, date and commit."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    packages = ", ".join(f"{package} {version(package)}" for package in ("fastapi", "uvicorn", "psycopg"))
    return (
        f"{os.cpu_count()} × {cpu}, {platform.system()}, CPython {platform.python_version()}, {packages}; "
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}"
    )
