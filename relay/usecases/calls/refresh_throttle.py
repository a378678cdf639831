"""Throttle of refreshes from Enode: at most one per row and interval, across all processes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.kit.database import Pool, fetch_one
from relay.kit.throttle import interval_has_passed


@dataclass(frozen=True, kw_only=True, slots=True)
class _Acquisition:
    refreshed_at: datetime
    acquired: bool


class RefreshThrottle:
    """Throttles refreshes of the rows of `table`, which has a column `refreshed_at`, to one per row and `interval`."""

    def __init__(self, table: LiteralString, interval: timedelta) -> None:
        self.interval = interval
        # A concurrent second caller waits for the row lock and then updates nothing; its select sees the row as it was
        # when its statement began, hence the coalesce.
        self._acquire_statement: LiteralString = f"""
        with claimed as (
            update {table} set refreshed_at = clock_timestamp()
            where id = %(id)s and {interval_has_passed("refreshed_at")}
            returning refreshed_at
        )
        select refreshed_at, true as acquired from claimed
        union all
        select coalesce(refreshed_at, clock_timestamp()), false from {table}
        where id = %(id)s and not exists (select from claimed)
        """  # noqa: S608 - our own literal (LiteralString enforces it)
        self._release_statement: LiteralString = f"""
        update {table} set refreshed_at = null where id = %s and refreshed_at = %s
        """  # noqa: S608 - our own literal (LiteralString enforces it)

    async def try_acquire(self, pool: Pool, row_id: UUID) -> tuple[datetime, bool] | None:
        """Return when the row was last refreshed, and whether this call acquired that refresh. None if no such row."""
        parameters = {"id": row_id, "interval": self.interval}
        async with pool.connection() as connection:
            row = await fetch_one(connection, self._acquire_statement, parameters, class_row(_Acquisition))
        return None if row is None else (row.refreshed_at, row.acquired)

    async def release(self, pool: Pool, row_id: UUID, acquired_at: datetime) -> None:
        """Undo an acquisition whose refresh failed, so that the next one need not wait."""
        async with pool.connection() as connection:
            await connection.execute(self._release_statement, [row_id, acquired_at])
