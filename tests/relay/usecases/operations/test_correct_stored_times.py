"""Times that a clock ran ahead left behind: every column of the schema is listed, and each one is corrected."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from relay.usecases.operations.correct_stored_times import (
    CORRECTIONS,
    DELETED_FROM_FUTURE,
    STORED_TIMES,
    UNCORRECTED_COLUMNS,
    correct_stored_times,
)
from tests.relay.support.full_account import CONSTANT_VALUES, LIST_COLUMNS, drop_check_constraints

LIST_TIME_COLUMNS = """
select c.table_name || '.' || c.column_name from information_schema.columns c
join information_schema.tables t using (table_schema, table_name)
where c.table_schema = 'evconduit' and t.table_type = 'BASE TABLE' and c.data_type like 'timestamp%'
"""
VALUES = CONSTANT_VALUES | {"jsonb": "{}", "text": "x", "bytea": b"x", "bytea[]": "{}"}
IDS = [f"{time.table}.{time.column}" for time in STORED_TIMES]


@pytest.fixture
def owner(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set search_path to evconduit")
        connection.execute("set session_replication_role = replica")  # neither foreign keys nor triggers
        drop_check_constraints(connection)
        yield connection


def insert_row(owner, table):
    """Insert a row without meaning, whose times are in the past."""
    columns = [column for name, *column in owner.execute(LIST_COLUMNS).fetchall() if name == table]
    values = {
        name: uuid4() if kind == "uuid" else VALUES.get(kind, 1)
        for name, kind, _is_required, is_generated, _refers_to in columns
        if not is_generated
    }
    owner.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        ),
        list(values.values()),
    )


def test_every_time_in_the_schema_is_corrected_or_has_a_reason_not_to_be(owner):
    columns = {name for (name,) in owner.execute(LIST_TIME_COLUMNS).fetchall()}
    assert columns == {*IDS, *UNCORRECTED_COLUMNS}
    assert not {*IDS} & {*UNCORRECTED_COLUMNS}
    assert len(IDS) == len(set(IDS))
    assert set(CORRECTIONS) == {time.table for time in STORED_TIMES} | set(DELETED_FROM_FUTURE)


@pytest.mark.parametrize("ahead", ["1 day", "20 years"])
async def test_every_time_that_is_too_far_ahead_is_corrected(owner, pool, caplog, ahead):
    for table in dict.fromkeys(time.table for time in STORED_TIMES):
        insert_row(owner, table)
    for time in STORED_TIMES:
        owner.execute(f"update {time.table} e set {time.column} = now() + {time.max_ahead} + interval '{ahead}'")
    async with pool.connection() as connection:
        assert await correct_stored_times(connection) == len({time.table for time in STORED_TIMES})
        assert await correct_stored_times(connection) == 0
    for time in STORED_TIMES:
        latest = time.max_ahead if time.is_expiry else "interval '0'"
        query = f"select {time.column} between now() - interval '1 minute' and now() + {latest} from {time.table} e"
        assert owner.execute(query).fetchone() == (True,), (time.table, time.column)
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("relay")]
    assert line.startswith("stored times in the future corrected rows=")
    assert "endpoints:1" in line


async def test_times_that_the_relay_may_have_set_stay_as_they_are(owner, pool):
    for table in dict.fromkeys(time.table for time in STORED_TIMES):
        insert_row(owner, table)
    for time in STORED_TIMES:
        owner.execute(f"update {time.table} e set {time.column} = now() + {time.max_ahead}")
    async with pool.connection() as connection:
        assert await correct_stored_times(connection) == 0


async def test_keys_from_the_future_are_deleted(owner, pool):
    for table, column in DELETED_FROM_FUTURE.items():
        for moment in ("now() - interval '1 minute'", "now() + interval '1 day'"):
            insert_row(owner, table)
            owner.execute(f"update {table} set {column} = {moment} where {column} = '2026-11-25T12:00:00Z'")
    async with pool.connection() as connection:
        assert await correct_stored_times(connection) == len(DELETED_FROM_FUTURE)
    for table, column in DELETED_FROM_FUTURE.items():
        assert owner.execute(f"select count(*), bool_and({column} < now()) from {table}").fetchone() == (1, True)
