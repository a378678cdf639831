"""Leader election for singleton jobs: the process that holds a database lock runs them; its death frees the lock.

The lock is a session-level advisory lock, so it needs its own connection for as long as the jobs run. A transaction
pooler can't provide one (docs/self-hosting.md names the connections that work).
"""

import asyncio
import logging

import psycopg

from relay.kit.background import BackgroundLoops, run_in_background
from relay.kit.database import configure_connection

log = logging.getLogger(__name__)

LEADER_LOCK_ID = 0x45564C44  # "EVLD": the leader of this database's processes
CHECK_INTERVAL_SECONDS = 2.0
"""Seconds between attempts to become the leader, and between checks that this process still holds the lock."""
CHECK_TIMEOUT_SECONDS = 10.0

# Without keepalives, a leader whose machine has vanished would hold the lock until TCP gives up on its own.
# PostgreSQL ignores them on a unix socket.
SET_TCP_KEEPALIVES = """
select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false)
"""


class LeaderElection:
    """This process as a candidate. The leader runs `loops`; another process takes over within seconds of its death."""

    def __init__(
        self, conninfo: str, loops: BackgroundLoops, *, check_interval: float = CHECK_INTERVAL_SECONDS
    ) -> None:
        self._conninfo = conninfo
        self._loops = loops
        self._check_interval = check_interval
        self._is_leader = False

    @property
    def is_leader(self) -> bool:
        """Whether this process is the leader now."""
        return self._is_leader

    async def run(self) -> None:
        """Take part until cancelled. A broken connection ends the leadership, and `loops` are cancelled."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._conninfo, application_name="evconduit leader", connect_timeout=5
                ) as connection:
                    await configure_connection(connection)
                    await connection.execute(SET_TCP_KEEPALIVES)
                    await self._wait_and_lead(connection)
            except (psycopg.Error, TimeoutError) as error:
                log.warning("leader election connection lost error=%s", type(error).__name__)
            await asyncio.sleep(self._check_interval)

    async def _wait_and_lead(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while not await _try_acquire_lock(connection):  # noqa: ASYNC110 - another process can't set an event here
            await asyncio.sleep(self._check_interval)
        log.info("this process is now the leader and runs the singleton jobs")
        self._is_leader = True
        try:
            async with run_in_background(self._loops):
                while True:
                    await asyncio.sleep(self._check_interval)
                    async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):  # a vanished host sends no error
                        await connection.execute("select 1")  # raises if the session, and with it the lock, is gone
        finally:
            self._is_leader = False


async def _try_acquire_lock(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> bool:
    row = await (await connection.execute("select pg_try_advisory_lock(%s)", [LEADER_LOCK_ID])).fetchone()
    return bool(row and row[0])
