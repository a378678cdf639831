"""Rules for all tracked files."""

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, list_files, read_text

MAX_LINES = 450

# Character classes keep this file from matching its own patterns.
MACHINE_PATHS = re.compile(r"(?<![\w.-])/(?:wor[k]|roo[t])/")
REGISTRIES = re.compile(r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|debian[.]org|crates[.]io|proxy[.]golang")
SUPPRESSION = re.compile(
    r"#\s*(?:noqa(?P<codes>:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?|type:\s*ignore(?P<kinds>\[[^\]]+\])?)(?P<reason>.*)"
)

CLOCK_FUNCTIONS = frozenset({"now", "utcnow", "today", "time", "time_ns"})
# Only for times whose exact distance from the present no test depends on.
READS_CLOCK_AT_IMPORT = frozenset({"tests/relay/support/charging.py"})


def find_matching_lines(pattern: re.Pattern[str], paths: tuple[Path, ...]) -> list[str]:
    """`file:line` of each match. The text itself stays out of the test report."""
    return [
        f"{path}:{number}"
        for path in paths
        for number, line in enumerate((read_text(path) or "").splitlines(), start=1)
        if pattern.search(line)
    ]


def find_unexplained_suppressions(source: str) -> list[int]:
    """Numbers of the lines that suppress a check without naming the rule and the reason."""
    unexplained = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = SUPPRESSION.match(token.string) if token.type == tokenize.COMMENT else None
        if match and not ((match["codes"] or match["kinds"]) and re.search(r"\w{2}", match["reason"])):
            unexplained.append(token.start[0])
    return unexplained


def find_clock_readings(source: str) -> list[int]:
    """Numbers of the lines at which importing the module reads the clock."""
    return [
        node.lineno
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_FUNCTIONS
    ]


def test_only_the_addon_has_a_config_file_that_the_supervisor_would_find():
    # Home Assistant's Supervisor takes each config.yaml, config.yml and config.json of a repository for an add-on.
    config_files = [
        path.as_posix() for path in list_files() if path.name in {"config.yaml", "config.yml", "config.json"}
    ]
    assert set(config_files) <= {"addon/config.yaml"}


def test_python_files_stay_small():
    long = {
        path.as_posix(): lines
        for path in list_files("*.py")
        if (lines := (read_text(path) or "").count("\n")) > MAX_LINES
    }
    assert long == {}


def test_tests_read_the_clock_when_they_run():
    # On a slow machine, a test may run half an hour after its module was imported.
    reading = [path.as_posix() for path in list_files("tests/**.py") if find_clock_readings(read_text(path) or "")]
    assert set(reading) <= READS_CLOCK_AT_IMPORT


def test_clock_reading_at_import_is_found():
    assert find_clock_readings("A = datetime.now(UTC)\nB: float = time.time() - 5\nC = at(3)") == [1, 2]
    assert find_clock_readings("def now():\n    return datetime.now(UTC)") == []


def test_every_suppressed_check_has_a_reason():
    unexplained = [
        f"{path}:{number}"
        for path in list_files("*.py")
        for number in find_unexplained_suppressions(read_text(path) or "")
    ]
    assert unexplained == []


@pytest.mark.parametrize(
    ("comment", "is_explained"),
    [
        ("# noqa", False),
        ("# noqa: S608", False),
        ("# noqa: S608, PLR2004", False),
        ("# noqa: S608 -", False),
        ("# type: ignore", False),
        ("# type: ignore[arg-type]", False),
        ("# noqa: S608 - built from the constants above", True),
        ("# noqa: S608, PLR2004  # built from the constants above", True),
        ("# type: ignore[arg-type]  # the library's stub is wrong", True),
        ("# an ordinary comment", True),
    ],
)
def test_a_suppression_needs_a_rule_and_a_reason(comment: str, is_explained):
    assert find_unexplained_suppressions(f"x = 1  {comment}\n") == ([] if is_explained else [1])


def test_no_file_contains_a_path_of_a_machine():
    assert find_matching_lines(MACHINE_PATHS, list_files()) == []


def test_no_file_names_a_registry():
    lock = Path("uv.lock")  # uv records the origin of each package
    assert find_matching_lines(REGISTRIES, tuple(path for path in list_files() if path != lock)) == []


def list_shell_scripts() -> list[Path]:
    return [
        path
        for path in list_files()
        if path.suffix == ".sh" or (read_text(path) or "").startswith("#!/usr/bin/env bash\n")
    ]


@pytest.mark.parametrize("path", list_shell_scripts(), ids=str)
def test_shell_scripts_are_valid_and_stop_at_the_first_error(path: Path):
    checked = subprocess.run(["bash", "-n", path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    script = read_text(path) or ""
    assert "set -euo pipefail\n" in script or script.startswith("# shellcheck shell=bash\n# Sourced by setup.sh")


@pytest.mark.parametrize(
    "name", ["scripts/demo", "scripts/test", "scripts/lint", "scripts/screenshots", "scripts/mutate", ".ci/run"]
)
def test_commands_are_executable(name):
    assert (ROOT / name).stat().st_mode & 0o111 == 0o111


def test_ci_runs_scripts_test():
    commands = [line for line in (read_text(Path(".ci/run")) or "").splitlines() if not line.startswith(("#", "set "))]
    assert commands == ['exec "$(dirname "${BASH_SOURCE[0]}")/../scripts/test" --require-all']
