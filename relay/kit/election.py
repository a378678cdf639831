"""Work that must happen once in a cluster: whoever holds a lock in the database does it, and its death frees the lock.

The lock is a session's advisory lock, so it needs a connection of its own that lives as long as the work does; behind a
transaction pooler there is none (docs/operations.md names the connections that will do).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import psycopg

from relay.kit.database import prepare_session
from relay.kit.supervise import background

log = logging.getLogger(__name__)

LOCK = 0x45564C44  # "EVLD": the leader of this database's processes
ASK_EVERY = 2.0
"""Seconds between tries to become the leader, and between looks whether the lock is still ours."""
ANSWER_WITHIN = 10.0

# A leader whose machine has vanished must not hold the lock until TCP gives up by itself. Ignored on a unix socket.
NOTICE_DEATH = """
select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false)
"""

type Work = Mapping[str, Callable[[], Awaitable[object]]]


class Election:
    """This process as a candidate. While it leads it does `work`; the others stand by and take over within seconds."""

    def __init__(self, conninfo: str, work: Work, *, ask_every: float = ASK_EVERY) -> None:
        self._conninfo = conninfo
        self._work = work
        self._ask_every = ask_every
        self._leads = False

    @property
    def leads(self) -> bool:
        """Whether this process does the work now."""
        return self._leads

    async def run(self) -> None:
        """Stand until cancelled. A connection that breaks costs the lead; what was under way is cancelled."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._conninfo, application_name="evconduit leader", connect_timeout=5
                ) as connection:
                    await prepare_session(connection)
                    await connection.execute(NOTICE_DEATH)
                    await self._stand(connection)
            except (psycopg.Error, TimeoutError) as error:
                log.warning("the election's connection is lost (%s): standing again", type(error).__name__)
            await asyncio.sleep(self._ask_every)

    async def _stand(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while not await _take(connection):  # noqa: ASYNC110 - another process sets no event for us
            await asyncio.sleep(self._ask_every)
        log.info("this process leads: it does what is done once")
        self._leads = True
        try:
            async with background(dict(self._work)):
                while True:
                    await asyncio.sleep(self._ask_every)
                    async with asyncio.timeout(ANSWER_WITHIN):  # a host that has vanished says nothing at all
                        await connection.execute("select 1")  # raises when the lock went with its session
        finally:
            self._leads = False


async def _take(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> bool:
    row = await (await connection.execute("select pg_try_advisory_lock(%s)", [LOCK])).fetchone()
    return bool(row and row[0])
