"""A migrated database that tests use one after another. Each of them gets it in the state of a new one.

A copy of the template takes 150 ms of CPU or more; emptying the tables that a test has filled takes a tenth of that.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

# Deleted rows still occupy space, as autovacuum is off, and slow down later tests.
MAX_USES = 50
DISCONNECT_SECONDS = 0.5

# The newest transaction and the number of rows of each catalog: every change of the schema, a right or a setting
# changes one of them. So does a changed list of migrations, the only table that has rows in a new database.
SCHEMA_TABLES: tuple[LiteralString, ...] = (
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_database",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_extension",
    "pg_index",
    "pg_largeobject_metadata",
    "pg_namespace",
    "pg_policy",
    "pg_proc",
    "pg_rewrite",
    "pg_sequence",
    "pg_trigger",
    "pg_type",
    "supabase_migrations.schema_migrations",
)
READ_SCHEMA_VERSION = sql.SQL(" union all ").join(
    sql.SQL("select max(xmin::text::bigint), count(*) from {}{}").format(
        # Other databases come and go.
        sql.SQL(table),
        sql.SQL(" where datname = current_database()" if table == "pg_database" else ""),
    )
    for table in SCHEMA_TABLES
)
COUNT_OTHER_CLIENTS = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""
EMPTY_TABLES = """
do $$
declare
    name text;
    has_rows boolean;
begin
    set local session_replication_role = replica;  -- no triggers, no order of tables
    for name in select format('%I.%I', schemaname, tablename) from pg_tables
                where schemaname in ('evconduit', 'procrastinate') loop
        execute 'select exists (select from ' || name || ')' into has_rows;
        if has_rows then
            execute 'delete from ' || name;
        end if;
    end loop;
    perform setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    from pg_sequences where last_value is not null;
end
$$
"""


class ReusableDatabase:
    """The database for the tests of one process, on the server of `conninfo`, a copy of its database `template`."""

    def __init__(self, conninfo: str) -> None:
        self._server = conninfo
        self._numbers = itertools.count(1)
        self._name: str | None = None
        self._uses = 0
        self._schema_version: list[tuple[object, ...]] = []

    @contextmanager
    def use(self) -> Iterator[str]:
        """Yield the owner's connection string of a migrated database without rows."""
        name = self._name or self._create()
        yield make_conninfo(self._server, dbname=name)
        if not self._restore(name):
            self._drop(name)

    def _create(self) -> str:
        name = self._name = f"test_{next(self._numbers)}"
        self._uses = 0
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} template template").format(sql.Identifier(name)))
        with psycopg.connect(self._server, dbname=name, autocommit=True) as connection:
            self._schema_version = connection.execute(READ_SCHEMA_VERSION).fetchall()
        return name

    def _restore(self, name: str) -> bool:
        """Make the database as it was when it was new. Returns False if that isn't possible."""
        self._uses += 1
        if self._uses >= MAX_USES:
            return False
        try:
            with psycopg.connect(self._server, dbname=name, autocommit=True) as connection:
                if not _wait_until_unused(connection):
                    return False
                if connection.execute(READ_SCHEMA_VERSION).fetchall() != self._schema_version:
                    return False
                connection.execute(EMPTY_TABLES)
        except psycopg.OperationalError:  # the test has made the database inaccessible
            return False
        return True

    def _drop(self, name: str) -> None:
        self._name = None
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _wait_until_unused(connection: psycopg.Connection) -> bool:
    """Wait until the backends of closed connections have ended. Returns False if one remains."""
    deadline = time.monotonic() + DISCONNECT_SECONDS
    while connection.execute(COUNT_OTHER_CLIENTS).fetchone() != (0,):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
