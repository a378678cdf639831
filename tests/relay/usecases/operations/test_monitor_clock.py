"""The clock monitor on a real database: a jump is logged once, and what it left behind is corrected."""

import logging
import time
from datetime import timedelta

import pytest

from relay.kit.clock_jump import ClockJumpDetector
from relay.usecases.operations.monitor_clock import CHECK_INTERVAL_SECONDS, CORRECTION_INTERVAL, ClockMonitor


class Clock:
    """A wall clock that a test can set."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def monitor(pool, clock):
    return ClockMonitor(pool, wall_clock=clock)


def list_lines(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
async def health_row(pipeline):
    await pipeline.execute("insert into enode_health (account_id, since) values ('ours', now() + interval '1 day')")


async def is_corrected(pipeline):
    [row] = await pipeline.execute("select since <= now() as is_corrected from enode_health")
    return row["is_corrected"]


@pytest.mark.usefixtures("health_row")
async def test_times_in_the_future_are_corrected_at_the_start(pipeline, monitor):
    await monitor.check()
    assert await is_corrected(pipeline)


@pytest.mark.parametrize(("seconds", "shown"), [(-86_400, "-86400"), (5400, "+5400")])
async def test_jump_is_logged_once_and_times_are_corrected(pipeline, monitor, clock, *, caplog, seconds, shown):
    await monitor.check()
    await pipeline.execute("insert into enode_health (account_id, since) values ('ours', now() + interval '1 day')")
    await monitor.check()
    assert (list_lines(caplog), await is_corrected(pipeline)) == ([], False)
    clock.ahead += seconds
    await monitor.check()
    await monitor.check()
    lines = list_lines(caplog)
    assert lines[0] in {f"clock was set by_seconds={shown[0]}{int(shown[1:]) + delta}" for delta in (-1, 0, 1)}
    assert lines[1:] == ["stored times in the future corrected rows=enode_health:1"]
    assert await is_corrected(pipeline)


async def test_times_are_corrected_again_every_hour(pipeline, monitor):
    await monitor.check()
    await pipeline.execute("insert into enode_health (account_id, since) values ('ours', now() + interval '1 day')")
    checks = int(CORRECTION_INTERVAL.total_seconds() / CHECK_INTERVAL_SECONDS)
    for _ in range(checks - 1):
        await monitor.check()
    assert not await is_corrected(pipeline)
    await monitor.check()
    assert await is_corrected(pipeline)


def test_detector_reports_each_jump_once_and_ignores_small_steps():
    uptime = [100.0]
    detector = ClockJumpDetector(uptime=lambda: uptime[0])
    readings = [(1000, 0), (1005, 5), (1014, 5), (1000 + 29, 15), (2029, 15), (2034, 5), (1034, 5)]
    jumps = []
    for wall, elapsed in readings:
        uptime[0] += elapsed
        jumps.append(detector.measure(wall))
    assert jumps == [None, None, None, None, timedelta(seconds=985), None, timedelta(seconds=-1005)]
