"""The other end of the wake-ups: one connection that listens for all channels, and proves regularly that it can."""

import asyncio
import secrets
from collections.abc import Sequence

import psycopg
from psycopg import sql

from relay.delivery.hearing import SELF_TEST, Hearing, ListenTimes, Status, pauses
from relay.delivery.wake import Waker
from relay.kit.database import Connection, Pool, prepare_session

SUSPECT = "does DATABASE_URL lead to a transaction pooler?"


class Listener:
    """Hears the notifications of all processes for this one's wakers. While it cannot, it hints at everybody."""

    def __init__(self, conninfo: str, pool: Pool, wakers: Sequence[Waker], *, times: ListenTimes | None = None) -> None:
        self._conninfo = conninfo
        self._pool = pool
        self._times = times or ListenTimes()
        self._hearing = Hearing(wakers, self._times, through="the database", suspect=SUSPECT)
        # Distinct for each process, and each test: what another listener says to itself is not our proof.
        self._nonce = ""
        self._proved = asyncio.Event()

    @property
    def status(self) -> Status:
        """`listening` when hints are proved to arrive; everything else means that this process polls meanwhile."""
        return self._hearing.status

    async def run(self) -> None:
        """Listen until cancelled, whatever happens to the connection."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hearing.poll_while_deaf())
            waits = pauses()
            while True:
                try:
                    async with await psycopg.AsyncConnection.connect(
                        self._conninfo, application_name="evconduit listen", connect_timeout=5
                    ) as connection:
                        await self._listen(connection)
                        waits = pauses()
                        await self._hear_while_proved(connection)
                except psycopg.Error as error:
                    self._hearing.become("reconnecting", type(error).__name__)
                    await asyncio.sleep(next(waits))
                else:
                    await asyncio.sleep(self._times.test_every.total_seconds())

    async def _listen(self, connection: Connection) -> None:
        await prepare_session(connection)
        for channel in self._hearing.channels:
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))

    async def _hear_while_proved(self, connection: Connection) -> None:
        """Pass hints on for as long as our own test messages arrive; return when one did not."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            tested = await self._send_test()
            await self._hear(
                connection, until=started + self._times.answer_within.total_seconds(), stop_when_proved=True
            )
            if self._proved.is_set():
                self._hearing.become("listening")
            elif tested:
                self._hearing.become("polling")
                return
            await self._hear(connection, until=started + self._times.test_every.total_seconds())

    async def _send_test(self) -> bool:
        """Whether a test message left. It must leave by another connection.

        A transaction pooler hands a connection its own notification back with the answer, and no others.
        """
        self._nonce = secrets.token_hex(8)
        self._proved.clear()
        try:
            async with self._pool.connection() as connection:
                await connection.execute("select pg_notify(%s, %s)", [SELF_TEST, self._nonce])
        except psycopg.Error:
            return False  # says nothing about listening
        return True

    async def _hear(self, connection: Connection, *, until: float, stop_when_proved: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while (left := until - loop.time()) > 0 and not (stop_when_proved and self._proved.is_set()):
            # Never left early: of notifications that came together the rest would be lost.
            async for notice in connection.notifies(timeout=left, stop_after=1):
                self._take(notice)

    def _take(self, notice: psycopg.Notify) -> None:
        if notice.channel == SELF_TEST:
            if notice.payload == self._nonce:
                self._proved.set()
        else:
            self._hearing.hear(notice.channel, notice.payload)
