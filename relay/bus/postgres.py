"""Receive wake-ups by PostgreSQL LISTEN: one connection for all channels, with a regular self-test."""

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
    """Receives the hints of all processes for this one's wakers. While it can't, it notifies them of all users."""

    def __init__(
        self, conninfo: str, pool: Pool, wakers: Sequence[Waker], *, timings: ListenerTimings | None = None
    ) -> None:
        self._conninfo = conninfo
        self._pool = pool
        self._timings = timings or ListenerTimings()
        self._state = ListenerState(wakers, self._timings, transport="postgres", failure_hint=FAILURE_HINT)
        # New for each test, so that the self-test of another process isn't taken for ours.
        self._nonce = ""
        self._self_test_received = asyncio.Event()

    @property
    def status(self) -> ListenerStatus:
        """`listening` while self-tests prove that hints arrive; with any other status this process polls."""
        return self._state.status

    async def run(self) -> None:
        """Listen until cancelled, and reconnect whenever the connection is lost."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._state.poll_while_disconnected())
            delays = iterate_reconnect_delays()
            while True:
                try:
                    async with await psycopg.AsyncConnection.connect(
                        self._conninfo, application_name="evconduit listen", connect_timeout=5
                    ) as connection:
                        await self._listen_on_channels(connection)
                        delays = iterate_reconnect_delays()
                        await self._receive_while_verified(connection)
                # A database without an encoding (SQL_ASCII) delivers any bytes, which psycopg can't decode.
                except (psycopg.Error, UnicodeError) as error:
                    self._state.set_status("reconnecting", type(error).__name__)
                    await asyncio.sleep(next(delays))
                else:
                    await asyncio.sleep(self._timings.test_interval.total_seconds())

    async def _listen_on_channels(self, connection: Connection) -> None:
        await configure_connection(connection)
        for channel in self._state.channels:
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))

    async def _receive_while_verified(self, connection: Connection) -> None:
        """Pass hints on for as long as our self-tests arrive; return when one has not."""
        loop = asyncio.get_running_loop()
        while True:
            started_at = loop.time()
            is_sent = await self._send_self_test()
            await self._receive_until(
                connection, deadline=started_at + self._timings.test_timeout.total_seconds(), stop_when_verified=True
            )
            if self._self_test_received.is_set():
                self._state.set_status("listening")
            elif is_sent:
                self._state.set_status("polling")
                return
            await self._receive_until(connection, deadline=started_at + self._timings.test_interval.total_seconds())

    async def _send_self_test(self) -> bool:
        """Send a self-test over another connection than the listening one; returns whether it was sent.

        Over its own connection the test would prove nothing: behind a transaction pooler a connection still receives
        its own notifications, with the result of the statement, but no others.
        """
        self._nonce = secrets.token_hex(8)
        self._self_test_received.clear()
        try:
            async with self._pool.connection() as connection:
                await connection.execute("select pg_notify(%s, %s)", [SELF_TEST_CHANNEL, self._nonce])
        except psycopg.Error:
            return False  # the pool failed, which proves nothing about the listening connection
        return True

    async def _receive_until(
        self, connection: Connection, *, deadline: float, stop_when_verified: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        while (remaining := deadline - loop.time()) > 0 and not (
            stop_when_verified and self._self_test_received.is_set()
        ):
            # Don't leave this loop with `break`: the rest of the notifications that arrived together would be lost.
            async for notification in connection.notifies(timeout=remaining, stop_after=1):
                self._handle_notification(notification)

    def _handle_notification(self, notification: psycopg.Notify) -> None:
        if notification.channel == SELF_TEST_CHANNEL:
            if notification.payload == self._nonce:
                self._self_test_received.set()
        else:
            self._state.receive(notification.channel, notification.payload)
