import psycopg
import pytest

from relay.kit.database import open_pool
from relay.kit.errors import OperatorError
from relay.kit.migrations import apply_migrations, list_migrations, list_pending_migrations


async def test_sessions_run_as_the_relay_with_limits(pool):
    async with pool.connection() as connection:
        row = await (
            await connection.execute(
                "select current_user, current_setting('statement_timeout'), current_setting('timezone')"
            )
        ).fetchone()
    assert row == ("evconduit_relay", "15s", "UTC")


async def test_a_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(OperatorError) as caught:
        async with open_pool("postgresql://me:hush@127.0.0.1:1/cars", size=1, connect_seconds=0.5):
            pass
    assert "127.0.0.1, database cars" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_database_without_our_role_says_what_to_run(postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create role stranger login")
    with pytest.raises(OperatorError, match="run `evconduit migrate` as its owner"):
        async with open_pool(psycopg.conninfo.make_conninfo(postgres, user="stranger"), size=1, connect_seconds=0.5):
            pass


def test_migrating_twice_changes_nothing(database_url):
    assert apply_migrations(database_url) == []
    with psycopg.connect(database_url) as connection:
        assert list_pending_migrations(connection) == []
        noted = connection.execute("select version, name from supabase_migrations.schema_migrations").fetchall()
    assert noted == [(migration.version, migration.name) for migration in list_migrations()]
