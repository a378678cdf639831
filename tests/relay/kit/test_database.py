"""Connections, the pool, migrations, and the helpers that fetch rows."""

from dataclasses import dataclass

import psycopg
import pytest
from psycopg.rows import class_row, dict_row, scalar_row

from relay.kit.database import fetch_all, fetch_one, open_pool
from relay.kit.errors import OperatorError
from relay.kit.migrations import apply_migrations, list_migrations, list_pending_migrations


async def test_pool_connections_use_the_relays_role_and_timeouts(pool):
    async with pool.connection() as connection:
        row = await (
            await connection.execute(
                "select current_user, current_setting('statement_timeout'), current_setting('timezone')"
            )
        ).fetchone()
    assert row == ("evconduit_relay", "15s", "UTC")


@dataclass(frozen=True)
class Item:
    """A row of ITEMS."""

    number: int
    label: str


ITEMS = """
select number, 'label ' || number as label from generate_series(1, %(count)s) as series (number) order by number
"""


async def test_fetch_one_returns_the_first_row_built_by_the_row_factory(pool):
    async with pool.connection() as connection:
        item = await fetch_one(connection, ITEMS, {"count": 2}, class_row(Item))
        values = await fetch_one(connection, ITEMS, {"count": 2}, dict_row)
    assert item == Item(1, "label 1")
    assert values == {"number": 1, "label": "label 1"}


async def test_fetch_one_returns_none_if_there_is_no_row(pool):
    async with pool.connection() as connection:
        assert await fetch_one(connection, ITEMS, {"count": 0}, class_row(Item)) is None


async def test_fetch_all_returns_every_row_in_order(pool):
    async with pool.connection() as connection:
        items = await fetch_all(connection, ITEMS, {"count": 2}, class_row(Item))
        no_items = await fetch_all(connection, ITEMS, {"count": 0}, class_row(Item))
    assert items == [Item(1, "label 1"), Item(2, "label 2")]
    assert no_items == []


async def test_fetching_accepts_positional_parameters_and_keeps_the_connections_row_factory(pool):
    async with pool.connection() as connection:
        assert await fetch_one(connection, "select %s::int", [7], scalar_row) == 7
        assert await fetch_all(connection, "select unnest(%s::int[])", [[1, 2]], scalar_row) == [1, 2]
        assert await (await connection.execute("select 1, 2")).fetchone() == (1, 2)


async def test_fetching_inside_a_transaction_sees_and_keeps_its_changes(pool):
    async with pool.connection() as connection:
        async with connection.transaction(force_rollback=True):
            insert = "insert into settings (key, value) values ('x', '1') returning key"
            assert await fetch_one(connection, insert, [], scalar_row) == "x"
            assert await fetch_all(connection, "select key from settings where key = 'x'", [], scalar_row) == ["x"]
        assert await fetch_all(connection, "select key from settings where key = 'x'", [], scalar_row) == []


async def test_error_for_an_unreachable_server_names_it_without_the_password():
    with pytest.raises(OperatorError) as caught:
        async with open_pool("postgresql://me:hush@127.0.0.1:1/cars", size=1, connect_seconds=0.5):
            pass
    assert "127.0.0.1, database cars" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_error_for_a_database_without_the_relays_role_names_the_command_to_run(postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create role unrelated_role login password 'unrelated'")
    with pytest.raises(OperatorError, match="run `evconduit migrate` as its owner"):
        async with open_pool(
            psycopg.conninfo.make_conninfo(postgres, user="unrelated_role", password="unrelated"),
            size=1,
            connect_seconds=0.5,
        ):
            pass


def test_applying_migrations_again_changes_nothing(database_url):
    assert apply_migrations(database_url) == []
    with psycopg.connect(database_url) as connection:
        assert list_pending_migrations(connection) == []
        statement = "select version, name from supabase_migrations.schema_migrations order by version"
        recorded = connection.execute(statement).fetchall()
    assert recorded == [(migration.version, migration.name) for migration in list_migrations()]
