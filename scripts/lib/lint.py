"""scripts/lint: the linters, in the versions of the lock."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.child_processes import run_command


@dataclass(frozen=True, kw_only=True, slots=True)
class Linter:
    """One tool: what it is called here, how it checks, and how it mends where it can."""

    name: str
    check: Sequence[str]
    fix: Sequence[str] | None = None

    def command(self, *, fix: bool) -> list[str]:
        """The command line, with the program taken from this environment."""
        program, *arguments = self.fix if fix and self.fix else self.check
        return [str(Path(sys.executable).parent / program), *arguments]


LINTERS = (
    Linter(name="ruff", check=("ruff", "check"), fix=("ruff", "check", "--fix")),
    Linter(name="format", check=("ruff", "format", "--check"), fix=("ruff", "format")),
    Linter(name="mypy", check=("mypy",)),
    Linter(name="imports", check=("lint-imports",)),
)


def run_linters(linters: Sequence[Linter], *, fix: bool = False) -> list[str]:
    """Names of the linters that found something; all of them are run."""
    return [linter.name for linter in linters if run_command(linter.command(fix=fix)) != 0]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the linters named, or all; 1 when one of them found something."""
    names = [linter.name for linter in LINTERS]
    parser = argparse.ArgumentParser(prog="scripts/lint", description="Style, types and import layers.")
    parser.add_argument("--fix", action="store_true", help="let ruff mend what it can")
    parser.add_argument("names", nargs="*", metavar="LINTER", help=f"only these: {', '.join(names)}")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no such linter: {', '.join(unknown)} (there are {', '.join(names)})")
    wanted = [linter for linter in LINTERS if linter.name in (options.names or names)]
    failed = run_linters(wanted, fix=options.fix)
    print(f"found something: {', '.join(failed)}" if failed else "nothing found", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
