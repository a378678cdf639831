"""Detect a clock that was set, log it, and correct the times that were stored while it was ahead."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import scalar_row

from relay.kit.clock_jump import ClockJumpDetector
from relay.kit.database import Pool, fetch_one
from relay.usecases.operations.correct_stored_times import correct_stored_times

log = logging.getLogger(__name__)

CHECK_INTERVAL_SECONDS = 5.0
CORRECTION_INTERVAL = timedelta(hours=1)
"""Times are also corrected at the start, because a clock is often set while the relay isn't running, and regularly."""
READ_CLOCK: LiteralString = "select clock_timestamp()"


class ClockMonitor:
    """Monitors the clocks of this process and of the database, which may run on another machine."""

    def __init__(self, pool: Pool, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._pool = pool
        self._wall_clock = wall_clock
        self._process_jumps, self._database_jumps = ClockJumpDetector(), ClockJumpDetector()
        self._checks_to_correction = 0

    async def run(self) -> None:
        """Monitor until cancelled. While the database is down, the next check makes up for a failed one."""
        while True:
            try:
                await self.check()
            except psycopg.Error as error:
                log.warning("clock check failed error=%s", type(error).__name__)
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)

    async def check(self) -> None:
        """Log a jump of either clock in one line, and correct stored times when one is due. Raises psycopg.Error."""
        async with self._pool.connection() as connection:
            database_time: datetime | None = await fetch_one(connection, READ_CLOCK, [], scalar_row)
            assert database_time is not None  # noqa: S101 - the statement returns one row
            database_jump = self._database_jumps.measure(database_time.timestamp())
            jump = database_jump or self._process_jumps.measure(self._wall_clock())
            if database_jump is not None:
                self._process_jumps.measure(self._wall_clock())  # usually the same clock: one line for both
            if jump is not None:
                log.warning("clock was set by_seconds=%+.0f", jump.total_seconds())
            if jump is not None or self._checks_to_correction == 0:
                self._checks_to_correction = int(CORRECTION_INTERVAL.total_seconds() / CHECK_INTERVAL_SECONDS)
                await correct_stored_times(connection)
            self._checks_to_correction -= 1
