"""scripts/test and scripts/lint as complete commands."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from scripts.lib import run_tests
from scripts.lib.child_processes import CommandResult
from scripts.lib.outcomes import SuiteOutcome
from scripts.lib.suites import IN_PARALLEL, PytestRun
from scripts.lib.summary import render_table
from tests.architecture.tree import ROOT


def run_script_module(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a module as scripts/test and scripts/lint do after the setup, with more environment variables."""
    return subprocess.run(
        [sys.executable, "-P", "-m", f"scripts.lib.{module}", *arguments],
        cwd=ROOT / "tests",
        env=os.environ | environment,
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


def test_property_tests_run_where_hypothesis_detects_a_ci_server():
    done = run_script_module("run_tests", "demo/enode/test_enode_physics.py", "-k", "energy_and_odometer", CI="true")
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize(("status", "counts"), [(0, ["1", "0", "0"]), (1, ["0", "1", "0"])])
def test_command_counts_as_one_test(status, counts):
    result = CommandResult(command=["demo"], status=status, seconds=1, output="")
    assert render_table([run_tests.count_commands("demo", [result])])[1].split()[1:4] == counts


def replace_pytest(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object] = lambda: None) -> None:
    """Replace each run of pytest by a call."""

    def run_suite(suite: PytestRun, _arguments: Sequence[str]) -> SuiteOutcome:
        run()
        return SuiteOutcome(name=suite.name, seconds=1, passed=5)

    monkeypatch.setattr(run_tests, "ensure_installed", lambda _program: None)
    monkeypatch.setattr(run_tests, "write_bytecode", lambda _runs: None)
    monkeypatch.setattr(run_tests, "run_pytest_suite", run_suite)


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Linters, one of which fails, and a demo's check, which touches a file."""
    suites = {"lint": [["echo", "fine"], ["false"]], "scripts/demo --check": [["touch", f"{tmp_path}/demo"]]}
    monkeypatch.setattr(run_tests, "COMMAND_SUITES", suites)
    return tmp_path / "demo"


def test_linters_and_demo_check_run_beside_pytest(monkeypatch, commands, capsys):
    def wait_for_the_demo():
        deadline = time.monotonic() + 30
        while not commands.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    replace_pytest(monkeypatch, wait_for_the_demo)
    assert run_tests.main([]) == 1
    output = capsys.readouterr().out.splitlines()
    assert [line for line in output if line.startswith(("==>", "fine"))] == [
        "==> echo fine",
        "fine",
        "==> false",
        f"==> touch {commands}",
    ]
    assert [re.split("  +", line)[:4] for line in output if line.endswith(tuple("0123456789"))] == [
        ["lint", "1", "1", "0"],
        ["tests/component", "5", "0", "0"],
        ["all other tests", "5", "0", "0"],
        ["scripts/demo --check", "1", "0", "0"],
    ]
    assert output[-2:] == ["failed: lint", "12 passed, 1 failed, 0 skipped"]


@pytest.fixture
def collected(monkeypatch, tmp_path):
    """Collects a folder with one test as scripts/test does before it starts workers. Returns the bytecode."""
    (tmp_path / "tests" / "conftest.py").parent.mkdir()
    for name in ("conftest", "test_one"):
        (tmp_path / "tests" / f"{name}.py").write_text("def test_one():\n    assert True\n")
    bytecode = tmp_path / "tests" / "__pycache__"
    monkeypatch.setattr(run_tests, "COLLECTED", bytecode / run_tests.COLLECTED.name)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)

    def collect(*options):
        run = PytestRun(name="one", options=("-p", "no:cacheprovider"), paths=(str(tmp_path / "tests"),))
        run_tests.write_bytecode([(run, options)])
        return {file.name.partition(".")[0]: file.stat().st_mtime_ns for file in bytecode.glob("*.pyc")}

    return collect


def test_new_clone_is_compiled_before_its_workers_start(collected):
    assert collected() == {}  # one process compiles for itself
    compiled = collected(*IN_PARALLEL)
    assert compiled.keys() == {"conftest", "test_one"}
    assert collected(*IN_PARALLEL) == compiled


def test_suites_skipped_by_options_are_listed(monkeypatch, capsys):
    replace_pytest(monkeypatch)
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
