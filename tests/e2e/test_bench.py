"""Every benchmark runs. `scripts/bench` judges the figures on request; CI does not, as its timing is unreliable."""

import subprocess
import sys

import pytest

from tests.bench.__main__ import BENCHMARKS

# A run with `--full` takes some 60 s on two cores. The limit catches a benchmark that hangs, not a slow machine.
TIMEOUT_SECONDS = 400


@pytest.mark.timeout(TIMEOUT_SECONDS + 20)
def test_every_benchmark_runs(full_run):
    command = [sys.executable, "-P", "-m", "tests.bench", "--quick" if full_run else "--smoke"]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    started = [line.removeprefix("==> ") for line in completed.stdout.splitlines() if line.startswith("==> ")]
    assert started == list(BENCHMARKS)
