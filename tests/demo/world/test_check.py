import io
import re
from types import SimpleNamespace

import pytest

from demo.world.check import report
from demo.world.check.context import CheckFailedError, CheckSkippedError
from demo.world.check.health import find_problems
from demo.world.check.report import Check, has_failed, render_table, run_checks
from demo.world.console import Console

LOG = """\
a line before the first entry
2026-11-23 21:32:05.129 WARNING (MainThread) [homeassistant.bootstrap] Skipping pip installation of required modules. x
2026-11-23 21:32:05.995 ERROR (MainThread) [haffmpeg.core] FFmpeg fails [Errno 2] No such file or directory: 'ffmpeg'
Traceback (most recent call last):
  File "/home/somebody/.cache/evconduit/python/lib/python3.14/asyncio/base_events.py", line 1, in run
FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'
2026-11-23 21:32:06.000 WARNING (SyncWorker_0) [homeassistant.loader] We found a custom integration evconduit which \
has not been tested by Home Assistant. This component might cause stability problems
2026-11-23 21:32:07.000 INFO (MainThread) [custom_components.evconduit] Connected: the relay tells changes
"""


def log_with_entry(text: str) -> str:
    return f"{LOG}2026-11-23 21:32:09.538 {text}\n"


def test_the_noise_of_a_good_start_is_no_complaint():
    assert find_problems(LOG) == []
    assert find_problems("") == []


@pytest.mark.parametrize(
    "text",
    [
        "WARNING (MainThread) [custom_components.evconduit] Something is odd",
        "ERROR (MainThread) [homeassistant.core] Exception in x\nTraceback\n  custom_components/evconduit/sensor.py",
        "ERROR (MainThread) [homeassistant.setup] Setup failed for 'assist_pipeline': Unable to import component",
        "ERROR (MainThread) [homeassistant.components.websocket_api.http.connection] [1396] Error handling message",
    ],
)
def test_errors_of_ours_and_of_the_core_are_complaints(text):
    assert find_problems(log_with_entry(text)) == [f"2026-11-23 21:32:09.538 {text.splitlines()[0]}"]


async def passes(_bench) -> str:
    return "measured"


async def skips(_bench) -> str:
    raise CheckSkippedError("there is no Chromium here")


async def fails(_bench) -> str:
    raise CheckFailedError("expected on, saw off")


async def raises_key_error(_bench) -> str:
    raise KeyError("vehicle")


@pytest.fixture
def bench(supervisor) -> SimpleNamespace:
    return SimpleNamespace(world=SimpleNamespace(supervisor=supervisor))


@pytest.fixture
def rows(monkeypatch):
    def put(*proofs) -> None:
        monkeypatch.setattr(report, "CHECKS", tuple(Check(title=it.__name__, run=it) for it in proofs))

    return put


async def test_all_rows_are_told_and_a_skipped_one_is_no_failure(rows, bench):
    rows(passes, skips)
    results = await run_checks(bench, Console(io.StringIO()))
    assert not has_failed(results)
    assert re.search(r"1  passes +ok +0\.0 s  measured", render_table(results))
    assert re.search(r"2  skips +skipped +0\.0 s  there is no Chromium here", render_table(results))


@pytest.mark.parametrize(
    ("proof", "told"), [(fails, "expected on, saw off"), (raises_key_error, "KeyError: 'vehicle'")]
)
async def test_the_first_failure_ends_the_check_and_the_rest_is_named(rows, bench, proof, told):
    rows(passes, proof, passes)
    results = await run_checks(bench, Console(io.StringIO()))
    assert has_failed(results)
    assert [it.verdict for it in results] == ["ok", "FAILED"]
    assert told in render_table(results)
    assert re.search(r"3  passes +not run", render_table(results))
