"""The other end of the wake-ups: one connection that listens for all channels, and proves regularly that it can."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, repeat
from typing import Literal

import psycopg
from psycopg import sql

from relay.delivery.wake import Waker
from relay.kit.database import Connection, Pool, prepare_session

log = logging.getLogger(__name__)

SELF_TEST = "evconduit_self_test"
PAUSES = (0.2, 0.5, 1, 2, 5, 10)
"""Seconds before each attempt to reconnect; the last one repeats."""

type Status = Literal["starting", "listening", "polling", "reconnecting"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListenTimes:
    """How often to test the connection, how long the test may take, how often to look while hints do not come."""

    test_every: timedelta = timedelta(seconds=30)
    answer_within: timedelta = timedelta(seconds=3)
    poll_every: timedelta = timedelta(seconds=1)


class Listener:
    """Hears the notifications of all processes for this one's wakers. While it cannot, it hints at everybody."""

    def __init__(self, conninfo: str, pool: Pool, wakers: Sequence[Waker], *, times: ListenTimes | None = None) -> None:
        self._conninfo = conninfo
        self._pool = pool
        self._wakers = {waker.channel: waker for waker in wakers}
        self._times = times or ListenTimes()
        # Distinct for each process, and each test: what another listener says to itself is not our proof.
        self._nonce = ""
        self._proved = asyncio.Event()
        self._status: Status = "starting"

    @property
    def status(self) -> Status:
        """`listening` when hints are proved to arrive; everything else means that this process polls meanwhile."""
        return self._status

    async def run(self) -> None:
        """Listen until cancelled, whatever happens to the connection."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll_while_deaf())
            pauses = self._pauses()
            while True:
                try:
                    async with await psycopg.AsyncConnection.connect(
                        self._conninfo, application_name="evconduit listen", connect_timeout=5
                    ) as connection:
                        await self._listen(connection)
                        pauses = self._pauses()
                        await self._hear_while_proved(connection)
                except psycopg.Error as error:
                    self._become("reconnecting", type(error).__name__)
                    await asyncio.sleep(next(pauses))
                else:
                    await asyncio.sleep(self._times.test_every.total_seconds())

    @staticmethod
    def _pauses() -> chain[float]:
        return chain(PAUSES, repeat(PAUSES[-1]))

    async def _listen(self, connection: Connection) -> None:
        await prepare_session(connection)
        for channel in (SELF_TEST, *self._wakers):
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
                self._become("listening")
            elif tested:
                self._become("polling")
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
        elif notice.payload:
            self._wakers[notice.channel].hear(notice.payload)

    async def _poll_while_deaf(self) -> None:
        while True:
            await asyncio.sleep(self._times.poll_every.total_seconds())
            if self._status != "listening":
                self._hint_at_everybody()

    def _hint_at_everybody(self) -> None:
        for waker in self._wakers.values():
            waker.tell(None)

    def _become(self, status: Status, cause: str = "") -> None:
        if status == self._status:
            return
        self._status = status
        match status:
            case "listening":
                log.info("wake-ups arrive through the database")
                self._hint_at_everybody()  # of what was said while nobody listened
            case "polling":
                log.warning(
                    "wake-ups do not arrive through the database (does DATABASE_URL lead to a transaction pooler?): "
                    "looking every %.3g s instead",
                    self._times.poll_every.total_seconds(),
                )
            case _:
                log.warning("the connection for wake-ups is lost (%s): connecting again", cause)
