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
2026-11-23 21:32:07.000 INFO (MainThread) [custom_components.evconduit] Connected
"""


def log_with_entry(text: str) -> str:
    return f"{LOG}2026-11-23 21:32:09.538 {text}\n"


def test_normal_start_has_no_problems():
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
def test_errors_of_the_integration_and_core_are_problems(text):
    assert find_problems(log_with_entry(text)) == [f"2026-11-23 21:32:09.538 {text.splitlines()[0]}"]


async def passes(_context) -> str:
    return "measured"


async def skips(_context) -> str:
    raise CheckSkippedError("Chromium is not installed")


async def fails(_context) -> str:
    raise CheckFailedError("expected on, saw off")


async def raises_key_error(_context) -> str:
    raise KeyError("vehicle")


@pytest.fixture
def context(supervisor) -> SimpleNamespace:
    return SimpleNamespace(world=SimpleNamespace(supervisor=supervisor))


@pytest.fixture
def use_checks(monkeypatch):
    def put(*checks) -> None:
        monkeypatch.setattr(report, "CHECKS", tuple(Check(title=check.__name__, run=check) for check in checks))

    return put


async def test_skipped_check_is_listed_and_is_not_a_failure(use_checks, context):
    use_checks(passes, skips)
    results = await run_checks(context, Console(io.StringIO()))
    assert not has_failed(results)
    assert re.search(r"1  passes +ok +0\.0 s  measured", render_table(results))
    assert re.search(r"2  skips +skipped +0\.0 s  Chromium is not installed", render_table(results))


@pytest.mark.parametrize(
    ("check", "note"), [(fails, "expected on, saw off"), (raises_key_error, "KeyError: 'vehicle'")]
)
async def test_first_failure_stops_the_checks_and_the_rest_is_listed(use_checks, context, check, note):
    use_checks(passes, check, passes)
    results = await run_checks(context, Console(io.StringIO()))
    assert has_failed(results)
    assert [result.verdict for result in results] == ["ok", "FAILED"]
    assert note in render_table(results)
    assert re.search(r"3  passes +not run", render_table(results))
