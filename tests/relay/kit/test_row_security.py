"""Deny by default, in a real PostgreSQL: whatever is not the relay gets nothing out of any relation and nothing in.

Everything here is generated from the database's catalogue: what a later migration brings is tested from its first day.
"""

import json
from typing import NamedTuple

import psycopg
import pytest
from psycopg import errors, sql

OURS = "evconduit"
SCHEMAS = (OURS, "procrastinate", "supabase_migrations")
STRANGERS = ("anon", "authenticated", "somebody_else")
SOMEBODY_S_CLAIMS = {"role": "authenticated", "sub": "0f8fad5b-d9cb-469f-a165-70867728950e", "email": "me@example.org"}

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
# What a row cannot be without, and has not by itself.
WANTED = """
select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
  and a.attidentity = ''
"""
SOME = {
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
    # Any one that can be written.
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
    """All relations, each with a row in it: an empty table proves nothing."""
    found = [Relation(*row) for row in owner.execute(RELATIONS, [list(SCHEMAS)]).fetchall()]
    # Neither foreign keys, nor checks, nor triggers stand in the way of rows that mean nothing.
    owner.execute("set session_replication_role = replica")
    for it in found:
        if it.schema == OURS and it.kind == "r":
            put_a_row_into(owner, it)
    owner.execute("set session_replication_role = origin")
    return found


@pytest.fixture
def tables(relations):
    return [it for it in relations if it.schema == OURS and it.kind in "rp"]


def put_a_row_into(owner, table):
    name = f"{table.schema}.{table.name}"
    checks = owner.execute("select conname from pg_constraint where conrelid = %s::regclass and contype = 'c'", [name])
    for (check,) in checks.fetchall():
        owner.execute(sql.SQL("alter table {} drop constraint {}").format(table.identifier, sql.Identifier(check)))
    wanted = dict(owner.execute(WANTED, [name]).fetchall())
    values = [SOME.get(kind, 1) for kind in wanted.values()]
    columns = sql.SQL("({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, wanted)), sql.SQL(", ").join([sql.Placeholder()] * len(wanted))
    )
    what = columns if wanted else sql.SQL("default values")
    owner.execute(sql.SQL("insert into {} {}").format(table.identifier, what), values)


def attempts(relation):
    """Everything that a client of the database might try on a relation."""
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


def tried(connection, relation, statement):
    """What came of it; None when it was refused."""
    whole = sql.SQL(statement).format(sql.Literal(f"{relation.schema}.{relation.name}"), relation.identifier)
    try:
        return connection.execute(whole).rowcount
    except errors.InsufficientPrivilege:
        return None
    except psycopg.Error as error:
        return type(error).__name__


def writes(connection, tables):
    """How many rows of each table can be changed, and how many deleted."""
    change, delete = "update {{1}} set {0} = {0}", "delete from {1}"
    return {it.name: (tried(connection, it, change.format(it.column)), tried(connection, it, delete)) for it in tables}


@pytest.fixture(params=STRANGERS)
def stranger(request, owner):
    """A connection as one of Supabase's public roles, or as one of no particular right."""
    if request.param == "somebody_else":
        owner.execute("drop role if exists somebody_else")
        owner.execute("create role somebody_else nologin")
    yield request.param
    owner.execute("reset role")
    if request.param == "somebody_else":
        owner.execute("drop owned by somebody_else")
        owner.execute("drop role somebody_else")


def become(owner, role):
    owner.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    # As PostgREST tells who is asking.
    owner.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(SOMEBODY_S_CLAIMS)])


def test_every_table_has_forced_row_security_and_one_policy_for_the_relay(tables):
    assert len(tables) >= 12
    assert {it.name: (it.secured, it.forced, it.policies) for it in tables} == {
        it.name: (True, True, ["evconduit_relay"]) for it in tables
    }


def test_every_view_asks_with_the_rights_of_who_reads_it(relations):
    views = [it for it in relations if it.schema == OURS and it.kind in "vm"]
    assert {it.name for it in views if it.kind == "m"} == set(), "a materialised view knows no row security"
    assert [it.name for it in views if "security_invoker=true" not in (it.options or [])] == []


def test_strangers_reach_nothing(owner, relations, stranger):
    become(owner, stranger)
    got = {
        (f"{it.schema}.{it.name}", statement): result
        for it in relations
        for statement in attempts(it)
        if (result := tried(owner, it, statement)) is not None
    }
    assert got == {}


def test_strangers_reach_nothing_even_when_somebody_grants_them_everything(owner, tables, relations, stranger):
    for grant in ("usage on schema", "all on all tables in schema", "all on all sequences in schema"):
        owner.execute(sql.SQL(f"grant {grant} evconduit to {{}}").format(sql.Identifier(stranger)))
    become(owner, stranger)
    views = [it for it in relations if it.schema == OURS and it.kind == "v"]
    assert {it.name: tried(owner, it, "select * from {1}") for it in [*tables, *views]} == dict.fromkeys(
        [it.name for it in [*tables, *views]], 0
    )
    assert {it.name for it in tables if tried(owner, it, "insert into {1} default values") is not None} == set()
    assert writes(owner, tables) == {it.name: (0, 0) for it in tables}


def test_strangers_call_no_function_of_ours(owner, stranger):
    functions = owner.execute(FUNCTIONS, [list(SCHEMAS)]).fetchall()
    assert [name for _, name, _, definer in functions if definer] == [], "it would act with its owner's rights"
    may = "select has_schema_privilege(%(to)s, %(schema)s, 'usage'), has_function_privilege(%(to)s, %(it)s, 'execute')"
    for schema, name, oid, _ in functions:
        usage, execute = owner.execute(may, {"to": stranger, "schema": schema, "it": oid}).fetchone()
        assert not usage, name
        assert schema != OURS or not execute, f"revoke all on function {name} from public"


def test_even_an_owner_who_is_no_superuser_gets_nothing(owner, tables):
    owner.execute("drop role if exists plain_owner")
    owner.execute("create role plain_owner nologin")
    owner.execute("grant usage on schema evconduit to plain_owner")
    for it in tables:
        owner.execute(sql.SQL("alter table {} owner to plain_owner").format(it.identifier))
    owner.execute("set role plain_owner")
    assert {it.name: tried(owner, it, "select * from {1}") for it in tables} == {it.name: 0 for it in tables}
    assert writes(owner, tables) == {it.name: (0, 0) for it in tables}
    assert {it.name for it in tables if tried(owner, it, "insert into {1} default values") is not None} == set()


async def test_the_relay_reads_and_writes_every_table(pool, tables):
    async with pool.connection() as connection:
        for it in tables:
            read = sql.SQL("select count(*) from {}").format(it.identifier)
            assert (await (await connection.execute(read)).fetchone())[0] >= 1, it.name
        for it in sorted(tables, key=lambda it: it.name != "users"):
            await connection.execute(sql.SQL("delete from {}").format(it.identifier))


async def test_the_relay_cannot_change_the_schema_nor_its_own_rights(pool, tables):
    forbidden = [
        "create table evconduit.mine ()",
        "create schema mine",
        "grant select on evconduit.users to anon",
        "alter role evconduit_relay superuser",
        "select * from pg_authid",
        "select * from supabase_migrations.schema_migrations",
        "copy evconduit.users to program 'true'",
        "select pg_read_file('PG_VERSION')",
        *[f"drop table evconduit.{it.name}" for it in tables],
        *[f"truncate evconduit.{it.name}" for it in tables],
        *[f"alter table evconduit.{it.name} disable row level security" for it in tables],
        *[f"drop policy relay on evconduit.{it.name}" for it in tables],
    ]
    allowed = []
    async with pool.connection() as connection:
        for statement in forbidden:
            try:
                await connection.execute(statement)
            except errors.InsufficientPrivilege:
                continue
            allowed.append(statement)
    # `grant` without the right to it is a warning that does nothing.
    assert [it for it in allowed if not it.startswith("grant")] == []
