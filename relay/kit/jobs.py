"""Delayed and slow jobs, run by procrastinate on the relay's own pool. Events and deliveries have their own queues."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, LiteralString

import procrastinate
import psycopg
from procrastinate import App, PsycopgConnector

from relay.kit.database import Connection, Pool
from relay.kit.stored_times import CLOCK_TOLERANCE

type JobHandler = Callable[..., Awaitable[None]]

log = logging.getLogger(__name__)

RETRY_STRATEGY = procrastinate.RetryStrategy(max_attempts=5, exponential_wait=5)
MAX_DELAY = timedelta(hours=1)
"""The longest delay that `defer` accepts. The longest delay of a retry is 52 minutes."""
RESCHEDULE_INTERVAL_SECONDS = 30.0

# A job that was scheduled while the clock was ahead: further ahead than any delay, or with its own creation ahead.
RESCHEDULE_FUTURE_JOBS: LiteralString = f"""
update procrastinate_jobs j set scheduled_at = now()
where j.status = 'todo' and j.scheduled_at > now()
  and (j.scheduled_at > now() + %s + {CLOCK_TOLERANCE}
       or exists (select from procrastinate_events e
                  where e.job_id = j.id and e.type = 'deferred' and e.at > now() + {CLOCK_TOLERANCE}))
"""  # noqa: S608 - our own constant


class JobQueue:
    """Procrastinate tasks by name; their arguments are keyword arguments of JSON types."""

    def __init__(self) -> None:
        self._app = App(connector=PsycopgConnector())
        self._pool: Pool | None = None

    def register(self, name: str, handler: JobHandler) -> None:
        """Register the handler of jobs called `name`. Every worker process must register the same names."""
        self._app.task(name=name, retry=RETRY_STRATEGY)(handler)

    async def open(self, pool: Pool) -> None:
        """Use the relay's pool, so that a job can be deferred inside one of the relay's transactions."""
        self._pool = pool
        await self._app.open_async(pool)

    async def defer(
        self, name: str, *, after: timedelta, connection: Connection | None = None, **arguments: Any
    ) -> None:
        """Schedule a job to run `after` a delay; with `connection`, only if that connection's transaction commits.

        Raises ValueError for a delay above MAX_DELAY.
        """
        if after > MAX_DELAY:
            raise ValueError(f"a job can't be delayed by more than {MAX_DELAY}")
        await self._app.configure_task(
            name, schedule_in={"seconds": int(after.total_seconds())}, connection=connection, allow_unknown=True
        ).defer_async(**arguments)

    async def run(self) -> None:
        """Run jobs until cancelled; jobs that are running then have five seconds to finish."""
        rescheduling = asyncio.create_task(self._run_rescheduling_loop())
        try:
            await self._app.run_worker_async(
                concurrency=4,
                install_signal_handlers=False,
                listen_notify=False,  # one more connection per process costs more than a second of delay
                fetch_job_polling_interval=1,
                shutdown_graceful_timeout=5,
                delete_jobs="successful",
            )
        finally:
            rescheduling.cancel()

    async def reschedule_future_jobs(self) -> int:
        """Run jobs now that were scheduled while the clock was ahead; returns their number. Raises psycopg.Error."""
        assert self._pool is not None  # noqa: S101 - `open` comes first
        async with self._pool.connection() as connection:
            return (await connection.execute(RESCHEDULE_FUTURE_JOBS, [MAX_DELAY])).rowcount

    async def _run_rescheduling_loop(self) -> None:
        while True:
            with contextlib.suppress(psycopg.Error):  # the next round tries again
                if count := await self.reschedule_future_jobs():
                    log.warning("jobs rescheduled after a clock correction count=%d", count)
            await asyncio.sleep(RESCHEDULE_INTERVAL_SECONDS)
