"""scripts/test runs the slowest test files first, by the durations of its last run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.longest_first import EXPECTED_SECONDS, estimate_seconds, order_files
from scripts.lib.suites import IN_PARALLEL
from tests.architecture.tree import ROOT


def test_files_are_ordered_by_measured_seconds():
    measured = {"a.py": 1.5, "b.py": 20, "c.py": 3}
    assert order_files(["a.py", "b.py", "c.py", "a.py"], measured) == ["b.py", "c.py", "a.py"]


def test_files_without_a_measurement_are_estimated_by_file_or_folder():
    webhook = "tests/component/test_webhook.py"
    assert estimate_seconds(webhook, {}) == EXPECTED_SECONDS[webhook]
    assert estimate_seconds("tests/component/test_new.py", {}) == EXPECTED_SECONDS["tests/component/"]
    assert estimate_seconds("elsewhere/test_new.py", {}) == 0


@pytest.mark.parametrize("path", EXPECTED_SECONDS)
def test_estimated_files_exist(path):
    assert (ROOT / path).exists()


@pytest.fixture
def run_in_order(tmp_path: Path):
    """Runs pytest on a quick and a slow file. Returns the tests in the order in which they ran."""
    (tmp_path / "test_quick.py").write_text("def test_c(): pass\ndef test_d(): pass\n")
    (tmp_path / "test_slow.py").write_text("import time\ndef test_a(): pass\ndef test_b(): time.sleep(0.2)\n")
    (tmp_path / "pytest.ini").touch()
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}

    def run(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "pytest", "-v", "-p", "xdist", *IN_PARALLEL, "-n", "0", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return list(dict.fromkeys(re.findall(r"::(\w+)", done.stdout)))

    return run


def test_slowest_file_of_the_last_complete_run_comes_first(run_in_order):
    assert run_in_order() == ["test_c", "test_d", "test_a", "test_b"]
    assert run_in_order("-k", "test_a or test_c") == ["test_a", "test_c"]
    assert run_in_order("-n", "1") == ["test_a", "test_b", "test_c", "test_d"]


def test_order_is_kept_without_a_cache(run_in_order):
    assert run_in_order("-p", "no:cacheprovider") == ["test_c", "test_d", "test_a", "test_b"]
