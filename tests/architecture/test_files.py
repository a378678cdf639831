"""Rules for every file of the tree."""

import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, text_of, tracked

LONGEST = 450

# Written so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.-])/(?:wor[k]|roo[t])/")
REGISTRIES = re.compile(r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|debian[.]org|crates[.]io|proxy[.]golang")
SILENCED = re.compile(
    r"#\s*(?:noqa(?P<codes>:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?|type:\s*ignore(?P<kinds>\[[^\]]+\])?)(?P<reason>.*)"
)


def lines_that_match(pattern: re.Pattern[str], paths: tuple[Path, ...]) -> list[str]:
    """`file:line` of everything that matches, without repeating it."""
    return [
        f"{path}:{number}"
        for path in paths
        for number, line in enumerate((text_of(path) or "").splitlines(), start=1)
        if pattern.search(line)
    ]


def silenced_without_reason(source: str) -> list[int]:
    """Numbers of the lines whose comment silences a check and does not say which and why."""
    wrong = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        found = SILENCED.match(token.string) if token.type == tokenize.COMMENT else None
        if found and not ((found["codes"] or found["kinds"]) and re.search(r"\w{2}", found["reason"])):
            wrong.append(token.start[0])
    return wrong


def test_only_the_addon_has_a_file_that_a_supervisor_takes_for_an_addon():
    # Home Assistant's Supervisor reads every config.yaml, config.yml and config.json below a repository as an add-on.
    found = [path.as_posix() for path in tracked() if path.name in {"config.yaml", "config.yml", "config.json"}]
    assert set(found) <= {"addon/config.yaml"}


def test_python_files_stay_small():
    long = {
        path.as_posix(): lines for path in tracked("*.py") if (lines := (text_of(path) or "").count("\n")) > LONGEST
    }
    assert long == {}


def test_whoever_silences_a_check_says_why():
    found = [f"{path}:{number}" for path in tracked("*.py") for number in silenced_without_reason(text_of(path) or "")]
    assert found == []


@pytest.mark.parametrize(
    ("comment", "fine"),
    [
        ("# noqa", False),
        ("# noqa: S608", False),
        ("# noqa: S608, PLR2004", False),
        ("# noqa: S608 -", False),
        ("# type: ignore", False),
        ("# type: ignore[arg-type]", False),
        ("# noqa: S608 - made of the constants above", True),
        ("# noqa: S608, PLR2004  # made of the constants above", True),
        ("# type: ignore[arg-type]  # the library's stub is wrong", True),
        ("# nothing to do with it", True),
    ],
)
def test_a_reason_is_told_from_none(comment: str, fine):
    assert silenced_without_reason(f"x = 1  {comment}\n") == ([] if fine else [1])


def test_no_file_knows_a_machine():
    assert lines_that_match(MACHINE_PATHS, tracked()) == []


def test_no_file_names_a_registry():
    lock = Path("uv.lock")  # uv writes where each package comes from
    assert lines_that_match(REGISTRIES, tuple(path for path in tracked() if path != lock)) == []


def shell_scripts() -> list[Path]:
    return [
        path for path in tracked() if path.suffix == ".sh" or (text_of(path) or "").startswith("#!/usr/bin/env bash\n")
    ]


@pytest.mark.parametrize("path", shell_scripts(), ids=str)
def test_shell_scripts_are_whole_and_stop_at_the_first_error(path: Path):
    checked = subprocess.run(["bash", "-n", path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    script = text_of(path) or ""
    assert "set -euo pipefail\n" in script or script.startswith("# shellcheck shell=bash\n# Sourced by setup.sh")


@pytest.mark.parametrize("name", ["scripts/demo", "scripts/test", "scripts/lint", "scripts/screenshots", ".ci/run"])
def test_commands_can_be_executed(name):
    assert (ROOT / name).stat().st_mode & 0o111 == 0o111


def test_ci_runs_the_command_that_a_person_runs():
    commands = [line for line in (text_of(Path(".ci/run")) or "").splitlines() if not line.startswith(("#", "set "))]
    assert commands == ['exec "$(dirname "${BASH_SOURCE[0]}")/../scripts/test" --require-all']
