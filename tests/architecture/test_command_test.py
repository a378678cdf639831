"""scripts/test and scripts/lint as complete commands."""

import re
import subprocess
import sys

import pytest

from scripts.lib import run_tests
from scripts.lib.outcomes import SuiteOutcome
from scripts.lib.summary import render_table
from tests.architecture.tree import ROOT


def run_script_module(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module as scripts/test and scripts/lint do after the setup."""
    return subprocess.run(
        [sys.executable, "-P", "-m", f"scripts.lib.{module}", *arguments],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        check=False,
    )


def test_selected_tests_run_alone_and_the_last_line_has_the_totals():
    done = run_script_module("run_tests", "--require-all", "architecture/test_migrations.py", "-k", "different_times")
    assert done.returncode == 0
    assert re.search(r"^=+ 1 passed, \d+ deselected in .*=+$", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"
    assert "tests/component" not in done.stdout


@pytest.mark.parametrize(("status", "counts"), [(0, ["1", "0", "0"]), (1, ["0", "1", "0"])])
def test_demo_check_counts_as_one_test(monkeypatch, status, counts):
    monkeypatch.setattr(run_tests, "run_command", lambda _command, **_limits: status)
    assert render_table([run_tests.run_demo_check()])[1].split()[2:5] == counts


def test_suites_skipped_by_options_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(run_tests, "run_command", lambda _command, **_limits: 0)
    monkeypatch.setattr(run_tests, "ensure_installed", lambda _program: None)
    monkeypatch.setattr(
        run_tests, "run_pytest_suite", lambda suite, _arguments: SuiteOutcome(name=suite.name, seconds=1, passed=5)
    )
    assert run_tests.main(["--no-lint", "--no-demo"]) == 0
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "skipped:",
        "  lint: skipped by --no-lint",
        "  scripts/demo --check: skipped by --no-demo",
        "",
        "10 passed, 0 failed, 2 skipped",
    ]
    assert run_tests.main(["--no-lint", "--no-demo", "--require-all"]) == 1


def test_selection_without_tests_fails():
    done = run_script_module("run_tests", "architecture/test_migrations.py", "-k", "no_such_test")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["no test matches these arguments", "0 passed, 0 failed, 0 skipped"]


@pytest.mark.parametrize("module", ["run_tests", "lint"])
def test_help_is_printed(module):
    done = run_script_module(module, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: scripts/")


def test_single_linter_can_be_selected():
    done = run_script_module("lint", "format")
    assert [line for line in done.stdout.splitlines() if line.startswith("==>")] == [
        f"==> {sys.executable.rpartition('/')[0]}/ruff format --check"
    ]


def test_unknown_linter_exits_with_2():
    done = run_script_module("lint", "spelling")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "unknown linter: spelling (choose from ruff, format, mypy, imports, voice)"
    )
