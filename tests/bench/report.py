"""What was measured, as a table for people: absolute figures are printed, only ratios and hang limits judge."""

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
    """A figure. `ratio` is ours against floor or peer; `budget` what it may be at most (or, `at_least`, at least)."""

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
        held = self.ratio >= self.budget if self.at_least else self.ratio <= self.budget
        return "held" if held else "MISSED"

    @property
    def against(self) -> str:
        return "" if self.budget is None else f"{'≥' if self.at_least else '≤'} {self.budget:g}"


def table(rows: list[Row]) -> str:
    """Markdown, which reads well in a terminal too."""
    lines = ["| bench | what | measured | ratio | budget | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {it.bench} | {it.what} | {it.figures} | {'' if it.ratio is None else f'{it.ratio:.2f}'} | {it.against} | "
        f"{it.verdict} |"
        for it in rows
    ]
    return "\n".join(lines)


def written(old: str, rows: list[Row], order: list[str]) -> str:
    """The document's table and what it was measured on. Benches that did not run keep what `old` says of them."""
    run = {it.bench for it in rows}
    head, rule, *lines = table(rows).splitlines()
    kept = [it for it in old.splitlines() if it.startswith("| ") and it.split(" | ")[0][2:] in set(order) - run]
    lines = sorted(kept + lines, key=lambda line: order.index(line.split(" | ")[0][2:]))
    if not kept:
        return "\n".join([head, rule, *lines, "", f"Measured on {machine()}."]) + "\n"
    names = ", ".join(name for name in order if name in run)
    before = [it for it in old.splitlines() if "easured on " in it and not it.startswith(f"{names}: ")]
    return "\n".join([head, rule, *lines, "", "\n\n".join([*before, f"{names}: measured on {machine()}."])]) + "\n"


def machine() -> str:
    """On what, when, with what."""
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
    packages = ", ".join(f"{it} {version(it)}" for it in ("fastapi", "uvicorn", "psycopg"))
    return (
        f"{os.cpu_count()} × {cpu}, {platform.system()}, CPython {platform.python_version()}, {packages}; "
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}"
    )
