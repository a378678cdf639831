"""Work that must happen once in a cluster: whoever holds a lock in the database does it, and its death frees the lock.

The lock is a session's advisory lock, so it needs a connection of its own that lives as long as the work does; behind a
transaction pooler there is none (docs/self-hosting.md names the connections that will do).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import psycopg

from relay.kit.background import run_in_background
from relay.kit.database import configure_connection

log = logging.getLogger(__name__)

LEADER_LOCK_ID = 0x45564C44  # "EVLD": the leader of this database's processes
CHECK_INTERVAL_SECONDS = 2.0
"""Seconds between tries to become the leader, and between looks whether the lock is still ours."""
CHECK_TIMEOUT_SECONDS = 10.0

# A leader whose machine has vanished must not hold the lock until TCP gives up by itself. Ignored on a unix socket.
SET_TCP_KEEPALIVES = """
select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false)
"""

type BackgroundLoops = Mapping[str, Callable[[], Awaitable[object]]]


class LeaderElection:
    """This process as a candidate. While it leads it does `work`; the others stand by and take over within seconds."""

    def __init__(
        self, conninfo: str, loops: BackgroundLoops, *, check_interval: float = CHECK_INTERVAL_SECONDS
    ) -> None:
        self._conninfo = conninfo
        self._loops = loops
        self._check_interval = check_interval
        self._is_leader = False

    @property
    def is_leader(self) -> bool:
        """Whether this process does the work now."""
        return self._is_leader

    async def run(self) -> None:
        """Stand until cancelled. A connection that breaks costs the lead; what was under way is cancelled."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._conninfo, application_name="evconduit leader", connect_timeout=5
                ) as connection:
                    await configure_connection(connection)
                    await connection.execute(SET_TCP_KEEPALIVES)
                    await self._wait_and_lead(connection)
            except (psycopg.Error, TimeoutError) as error:
                log.warning("the election's connection is lost (%s): standing again", type(error).__name__)
            await asyncio.sleep(self._check_interval)

    async def _wait_and_lead(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while not await _try_acquire_lock(connection):  # noqa: ASYNC110 - another process sets no event for us
            await asyncio.sleep(self._check_interval)
        log.info("this process leads: it does what is done once")
        self._is_leader = True
        try:
            async with run_in_background(dict(self._loops)):
                while True:
                    await asyncio.sleep(self._check_interval)
                    async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):  # a host that has vanished says nothing at all
                        await connection.execute("select 1")  # raises when the lock went with its session
        finally:
            self._is_leader = False


async def _try_acquire_lock(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> bool:
    row = await (await connection.execute("select pg_try_advisory_lock(%s)", [LEADER_LOCK_ID])).fetchone()
    return bool(row and row[0])
