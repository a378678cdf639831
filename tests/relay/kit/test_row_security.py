"""Deny by default, in a real PostgreSQL: roles other than the relay's can't read or write any relation.

The tests are generated from the database's catalogue, so they cover what later migrations add.
"""

import json
from typing import NamedTuple

import psycopg
import pytest
from psycopg import errors, sql

RELAY_SCHEMA = "evconduit"
SCHEMAS = (RELAY_SCHEMA, "procrastinate", "supabase_migrations")
OTHER_ROLES = ("anon", "authenticated", "unprivileged")
CLAIMS_OF_A_USER = {"role": "authenticated", "sub": "0f8fad5b-d9cb-469f-a165-70867728950e", "email": "me@example.org"}

RELATIONS = """
select n.nspname, c.relname, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
       (select array_agg(r.rolname::text) from pg_policy p join pg_roles r on r.oid = any (p.polroles)
        where p.polrelid = c.oid),
       (select min(a.attname) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = '')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%s) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
"""
FUNCTIONS = """
select n.nspname, p.oid::regprocedure::text, p.oid, p.prosecdef
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = any (%s)
"""
PRIVILEGES = """
select has_schema_privilege(%(role)s, %(schema)s, 'usage'), has_function_privilege(%(role)s, %(function)s, 'execute')
"""
# Columns that must have a value and have no default.
REQUIRED_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
  and a.attidentity = ''
"""
EXAMPLE_VALUES = {
    "text": "x",
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "bytea": b"x",
    "jsonb": "{}",
    "text[]": "{x}",
    "boolean": True,
    "timestamp with time zone": "2026-11-25T12:00:00Z",
    "date": "2026-11-25",
}


class Relation(NamedTuple):
    schema: str
    name: str
    kind: str
    secured: bool
    forced: bool
    options: list[str] | None
    policies: list[str] | None
    # Any writable column.
    column: str

    @property
    def identifier(self):
        return sql.Identifier(self.schema, self.name)


@pytest.fixture
def owner(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def relations(owner):
    """All relations, with a row in each table: an empty table proves nothing."""
    all_relations = [Relation(*row) for row in owner.execute(RELATIONS, [list(SCHEMAS)]).fetchall()]
    # Disables foreign keys and triggers, so that meaningless rows can be inserted.
    owner.execute("set session_replication_role = replica")
    for relation in all_relations:
        if relation.schema == RELAY_SCHEMA and relation.kind == "r":
            insert_example_row(owner, relation)
    owner.execute("set session_replication_role = origin")
    return all_relations


@pytest.fixture
def tables(relations):
    return [relation for relation in relations if relation.schema == RELAY_SCHEMA and relation.kind in "rp"]


def insert_example_row(owner, table):
    name = f"{table.schema}.{table.name}"
    checks = owner.execute("select conname from pg_constraint where conrelid = %s::regclass and contype = 'c'", [name])
    for (check,) in checks.fetchall():
        owner.execute(sql.SQL("alter table {} drop constraint {}").format(table.identifier, sql.Identifier(check)))
    required = dict(owner.execute(REQUIRED_COLUMNS, [name]).fetchall())
    values = [EXAMPLE_VALUES.get(kind, 1) for kind in required.values()]
    columns = sql.SQL("({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, required)), sql.SQL(", ").join([sql.Placeholder()] * len(required))
    )
    row = columns if required else sql.SQL("default values")
    owner.execute(sql.SQL("insert into {} {}").format(table.identifier, row), values)


def list_attempts(relation):
    """Statements that a client of the database might try on a relation."""
    if relation.kind == "S":
        return ["select nextval({0}::regclass)", "select * from {1}", "select setval({0}::regclass, 7)"]
    return [
        "select * from {1}",
        "select count(*) from {1}",
        "insert into {1} default values",
        "delete from {1}",
        "truncate {1}",
        "copy {1} to stdout",
        f"update {{1}} set {relation.column} = {relation.column}",
    ]


def try_statement(connection, relation, statement):
    """Execute and return the row count, or the name of an error; None if permission was denied."""
    query = sql.SQL(statement).format(sql.Literal(f"{relation.schema}.{relation.name}"), relation.identifier)
    try:
        return connection.execute(query).rowcount
    except errors.InsufficientPrivilege:
        return None
    except psycopg.Error as error:
        return type(error).__name__


def count_writable_rows(connection, tables):
    """How many rows of each table can be updated, and how many deleted."""
    update, delete = "update {{1}} set {0} = {0}", "delete from {1}"
    return {
        relation.name: (
            try_statement(connection, relation, update.format(relation.column)),
            try_statement(connection, relation, delete),
        )
        for relation in tables
    }


@pytest.fixture(params=OTHER_ROLES)
def other_role(request, owner):
    """One of Supabase's public roles, or a role without any privilege."""
    if request.param == "unprivileged":
        owner.execute("drop role if exists unprivileged")
        owner.execute("create role unprivileged nologin")
    yield request.param
    owner.execute("reset role")
    if request.param == "unprivileged":
        owner.execute("drop owned by unprivileged")
        owner.execute("drop role unprivileged")


def set_role(owner, role):
    owner.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    # As PostgREST does for a signed-in user.
    owner.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(CLAIMS_OF_A_USER)])


def test_every_table_has_forced_row_security_and_one_policy_for_the_relay(tables):
    assert len(tables) >= 12
    assert {relation.name: (relation.secured, relation.forced, relation.policies) for relation in tables} == {
        relation.name: (True, True, ["evconduit_relay"]) for relation in tables
    }


def test_every_view_uses_the_privileges_of_its_reader(relations):
    views = [relation for relation in relations if relation.schema == RELAY_SCHEMA and relation.kind in "vm"]
    assert {relation.name for relation in views if relation.kind == "m"} == set(), (
        "a materialised view has no row security"
    )
    assert [relation.name for relation in views if "security_invoker=true" not in (relation.options or [])] == []


def test_other_roles_have_access_to_nothing(owner, relations, other_role):
    set_role(owner, other_role)
    allowed = {
        (f"{relation.schema}.{relation.name}", statement): result
        for relation in relations
        for statement in list_attempts(relation)
        if (result := try_statement(owner, relation, statement)) is not None
    }
    assert allowed == {}


def test_other_roles_see_no_row_even_if_they_are_granted_everything(owner, tables, relations, other_role):
    for grant in ("usage on schema", "all on all tables in schema", "all on all sequences in schema"):
        owner.execute(sql.SQL(f"grant {grant} evconduit to {{}}").format(sql.Identifier(other_role)))
    set_role(owner, other_role)
    views = [relation for relation in relations if relation.schema == RELAY_SCHEMA and relation.kind == "v"]
    assert {
        relation.name: try_statement(owner, relation, "select * from {1}") for relation in [*tables, *views]
    } == dict.fromkeys([relation.name for relation in [*tables, *views]], 0)
    assert {
        relation.name
        for relation in tables
        if try_statement(owner, relation, "insert into {1} default values") is not None
    } == set()
    assert count_writable_rows(owner, tables) == {relation.name: (0, 0) for relation in tables}


def test_other_roles_may_call_no_function(owner, other_role):
    functions = owner.execute(FUNCTIONS, [list(SCHEMAS)]).fetchall()
    assert [name for _, name, _, definer in functions if definer] == [], (
        "security definer: it would run with its owner's privileges"
    )
    for schema, name, oid, _ in functions:
        usage, execute = owner.execute(PRIVILEGES, {"role": other_role, "schema": schema, "function": oid}).fetchone()
        assert not usage, name
        assert schema != RELAY_SCHEMA or not execute, f"revoke all on function {name} from public"


def test_even_a_table_owner_without_superuser_rights_sees_no_row(owner, tables):
    owner.execute("drop role if exists plain_owner")
    owner.execute("create role plain_owner nologin")
    owner.execute("grant usage on schema evconduit to plain_owner")
    for relation in tables:
        owner.execute(sql.SQL("alter table {} owner to plain_owner").format(relation.identifier))
    owner.execute("set role plain_owner")
    assert {relation.name: try_statement(owner, relation, "select * from {1}") for relation in tables} == {
        relation.name: 0 for relation in tables
    }
    assert count_writable_rows(owner, tables) == {relation.name: (0, 0) for relation in tables}
    assert {
        relation.name
        for relation in tables
        if try_statement(owner, relation, "insert into {1} default values") is not None
    } == set()


async def test_the_relay_reads_and_writes_every_table(pool, tables):
    async with pool.connection() as connection:
        for relation in tables:
            read = sql.SQL("select count(*) from {}").format(relation.identifier)
            assert (await (await connection.execute(read)).fetchone())[0] >= 1, relation.name
        for relation in sorted(tables, key=lambda relation: relation.name != "users"):
            await connection.execute(sql.SQL("delete from {}").format(relation.identifier))


async def test_the_relay_cannot_change_the_schema_or_its_own_privileges(pool, tables):
    forbidden = [
        "create table evconduit.mine ()",
        "create schema mine",
        "grant select on evconduit.users to anon",
        "alter role evconduit_relay superuser",
        "select * from pg_authid",
        "select * from supabase_migrations.schema_migrations",
        "copy evconduit.users to program 'true'",
        "select pg_read_file('PG_VERSION')",
        *[f"drop table evconduit.{relation.name}" for relation in tables],
        *[f"truncate evconduit.{relation.name}" for relation in tables],
        *[f"alter table evconduit.{relation.name} disable row level security" for relation in tables],
        *[f"drop policy relay on evconduit.{relation.name}" for relation in tables],
    ]
    allowed = []
    async with pool.connection() as connection:
        for statement in forbidden:
            try:
                await connection.execute(statement)
            except errors.InsufficientPrivilege:
                continue
            allowed.append(statement)
    # `grant` without the privilege for it is only a warning and does nothing.
    assert [statement for statement in allowed if not statement.startswith("grant")] == []
