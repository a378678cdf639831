"""scripts/test reports the outcome of a pytest run: passed, failed and skipped tests with reasons."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.outcomes import Skip, SuiteOutcome, read_outcome
from scripts.lib.summary import find_failure_reason, list_skipped, render_table, render_totals

EVERY_OUTCOME = """
import pytest

@pytest.fixture
def broken_teardown():
    yield
    raise OSError("the server did not stop")

@pytest.fixture
def browser():
    pytest.skip("Chromium is not installed")

def test_passes(): pass
def test_fails(): assert False
def test_breaks_before(unknown_fixture): pass
def test_breaks_after(broken_teardown): pass
def test_skips(browser): pass
def test_skips_too(browser): pass
@pytest.mark.skip(reason="no Redis")
def test_is_skipped(): pass
@pytest.mark.xfail(reason="as expected", strict=True)
def test_is_expected_to_fail(): assert False
"""
SKIPPED_MODULE = 'import pytest\npytest.skip("no Docker here", allow_module_level=True)\n'
BROKEN_MODULE = "import a_module_that_does_not_exist\n"


@pytest.fixture
def outcome_of(tmp_path):
    """Runs pytest on files with these contents and returns the outcome."""

    def run(*contents: str, arguments=()) -> SuiteOutcome:
        files = []
        for number, content in enumerate(contents):
            files.append(tmp_path / f"test_sample_{number}.py")
            files[-1].write_text(content)
        report = tmp_path / "report.xml"
        command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", tmp_path, *files, *arguments]
        reporting = [f"--junitxml={report}", "-o", "junit_family=xunit1"]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run([*command, *reporting], env=environment, cwd=tmp_path, capture_output=True, check=False)
        return read_outcome("sample", 1.0, report, done.returncode)

    return run


def test_all_outcomes_are_counted(outcome_of):
    outcome = outcome_of(EVERY_OUTCOME)
    assert (outcome.passed, outcome.failed, len(outcome.skips)) == (2, 3, 3)  # expected failures did run


def test_skipped_tests_are_listed_once_for_each_reason(outcome_of):
    assert list_skipped([outcome_of(EVERY_OUTCOME, SKIPPED_MODULE)]) == [
        "test_sample_1.py: no Docker here",
        "test_sample_0.py (2 tests): Chromium is not installed",
        "test_sample_0.py: no Redis",
    ]


def test_file_that_does_not_load_is_a_failure(outcome_of):
    assert outcome_of(BROKEN_MODULE).failed == 1


def test_usage_error_is_a_failure(outcome_of):
    assert outcome_of("def test_passes(): pass", arguments=["--no-such-option"]).failed == 1


def test_run_without_matching_tests_is_not_a_failure(outcome_of):
    outcome = outcome_of("def test_passes(): pass", arguments=["-k", "nothing"])
    assert (outcome.passed, outcome.failed, outcome.skips) == (0, 0, ())


def test_run_without_a_report_is_a_failure(tmp_path: Path):
    assert read_outcome("sample", 1.0, tmp_path / "report.xml", 0).failed == 1


PASSING = SuiteOutcome(name="good", seconds=1.25, passed=12)
FAILING = SuiteOutcome(name="bad", seconds=100, passed=3, failed=2)
WITH_SKIP = SuiteOutcome(
    name="partly", seconds=2, passed=1, skips=(Skip(subject="tests/e2e/test_page.py", reason="no Chromium"),)
)
EMPTY = SuiteOutcome(name="nothing", seconds=0)


@pytest.mark.parametrize(
    ("outcomes", "require_all", "why"),
    [
        ([PASSING], True, None),
        ([PASSING, EMPTY], True, None),
        ([PASSING, WITH_SKIP], False, None),
        ([PASSING, WITH_SKIP], True, "some tests were skipped, which --require-all does not allow"),
        ([PASSING, FAILING, WITH_SKIP], True, "failed: bad"),
        ([EMPTY, EMPTY], False, "no test matches these arguments"),
    ],
)
def test_failure_reason_is_found(outcomes, require_all, why):
    assert find_failure_reason(outcomes, require_all=require_all) == why


def test_table_columns_are_aligned():
    assert render_table([PASSING, FAILING, WITH_SKIP]) == [
        "suite   passed  failed  skipped  seconds",
        "good        12       0        0      1.2",
        "bad          3       2        0    100.0",
        "partly       1       0        1      2.0",
    ]


def test_totals_are_summed_over_all_suites():
    assert render_totals([PASSING, FAILING, WITH_SKIP]) == "16 passed, 2 failed, 1 skipped"
