"""The other end of the wake-ups: one connection that listens for all channels, and proves regularly that it can."""

import asyncio
import secrets
from collections.abc import Sequence

import psycopg
from psycopg import sql

from relay.bus.listener_state import (
    SELF_TEST_CHANNEL,
    ListenerState,
    ListenerStatus,
    ListenerTimings,
    iterate_reconnect_delays,
)
from relay.bus.waker import Waker
from relay.kit.database import Connection, Pool, configure_connection

FAILURE_HINT = "does DATABASE_URL lead to a transaction pooler?"


class PostgresListener:
    """Hears the notifications of all processes for this one's wakers. While it cannot, it hints at everybody."""

    def __init__(
        self, conninfo: str, pool: Pool, wakers: Sequence[Waker], *, timings: ListenerTimings | None = None
    ) -> None:
        self._conninfo = conninfo
        self._pool = pool
        self._times = timings or ListenerTimings()
        self._hearing = ListenerState(wakers, self._times, transport="the database", failure_hint=FAILURE_HINT)
        # Distinct for each process, and each test: what another listener says to itself is not our proof.
        self._nonce = ""
        self._proved = asyncio.Event()

    @property
    def status(self) -> ListenerStatus:
        """`listening` when hints are proved to arrive; everything else means that this process polls meanwhile."""
        return self._hearing.status

    async def run(self) -> None:
        """Listen until cancelled, whatever happens to the connection."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hearing.poll_while_disconnected())
            waits = iterate_reconnect_delays()
            while True:
                try:
                    async with await psycopg.AsyncConnection.connect(
                        self._conninfo, application_name="evconduit listen", connect_timeout=5
                    ) as connection:
                        await self._listen_on_channels(connection)
                        waits = iterate_reconnect_delays()
                        await self._receive_while_verified(connection)
                except psycopg.Error as error:
                    self._hearing.set_status("reconnecting", type(error).__name__)
                    await asyncio.sleep(next(waits))
                else:
                    await asyncio.sleep(self._times.test_interval.total_seconds())

    async def _listen_on_channels(self, connection: Connection) -> None:
        await configure_connection(connection)
        for channel in self._hearing.channels:
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))

    async def _receive_while_verified(self, connection: Connection) -> None:
        """Pass hints on for as long as our own test messages arrive; return when one did not."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            tested = await self._send_self_test()
            await self._receive_until(
                connection, deadline=started + self._times.test_timeout.total_seconds(), stop_when_verified=True
            )
            if self._proved.is_set():
                self._hearing.set_status("listening")
            elif tested:
                self._hearing.set_status("polling")
                return
            await self._receive_until(connection, deadline=started + self._times.test_interval.total_seconds())

    async def _send_self_test(self) -> bool:
        """Whether a test message left. It must leave by another connection.

        A transaction pooler hands a connection its own notification back with the answer, and no others.
        """
        self._nonce = secrets.token_hex(8)
        self._proved.clear()
        try:
            async with self._pool.connection() as connection:
                await connection.execute("select pg_notify(%s, %s)", [SELF_TEST_CHANNEL, self._nonce])
        except psycopg.Error:
            return False  # says nothing about listening
        return True

    async def _receive_until(
        self, connection: Connection, *, deadline: float, stop_when_verified: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        while (left := deadline - loop.time()) > 0 and not (stop_when_verified and self._proved.is_set()):
            # Never left early: of notifications that came together the rest would be lost.
            async for notice in connection.notifies(timeout=left, stop_after=1):
                self._handle_notification(notice)

    def _handle_notification(self, notification: psycopg.Notify) -> None:
        if notification.channel == SELF_TEST_CHANNEL:
            if notification.payload == self._nonce:
                self._proved.set()
        else:
            self._hearing.receive(notification.channel, notification.payload)
