"""scripts/lint: run the linters in their locked versions."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.child_processes import run_command, run_concurrently


@dataclass(frozen=True, kw_only=True, slots=True)
class Linter:
    """A linter: its name, its check command, and its fix command if it has one."""

    name: str
    check: Sequence[str]
    fix: Sequence[str] | None = None

    def command(self, *, fix: bool) -> list[str]:
        """Return the command line, with the program from this environment."""
        program, *arguments = self.fix if fix and self.fix else self.check
        return [str(Path(sys.executable).parent / program), *arguments]


LINTERS = (
    Linter(name="ruff", check=("ruff", "check"), fix=("ruff", "check", "--fix")),
    Linter(name="format", check=("ruff", "format", "--check"), fix=("ruff", "format")),
    Linter(name="mypy", check=("mypy",)),
    Linter(name="imports", check=("lint-imports",)),
    Linter(name="voice", check=("python", "-m", "scripts.lib.voice")),
)


def run_linters(linters: Sequence[Linter]) -> list[str]:
    """Run these linters, two at a time. Returns the names of those that reported problems."""
    statuses = run_concurrently([linter.command(fix=False) for linter in linters], at_once=2)
    return [linter.name for linter, status in zip(linters, statuses, strict=True) if status != 0]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named linters, or all. Returns 1 if one of them reported problems."""
    names = [linter.name for linter in LINTERS]
    parser = argparse.ArgumentParser(prog="scripts/lint", description="Check style, types, import layers and wording.")
    parser.add_argument("--fix", action="store_true", help="let ruff fix what it can")
    parser.add_argument("names", nargs="*", metavar="LINTER", help=f"run only these: {', '.join(names)}")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"unknown linter: {', '.join(unknown)} (choose from {', '.join(names)})")
    selected = [linter for linter in LINTERS if linter.name in (options.names or names)]
    fixing = [linter for linter in selected if linter.fix and options.fix]  # in turn: they change the same files
    failed = [linter.name for linter in fixing if run_command(linter.command(fix=True)) != 0]
    failed += run_linters([linter for linter in selected if linter not in fixing])
    print(f"problems found by: {', '.join(failed)}" if failed else "no problems found", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
