"""Delayed and slow jobs, run by procrastinate on the relay's own pool. Events and deliveries have their own queues."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import procrastinate
from procrastinate import App, PsycopgConnector

from relay.kit.database import Connection, Pool

type JobHandler = Callable[..., Awaitable[None]]

log = logging.getLogger(__name__)

RETRY_STRATEGY = procrastinate.RetryStrategy(max_attempts=5, exponential_wait=5)


class JobQueue:
    """Procrastinate tasks by name; their arguments are keyword arguments of JSON types."""

    def __init__(self) -> None:
        self._app = App(connector=PsycopgConnector())

    def register(self, name: str, handler: JobHandler) -> None:
        """Register the handler of jobs called `name`. Every worker process must register the same names."""
        self._app.task(name=name, retry=RETRY_STRATEGY)(handler)

    async def open(self, pool: Pool) -> None:
        """Use the relay's pool, so that a job can be deferred inside one of the relay's transactions."""
        await self._app.open_async(pool)

    async def defer(
        self, name: str, *, after: timedelta, connection: Connection | None = None, **arguments: Any
    ) -> None:
        """Schedule a job to run `after` a delay; with `connection`, only if that connection's transaction commits."""
        await self._app.configure_task(
            name, schedule_in={"seconds": int(after.total_seconds())}, connection=connection, allow_unknown=True
        ).defer_async(**arguments)

    async def run(self) -> None:
        """Run jobs until cancelled; jobs that are running then have five seconds to finish."""
        await self._app.run_worker_async(
            concurrency=4,
            install_signal_handlers=False,
            listen_notify=False,  # one more connection per process costs more than a second of delay
            fetch_job_polling_interval=1,
            shutdown_graceful_timeout=5,
            delete_jobs="successful",
        )
