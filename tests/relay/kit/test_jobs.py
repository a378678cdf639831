"""Jobs on a real database: how long they may be delayed, and what happens to those of a clock that was ahead."""

from datetime import timedelta

import pytest

from relay.kit.jobs import MAX_DELAY, JobQueue


@pytest.fixture
async def jobs(pool):
    async def handle(**_arguments):
        raise AssertionError("not run in these tests")

    queue = JobQueue()
    queue.register("check", handle)
    await queue.open(pool)
    return queue


async def fetch(pool, statement):
    async with pool.connection() as connection:
        return await (await connection.execute(statement)).fetchall()


async def set_clock_ahead(pool, interval, *, with_events=True):
    """Move the job's times, as if it had been scheduled while the clock was ahead."""
    async with pool.connection() as connection:
        await connection.execute(f"update procrastinate_jobs set scheduled_at = scheduled_at + interval '{interval}'")
        if with_events:
            await connection.execute(f"update procrastinate_events set at = at + interval '{interval}'")


@pytest.mark.parametrize(
    ("ahead", "with_events", "expected"),
    [("0 s", True, 0), ("30 s", True, 0), ("2 min", True, 1), ("1 day", True, 1), ("1 day", False, 1)],
)
async def test_job_that_was_scheduled_while_the_clock_was_ahead_runs_now(pool, jobs, ahead, with_events, expected):
    await jobs.defer("check", after=timedelta(minutes=25))
    await set_clock_ahead(pool, ahead, with_events=with_events)
    assert await jobs.reschedule_future_jobs() == expected
    [(is_due,)] = await fetch(pool, "select scheduled_at <= now() from procrastinate_jobs")
    assert is_due is (expected == 1)
    assert await jobs.reschedule_future_jobs() == 0


async def test_delays_are_bounded(jobs):
    await jobs.defer("check", after=MAX_DELAY)
    assert await jobs.reschedule_future_jobs() == 0
    with pytest.raises(ValueError, match="can't be delayed"):
        await jobs.defer("check", after=MAX_DELAY + timedelta(seconds=1))
