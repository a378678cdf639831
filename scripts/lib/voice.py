"""The voice linter: reports wording of the project's former private dialect, and what to write instead.

The style guide is docs/writing.md. This list contains only what was common. Add a rule only for wording that came back.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.child_processes import ROOT

SUFFIXES = frozenset({".py", ".md", ".html", ".json", ".sql", ".toml"})
EXCLUDED = (
    "scripts/lib/voice.py",
    "tests/architecture/test_voice.py",
    "web/translations/de.json",
    "web/translations/sv.json",
)
"""This list and its test, and languages in which the patterns mean something else."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that fails the check and what to write instead."""

    pattern: re.Pattern[str]
    better: str


def _rule(pattern: str, better: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), better)


PROSE = (
    _rule(r"\bnow and then\b", "the interval, for example 'every 2 minutes'"),
    _rule(r"\bfor[ _]ever\b", "'until cancelled', or 'indefinitely'; in a name: run_…_loop"),
    _rule(r"\banew\b", "'again', 'resets' or 'restarts'"),
    _rule(r"\bwhoever\b", "who it is: the user, the operator, the client"),
    _rule(
        r"\blets? (it|them|him|her|somebody|anybody|a stranger) (in|out)\b",
        "'allow', 'sign in', 'revoke', 'disconnect'",
    ),
    _rule(r"\b(is|are|was|were) (not )?told\b", "'is notified', 'receives' or 'is sent'"),
    _rule(r"\ba relay of (one's|their|his|her) own\b", "'a self-hosted relay'"),
    _rule(r"\b(nobody|none|somebody) of ours\b", "what it is: 'no user of this relay'"),
    _rule(r"\bgrown too old\b", "'expired'"),
    _rule(r"\bin (the )?classic words\b", "'in the classic format'"),
)
"""Checked line by line in every text file, code included."""

NAMES = (
    _rule(r"^_?(known|whole|told|shown|surely|anew|nobody|somebody|whose|asked)$", "a verb and an object"),
    _rule(r"^_?(hear|bury|absorb|vouch|become|weather|deaf)(_|$)", "the field's term (receive, delete, set_status, …)"),
    _rule(r"(^|_)wish(es)?(_|$)", "'request'"),
)
"""Checked against the names of modules, classes and functions; tests, whose names are sentences, are excepted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A place where a rule matches."""

    path: str
    line: int
    text: str
    better: str

    def render(self) -> str:
        """Return `path:line: …`, the format of compilers."""
        return f"{self.path}:{self.line}: {self.text!r}: write {self.better}"


def check_text(path: str, text: str) -> Iterator[Finding]:
    """Yield the findings in one file's prose, line by line."""
    for number, line in enumerate(text.splitlines(), start=1):
        for rule in PROSE:
            if match := rule.pattern.search(line):
                yield Finding(path=path, line=number, text=match[0], better=rule.better)


def check_names(path: str, source: str) -> Iterator[Finding]:
    """Yield the findings in the names that a Python file defines, its own name included."""
    defined = [(1, Path(path).stem)]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined += [(node.lineno, node.name) for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    for line, name in defined:
        if name.startswith("test_"):
            continue
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
        for rule in NAMES:
            if rule.pattern.search(snake):
                yield Finding(path=path, line=line, text=name, better=rule.better)


def check_tree() -> list[Finding]:
    """Return the findings in all files that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - git by its name
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    findings: list[Finding] = []
    for path in listed.stdout.split("\0"):
        if Path(path).suffix not in SUFFIXES or path.startswith(EXCLUDED) or not (ROOT / path).is_file():
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        findings += check_text(path, text)
        if path.endswith(".py"):
            findings += check_names(path, text)
    return findings


def main() -> int:
    """Print the findings. Returns 1 if there are any."""
    findings = check_tree()
    for finding in findings:
        print(finding.render())
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
