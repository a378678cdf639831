"""A real PostgreSQL for every test of the relay: one embedded server a run, a fresh migrated database a test."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from relay.identity.credentials import generate_api_key, hash_secret, parse_bearer_credential
from relay.kit.database import Pool, open_pool
from relay.kit.embedded_postgres import EmbeddedPostgres
from relay.kit.migrations import apply_migrations

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Owner's connection string of a running server whose database `template` is migrated."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(folder).lease() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")  # the folder is thrown away anyway
            connection.execute("select pg_reload_conf()")
            connection.execute("create database template")
        apply_migrations(make_conninfo(conninfo, dbname="template"))
        yield conninfo


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """Owner's connection string of a migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template template").format(sql.Identifier(name)))
        yield make_conninfo(postgres, dbname=name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


class Account:
    """A user with one key and one car, written into the database as plainly as can be."""

    def __init__(self, user_id: UUID, vehicle_id: UUID, key: str) -> None:
        self.user_id, self.vehicle_id, self.header = user_id, vehicle_id, f"Bearer {key}"
        self.credential = parse_bearer_credential(self.header)
        self.enode_id = f"enode-{vehicle_id}"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The relay's pool on a database of this test's own."""
    async with open_pool(database_url, size=8) as opened:
        yield opened


@pytest.fixture
def make_account(pool: Pool) -> Callable[..., Awaitable[Account]]:
    """Makes accounts with a key and a car."""

    async def make(*, scopes: Sequence[str] = ("read", "control"), plan: str = "pro") -> Account:
        key = generate_api_key()
        async with pool.connection() as connection:

            async def insert(table: str, returning: str, **row: object) -> UUID:
                columns = sql.SQL(", ").join(map(sql.Identifier, row))
                values = sql.SQL(", ").join([sql.Placeholder()] * len(row))
                statement = sql.SQL("insert into {} ({}) values ({}) returning {}")
                filled = statement.format(sql.Identifier(table), columns, values, sql.Identifier(returning))
                return (await (await connection.execute(filled, list(row.values()))).fetchone())[0]

            user_id = await insert("users", "id", email="a@example.org", plan=plan)
            await insert("feeds", "user_id", user_id=user_id)
            digest = hash_secret(key)
            await insert(
                "api_keys", "id", user_id=user_id, name="HA", key_hash=digest, prefix="evc_", scopes=list(scopes)
            )
            car = Jsonb({"vendor": "TESLA", "isReachable": True, "chargeState": {"batteryLevel": 50}})
            vehicle_id = await insert("vehicles", "id", user_id=user_id, vendor="TESLA", vehicle_cache=car, revision=0)
            account = Account(user_id, vehicle_id, key)
            await insert("vehicle_links", "vehicle_id", enode_vehicle_id=account.enode_id, vehicle_id=vehicle_id)
        return account

    return make


@pytest.fixture
async def account(make_account: Callable[..., Awaitable[Account]]) -> Account:
    """One such account."""
    return await make_account()
