"""Count deliveries whose signature is missing or wrong. Only the count per minute is stored, never the delivery."""

import asyncio
from typing import LiteralString

import psycopg

from relay.kit.database import Pool

FLUSH_INTERVAL_SECONDS = 5.0

ADD_FAILURES: LiteralString = """
insert into signature_failures as f (minute, count) values (date_trunc('minute', now()), %s)
on conflict (minute) do update set count = f.count + excluded.count
"""
DELETE_OLD_FAILURES: LiteralString = "delete from signature_failures where minute < now() - interval '2 days'"


class SignatureFailureCounter:
    """Counts in memory and writes every few seconds, so that many forged deliveries cost one row a minute."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._count = 0
        self._has_unwritten = asyncio.Event()

    def increment(self) -> None:
        """Count one failure, in memory only."""
        self._count += 1
        self._has_unwritten.set()

    async def flush(self) -> None:
        """Write what was counted since the last flush. Raises psycopg.Error and keeps the count."""
        count, self._count = self._count, 0
        if not count:
            return
        try:
            async with self._pool.connection() as connection:
                await connection.execute(ADD_FAILURES, [count])
                await connection.execute(DELETE_OLD_FAILURES)
        except psycopg.Error:
            self._count += count
            raise

    async def run(self) -> None:
        """Write new counts until cancelled."""
        while True:
            await self._has_unwritten.wait()
            self._has_unwritten.clear()
            await self.flush()
            await asyncio.sleep(FLUSH_INTERVAL_SECONDS)
