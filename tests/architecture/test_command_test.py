"""scripts/test and scripts/lint as whole commands."""

import re
import subprocess
import sys

import pytest

from scripts.lib import run_tests
from scripts.lib.outcomes import SuiteOutcome
from scripts.lib.summary import render_table
from tests.architecture.tree import ROOT


def run_script_module(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What scripts/test and scripts/lint run once all is set up."""
    return subprocess.run(
        [sys.executable, "-P", "-m", f"scripts.lib.{module}", *arguments],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_selection_runs_alone_and_ends_with_its_count():
    done = run_script_module("run_tests", "--require-all", "architecture/test_migrations.py", "-k", "no_two_migrations")
    assert done.returncode == 0
    assert re.search(r"^=+ 1 passed, \d+ deselected in .*=+$", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"
    assert "tests/component" not in done.stdout


@pytest.mark.parametrize(("status", "counts"), [(0, ["1", "0", "0"]), (1, ["0", "1", "0"])])
def test_the_demo_counts_as_one_test(monkeypatch, status, counts):
    monkeypatch.setattr(run_tests, "run_command", lambda _command, **_limits: status)
    assert render_table([run_tests.run_demo_check()])[1].split()[2:5] == counts


def test_what_the_caller_leaves_out_did_not_run(monkeypatch, capsys):
    monkeypatch.setattr(run_tests, "run_command", lambda _command, **_limits: 0)
    monkeypatch.setattr(run_tests, "ensure_installed", lambda _program: None)
    monkeypatch.setattr(
        run_tests, "run_pytest_suite", lambda suite, _arguments: SuiteOutcome(name=suite.name, seconds=1, passed=5)
    )
    assert run_tests.main(["--no-lint", "--no-demo"]) == 0
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "did not run, and why:",
        "  lint: left out by --no-lint",
        "  scripts/demo --check: left out by --no-demo",
        "",
        "10 passed, 0 failed, 2 skipped",
    ]
    assert run_tests.main(["--no-lint", "--no-demo", "--require-all"]) == 1


def test_a_selection_of_nothing_is_no_success():
    done = run_script_module("run_tests", "architecture/test_migrations.py", "-k", "no_such_test")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["no test matches these arguments", "0 passed, 0 failed, 0 skipped"]


@pytest.mark.parametrize("module", ["run_tests", "lint"])
def test_help_is_there(module):
    done = run_script_module(module, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: scripts/")


def test_linters_can_be_picked():
    done = run_script_module("lint", "format")
    assert [line for line in done.stdout.splitlines() if line.startswith("==>")] == [
        f"==> {sys.executable.rpartition('/')[0]}/ruff format --check"
    ]


def test_an_unknown_linter_is_a_clear_error():
    done = run_script_module("lint", "spelling")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("no such linter: spelling (there are ruff, format, mypy, imports)")
