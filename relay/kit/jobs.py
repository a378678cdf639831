"""Timers and slow jobs, carried by procrastinate in the relay's own pool. Events and pushes have their own queues."""

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
    """Tasks by name, what is known of them given as keyword arguments of JSON types."""

    def __init__(self) -> None:
        self._app = App(connector=PsycopgConnector())

    def register(self, name: str, handler: JobHandler) -> None:
        """Let this process do jobs called `name`. Every process that works must add the same tasks."""
        self._app.task(name=name, retry=RETRY_STRATEGY)(handler)

    async def open(self, pool: Pool) -> None:
        """Use the relay's pool, so that a job can be deferred inside a transaction of ours."""
        await self._app.open_async(pool)

    async def defer(
        self, name: str, *, after: timedelta, connection: Connection | None = None, **arguments: Any
    ) -> None:
        """Have `name` done in a while; with `connection`, only if its transaction commits."""
        await self._app.configure_task(
            name, schedule_in={"seconds": int(after.total_seconds())}, connection=connection, allow_unknown=True
        ).defer_async(**arguments)

    async def run(self) -> None:
        """Do jobs until cancelled. What was begun is finished first, for up to five seconds."""
        await self._app.run_worker_async(
            concurrency=4,
            install_signal_handlers=False,
            listen_notify=False,  # timers are not urgent; a connection more per process is
            fetch_job_polling_interval=1,
            shutdown_graceful_timeout=5,
            delete_jobs="successful",
        )
