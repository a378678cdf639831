"""Deny by default, in a real PostgreSQL: whatever is not the relay gets nothing out of any table and nothing in."""

import psycopg
import pytest
from psycopg import errors, sql

TABLES = """
select c.relname, c.relrowsecurity, c.relforcerowsecurity,
       (select array_agg(r.rolname::text) from pg_policy p join pg_roles r on r.oid = any (p.polroles)
        where p.polrelid = c.oid)
from pg_class c where c.relnamespace = 'evconduit'::regnamespace and c.relkind in ('r', 'p')
"""


@pytest.fixture
def owner(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tables(owner):
    return owner.execute(TABLES).fetchall()


def test_every_table_has_forced_row_security_and_one_policy_for_the_relay(tables):
    assert len(tables) >= 12
    assert {tuple(map(str, row[1:])) for row in tables} == {("True", "True", "['evconduit_relay']")}


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_supabase_s_public_roles_reach_nothing(owner, tables, role):
    owner.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    for name, *_ in tables:
        for statement in ("select * from evconduit.{}", "delete from evconduit.{}"):
            with pytest.raises(errors.InsufficientPrivilege):
                owner.execute(sql.SQL(statement).format(sql.Identifier(name)))


def test_even_an_owner_who_is_no_superuser_sees_no_rows(owner, tables):
    owner.execute("insert into evconduit.users (email) values ('me@example.org')")
    owner.execute("create role plain_owner nologin")
    owner.execute("grant usage on schema evconduit to plain_owner")
    owner.execute("alter table evconduit.users owner to plain_owner")
    owner.execute("set role plain_owner")
    assert owner.execute("select count(*) from evconduit.users").fetchone() == (0,)
    with pytest.raises(errors.InsufficientPrivilege):
        owner.execute("insert into evconduit.users (email) values ('you@example.org')")


async def test_the_relay_cannot_change_the_schema(pool):
    async with pool.connection() as connection:
        for statement in ("create table evconduit.mine ()", "drop table evconduit.users"):
            with pytest.raises(errors.InsufficientPrivilege):
                await connection.execute(statement)
