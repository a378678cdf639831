"""How often a signature was missing or wrong. Counted, not kept: a stranger's bytes are worth no row of ours."""

import asyncio
from typing import LiteralString

import psycopg

from relay.kit.database import Pool

WRITE_EVERY_SECONDS = 5.0

ADD: LiteralString = """
insert into signature_failures as f (minute, count) values (date_trunc('minute', now()), %s)
on conflict (minute) do update set count = f.count + excluded.count
"""
FORGET: LiteralString = "delete from signature_failures where minute < now() - interval '2 days'"


class SignatureFailures:
    """One process's count. Written every few seconds, so that a flood of forgeries is one row a minute."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._count = 0
        self._some = asyncio.Event()

    def add(self) -> None:
        """One more. Costs the caller nothing."""
        self._count += 1
        self._some.set()

    async def write(self) -> None:
        """Put down what was counted since the last time. Raises psycopg.Error, and counts on."""
        count, self._count = self._count, 0
        if not count:
            return
        try:
            async with self._pool.connection() as connection:
                await connection.execute(ADD, [count])
                await connection.execute(FORGET)
        except psycopg.Error:
            self._count += count
            raise

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            await self.write()
            await asyncio.sleep(WRITE_EVERY_SECONDS)
