"""PostgreSQL connections under the relay's own role, and helpers for plain SQL.

Queries live beside the code that uses them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import AsyncRowFactory
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from relay.kit.errors import OperatorError

RELAY_ROLE = "evconduit_relay"

type Connection = psycopg.AsyncConnection[tuple[object, ...]]
type SyncConnection = psycopg.Connection[tuple[object, ...]]
type Pool = AsyncConnectionPool[Connection]
type Parameters = Sequence[Any] | Mapping[str, Any]

# The relay's statements are short. One that runs for long is stuck and must not keep holding a user's row lock.
SET_CONNECTION_OPTIONS = """
select set_config('statement_timeout', '15s', false), set_config('lock_timeout', '5s', false),
       set_config('idle_in_transaction_session_timeout', '30s', false), set_config('timezone', 'UTC', false),
       set_config('search_path', 'evconduit, procrastinate', false)
"""
CONNECTION_SQLSTATES = frozenset({"08", "53", "57"})
"""SQLSTATE classes of a database that is gone: connection, resources, operator intervention."""
REMOVE_TIMEOUTS = """
select set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '0', false)
"""


async def configure_connection(connection: Connection) -> None:
    """Set the relay's role, search path and timeouts on a new connection, which loses the owner's rights by that."""
    await connection.set_autocommit(True)
    await connection.execute(sql.SQL("set role {}").format(sql.Identifier(RELAY_ROLE)))
    await connection.execute(SET_CONNECTION_OPTIONS)


@asynccontextmanager
async def connect_as_relay(conninfo: str, *, with_timeouts: bool = True) -> AsyncIterator[Connection]:
    """Open one configured connection, for callers that need no pool. Without timeouts, it waits for as long as needed.

    Without them is for an operator, who can interrupt a command.
    """
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        await configure_connection(connection)
        if not with_timeouts:
            await connection.execute(REMOVE_TIMEOUTS)
        yield connection


@asynccontextmanager
async def open_pool(conninfo: str, *, size: int, min_size: int = 2, connect_seconds: float = 10) -> AsyncIterator[Pool]:
    """Open a pool of `min_size` to `size` configured connections in autocommit mode.

    Raises OperatorError if no connection succeeds within `connect_seconds`.
    """
    pool: Pool = AsyncConnectionPool(
        conninfo,
        min_size=min(min_size, size),
        max_size=size,
        configure=configure_connection,
        timeout=2,  # while the database is down, Enode must get its 503 within 2 s
        reconnect_timeout=0,
        kwargs={"application_name": "evconduit"},
        open=False,
        name="relay",
    )
    try:
        await pool.open(wait=True, timeout=connect_seconds)
    except PoolTimeout:
        await pool.close()
        raise OperatorError(await explain_connection_failure(conninfo)) from None
    async with pool:
        yield pool


async def explain_connection_failure(conninfo: str) -> str:
    """Connect once and describe what is wrong in one line: the server (never its password), the cause, what to do."""
    parameters = conninfo_to_dict(conninfo)
    server = f"{parameters.get('host', 'localhost')}, database {parameters.get('dbname', '')}"
    try:
        async with await psycopg.AsyncConnection.connect(conninfo, connect_timeout=3) as connection:
            await configure_connection(connection)
    except psycopg.OperationalError as error:
        cause = str(error).strip().splitlines()[-1]
        return f"PostgreSQL at {server} cannot be reached: {cause}; check DATABASE_URL"
    except psycopg.Error as error:
        cause = str(error).splitlines()[0]
        return f"PostgreSQL at {server} refuses the relay: {cause}; run `evconduit migrate` as its owner"
    return f"PostgreSQL at {server} took too long to accept a connection; check its load"


def find_database_error(error: BaseException) -> psycopg.Error | None:
    """Return the database error that `error` is or was caused by, also within a group or a library's own exception."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop()
        if isinstance(current, psycopg.Error):
            return current
        if id(current) not in seen:
            seen.add(id(current))
            members = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
            cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
            pending += [*members, *([] if cause is None else [cause])]
    return None


def is_connection_failure(error: psycopg.Error) -> bool:
    """Whether the database could not be reached, or ended the connection: nothing is wrong with the statement."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, psycopg.errors.QueryCanceled):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in CONNECTION_SQLSTATES


async def fetch_one[Row](
    connection: Connection, statement: LiteralString, parameters: Parameters, row_factory: AsyncRowFactory[Row]
) -> Row | None:
    """Execute `statement` and return its first row, built by `row_factory` (`dict_row`, `class_row(X)`), or None."""
    async with connection.cursor(row_factory=row_factory) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchone()


async def fetch_all[Row](
    connection: Connection, statement: LiteralString, parameters: Parameters, row_factory: AsyncRowFactory[Row]
) -> list[Row]:
    """Execute `statement` and return all its rows, each built by `row_factory` (`dict_row`, `class_row(X)`)."""
    async with connection.cursor(row_factory=row_factory) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()
