"""Taking turns at asking Enode for news: one at a time for each row, across all processes, and not too often."""

from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from relay.kit.database import Pool


class RefreshThrottle:
    """Turns of the rows of one table with a column `refreshed_at`. `every` is how often a row has one."""

    def __init__(self, table: LiteralString, interval: timedelta) -> None:
        self.interval = interval
        # Who comes second waits for the row and then finds it taken; its select still sees the row as it was before.
        self._acquire_statement: LiteralString = f"""
        with claimed as (
            update {table} set refreshed_at = clock_timestamp()
            where id = %(id)s and (refreshed_at is null or refreshed_at <= clock_timestamp() - %(every)s)
            returning refreshed_at
        )
        select refreshed_at, true from claimed
        union all
        select coalesce(refreshed_at, clock_timestamp()), false from {table}
        where id = %(id)s and not exists (select from claimed)
        """  # noqa: S608 - a literal of ours (LiteralString holds us to it)
        self._release_statement: LiteralString = f"""
        update {table} set refreshed_at = null where id = %s and refreshed_at = %s
        """  # noqa: S608 - as above

    async def try_acquire(self, pool: Pool, row_id: UUID) -> tuple[datetime, bool] | None:
        """When the row last had its turn, and whether that is this one. None for a row that is not there."""
        async with pool.connection() as connection:
            row: Any = await (
                await connection.execute(self._acquire_statement, {"id": row_id, "every": self.interval})
            ).fetchone()
        return None if row is None else (row[0], row[1])

    async def release(self, pool: Pool, row_id: UUID, acquired_at: datetime) -> None:
        """Enode was not reached: nobody has to wait for that."""
        async with pool.connection() as connection:
            await connection.execute(self._release_statement, [row_id, acquired_at])
