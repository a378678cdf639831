"""What the relay's tests share: a real PostgreSQL, accounts in it, and a double of Supabase Auth.

There is one embedded server per process of a test run, and one migrated database per test.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from uuid import UUID

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from relay.identity.credentials import API_KEY_PREFIX, generate_api_key, hash_secret, parse_bearer_credential
from relay.kit.database import Pool, open_pool
from relay.kit.embedded_postgres import EmbeddedPostgres
from relay.kit.migrations import apply_migrations
from tests.relay.support.memory_folder import has_memory, open_memory_folder
from tests.relay.support.supabase.double import SupabaseDouble, serve_supabase

# No deadline for a single example, because a loaded machine makes any example slow. pytest's timeout ends a test that
# hangs.
settings.register_profile("relay", deadline=None)
settings.load_profile("relay")

_database_numbers = itertools.count(1)

MAX_ID_LENGTH = 80


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shorten the ids of tests of long texts: pytest's reports, and terminals, show them whole."""
    if isinstance(val, str) and len(val) > MAX_ID_LENGTH:
        return f"{val[:20].encode('unicode_escape').decode()}...{len(val)}"
    return None


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's connection string of a running server, whose database `template` is migrated."""
    with (
        open_memory_folder(tmp_path_factory.mktemp("postgres")) as folder,
        EmbeddedPostgres(folder).lease() as conninfo,
    ):
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")  # the folder is temporary
            connection.execute("alter system set full_page_writes = off")
            connection.execute("alter system set max_wal_size = '64MB'")  # it may be in memory
            connection.execute("alter system set autovacuum = off")  # it would make plans depend on timing
            connection.execute("select pg_reload_conf()")
            connection.execute("create database template")
        apply_migrations(make_conninfo(conninfo, dbname="template"))
        yield conninfo


@pytest.fixture(scope="session")
def server_connection(postgres: str) -> Iterator[psycopg.Connection]:
    """The connection that creates and drops databases. A new one for each test would cost 5 ms of CPU."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def copy_strategy() -> str:
    """How PostgreSQL copies a database with the least CPU time: file by file in memory, else through its log."""
    return "file_copy" if has_memory() else "wal_log"


@pytest.fixture(scope="session")
def used_databases() -> list[str]:
    """The databases of earlier tests that still exist: usually that of the last one."""
    return []


@pytest.fixture
def database_url(
    postgres: str, server_connection: psycopg.Connection, copy_strategy: str, used_databases: list[str]
) -> Iterator[str]:
    """The owner's connection string of a migrated database for one test."""
    name = f"test_{next(_database_numbers)}"
    drop = sql.SQL("drop database {} with (force)")
    create = sql.SQL("create database {} template template strategy {}")
    # At the end of its test, a database still has clients that are closing, for which PostgreSQL waits 100 ms.
    while used_databases:
        server_connection.execute(drop.format(sql.Identifier(used_databases.pop())))
    server_connection.execute(create.format(sql.Identifier(name), sql.Identifier(copy_strategy)))
    yield make_conninfo(postgres, dbname=name)
    used_databases.append(name)


class Account:
    """A user with one API key and one vehicle, as rows in the database."""

    def __init__(self, user_id: UUID, vehicle_id: UUID, key: str) -> None:
        self.user_id, self.vehicle_id, self.header = user_id, vehicle_id, f"Bearer {key}"
        self.credential = parse_bearer_credential(self.header)
        self.enode_id = f"enode-{vehicle_id}"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The relay's pool on the database of the test."""
    async with open_pool(database_url, size=8, min_size=1) as opened:
        opened.timeout = 60.0  # a loaded machine may need longer than the relay waits for a connection
        yield opened


@pytest.fixture
def make_account(pool: Pool) -> Callable[..., Awaitable[Account]]:
    """Creates accounts with an API key and a vehicle."""

    async def create_account(*, scopes: Sequence[str] = ("read", "control"), plan: str = "pro") -> Account:
        key = generate_api_key()
        async with pool.connection() as connection:

            async def insert(table: str, returning: str, **row: object) -> UUID:
                columns = sql.SQL(", ").join(map(sql.Identifier, row))
                values = sql.SQL(", ").join([sql.Placeholder()] * len(row))
                statement = sql.SQL("insert into {} ({}) values ({}) returning {}")
                query = statement.format(sql.Identifier(table), columns, values, sql.Identifier(returning))
                return (await (await connection.execute(query, list(row.values()))).fetchone())[0]

            user_id = await insert("users", "id", email="a@example.org", plan=plan)
            await insert("feeds", "user_id", user_id=user_id)
            await insert(
                "api_keys",
                "id",
                user_id=user_id,
                name="HA",
                key_hash=hash_secret(key),
                prefix=API_KEY_PREFIX,
                scopes=list(scopes),
            )
            vehicle = Jsonb({"vendor": "TESLA", "isReachable": True, "chargeState": {"batteryLevel": 50}})
            vehicle_id = await insert(
                "vehicles", "id", user_id=user_id, vendor="TESLA", vehicle_cache=vehicle, revision=0
            )
            account = Account(user_id, vehicle_id, key)
            await insert("vehicle_links", "vehicle_id", enode_vehicle_id=account.enode_id, vehicle_id=vehicle_id)
        return account

    return create_account


@pytest.fixture
async def account(make_account: Callable[..., Awaitable[Account]]) -> Account:
    """An account with an API key and a vehicle."""
    return await make_account()


@pytest.fixture
async def supabase() -> AsyncIterator[SupabaseDouble]:
    """A Supabase project that redirects to http://relay.example."""
    async with serve_supabase(site="http://relay.example") as double:
        yield double
