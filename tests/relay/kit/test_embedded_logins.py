"""The logins of the embedded server: what the relay's may do, and the conversion of a cluster without passwords."""

import os
import re
import shutil
import stat
import subprocess

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from relay.kit import embedded_logins
from relay.kit.embedded_postgres import EmbeddedPostgres
from relay.kit.migrations import apply_migrations, list_migrations
from relay.kit.postgres_programs import find_programs_folder
from tests.architecture.tree import ROOT
from tests.relay.support.memory_folder import open_memory_folder

OLD_ACCESS_RULES = "local all all trust\nhost all all 127.0.0.1/32 trust\nlocal replication all trust\n"
SECRET_FILES = ("evconduit-owner-secret", "evconduit-relay-secret")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, stopped_cluster):
    """The folder of a running, migrated server."""
    with open_memory_folder(tmp_path_factory.mktemp("logins")) as parent:
        shutil.copytree(stopped_cluster, parent / "postgres" / "data")
        with EmbeddedPostgres(parent / "postgres").lease() as conninfo:
            apply_migrations(conninfo)
            yield parent / "postgres"


@pytest.fixture
def postgres(folder):
    return EmbeddedPostgres(folder)


@pytest.fixture
def old_cluster(folder, postgres):
    """Makes the running cluster look as earlier releases left it."""

    def make_old():
        with psycopg.connect(postgres.conninfo, autocommit=True) as owner:
            owner.execute("alter role evconduit_relay nologin password null")
            owner.execute("alter role evconduit password null")
            for name in SECRET_FILES:
                (folder / "data" / name).unlink()
            (folder / "data" / "evconduit-logins").unlink()
            (folder / "data" / "pg_hba.conf").write_text(OLD_ACCESS_RULES)
            owner.execute("select pg_reload_conf()")
        while needs_password(postgres, "evconduit"):  # the server reads the rules a moment later
            pass

    return make_old


def needs_password(postgres, user):
    conninfo = make_conninfo(host=str(postgres._read_socket_folder()), user=user, dbname="evconduit")
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return True
    return False


def assert_passwords_are_required(postgres):
    assert needs_password(postgres, "evconduit")
    assert needs_password(postgres, "evconduit_relay")


def fetch_user(conninfo):
    with psycopg.connect(conninfo) as connection:
        return connection.execute("select session_user::text").fetchone()[0]


@pytest.mark.parametrize(
    "statement",
    [
        "set role evconduit",
        "set session authorization evconduit",
        "create role other",
        "create database other",
        "create schema other",
        "create table evconduit.other (it int)",
        "create table public.other (it int)",
        "alter table evconduit.users disable row level security",
        "drop table evconduit.users",
        "alter role evconduit_relay bypassrls",
        "grant evconduit to evconduit_relay",
        "alter system set fsync = off",
        "copy evconduit.settings to '/tmp/evconduit-copy'",
        "copy (select 1) to program 'true'",
        "select pg_read_file('postgresql.conf')",
        "select rolpassword from pg_authid",
        "insert into supabase_migrations.schema_migrations (version) values ('1')",
        "select statements from supabase_migrations.schema_migrations",
    ],
)
@pytest.mark.parametrize("before", ["reset role", "reset session authorization", "set role evconduit_relay"])
def test_relays_login_can_become_no_other_role_and_change_nothing_but_rows(postgres, before, statement):
    with psycopg.connect(postgres.relay_conninfo, autocommit=True) as connection:
        connection.execute(before)
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue)):
            connection.execute(statement)


def test_relays_login_owns_nothing_and_belongs_to_no_role(postgres):
    owned = """
    select relname from pg_class where relowner = 'evconduit_relay'::regrole
    union all select nspname from pg_namespace where nspowner = 'evconduit_relay'::regrole
    union all select proname from pg_proc where proowner = 'evconduit_relay'::regrole
    union all select datname from pg_database where datdba = 'evconduit_relay'::regrole
    union all select roleid::regrole::text from pg_auth_members where member = 'evconduit_relay'::regrole
    """
    attributes = """
    select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
    from pg_roles where rolname = 'evconduit_relay'
    """
    with psycopg.connect(postgres.relay_conninfo) as connection:
        assert connection.execute(owned).fetchall() == []
        assert connection.execute(attributes).fetchone() == (False,)


PRIVILEGES = """
select distinct n.nspname || '.' || c.relname, privilege.privilege_type
from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) privilege
where privilege.grantee = 'evconduit_relay'::regrole and c.relkind in ('r', 'p', 'v', 'm')
"""


def test_relays_login_can_only_read_and_write_rows_of_any_table(postgres):
    """With the privilege `trigger`, a function of the relay would run as the owner who writes to the table."""
    with psycopg.connect(postgres.conninfo) as owner:
        privileges = owner.execute(PRIVILEGES).fetchall()
    assert {schema.partition(".")[0] for schema, _ in privileges} >= {"evconduit", "procrastinate"}
    assert [row for row in privileges if row[1] not in {"SELECT", "INSERT", "UPDATE", "DELETE"}] == []


def test_privileges_that_earlier_releases_granted_are_revoked(postgres):
    migration = next(each for each in list_migrations() if each.name == "jobs_privileges")
    with psycopg.connect(postgres.conninfo) as owner:
        owner.execute("grant all on all tables in schema procrastinate to evconduit_relay")
        owner.execute(migration.sql)
        privileges = {row[1] for row in owner.execute(PRIVILEGES).fetchall()}
        assert privileges == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        owner.execute("set role evconduit_relay; select from procrastinate.procrastinate_jobs")
        owner.rollback()


def test_passwords_are_required_random_and_only_readable_by_the_owner_of_the_files(folder, postgres):
    assert_passwords_are_required(postgres)
    passwords = {(folder / "data" / name).read_text() for name in SECRET_FILES}
    assert sorted(map(len, passwords)) == [64, 64]
    assert {stat.S_IMODE((folder / "data" / name).stat().st_mode) for name in SECRET_FILES} == {0o600}
    with psycopg.connect(postgres.conninfo) as owner:
        verifiers = owner.execute("select rolpassword from pg_authid where rolpassword is not null").fetchall()
    assert [verifier.partition("$")[0] for (verifier,) in verifiers] == ["SCRAM-SHA-256"] * 2
    assert not any(password in (folder / "postgres.log").read_text() for password in passwords)


REFUSED_VALUES = [
    ("select %s::jsonb", ['{"vin": "WVWZZZE1ZMP000001", "odd": "\\u0000"}']),
    ("select jsonb_build_object('a', 1) || %s::text::jsonb", ['{"vin": "WVWZZZE1ZMP000001"']),
]


@pytest.mark.parametrize(("statement", "values"), REFUSED_VALUES)
def test_log_of_the_server_does_not_quote_the_values_that_it_refuses(folder, postgres, statement, values):
    with psycopg.connect(postgres.relay_conninfo) as relay, pytest.raises(psycopg.DataError):
        relay.execute(statement, values)
    log = (folder / "postgres.log").read_text()
    assert "ERROR" in log
    assert "WVWZZZ" not in log


def test_cluster_of_an_earlier_release_is_converted_with_its_data(postgres, old_cluster):
    with psycopg.connect(postgres.conninfo, autocommit=True) as owner:
        owner.execute("insert into evconduit.settings (key, value) values ('kept', '1') on conflict do nothing")
    old_cluster()
    with postgres.lease() as conninfo:
        assert fetch_user(conninfo) == "evconduit"
        assert fetch_user(postgres.relay_conninfo) == "evconduit_relay"
        assert_passwords_are_required(postgres)
        with psycopg.connect(postgres.relay_conninfo) as relay:
            assert relay.execute("select value from evconduit.settings where key = 'kept'").fetchone() == (1,)


@pytest.fixture
def lost_secret(folder):
    """Loses the owner's secret of the cluster, which has been converted."""
    return (folder / "data" / "evconduit-owner-secret").unlink


@pytest.mark.parametrize(("cause", "step_count"), [("old_cluster", 16), ("lost_secret", 14)])
def test_conversion_that_is_killed_at_any_step_is_completed_by_the_next_one(
    request, postgres, monkeypatch, cause, step_count
):
    need_conversion = request.getfixturevalue(cause)

    class KilledError(Exception):
        pass

    steps = ("replace_private_file", "_create_relay_login", "_set_password")
    remaining = 0

    def kill_when_due():
        nonlocal remaining
        remaining -= 1
        if remaining < 0:
            raise KilledError

    for name in steps:
        original = getattr(embedded_logins, name)

        def step(*arguments, original=original):
            kill_when_due()
            original(*arguments)
            kill_when_due()

        monkeypatch.setattr(embedded_logins, name, step)
    kills = 0
    while True:
        need_conversion()
        remaining = kills
        try:
            postgres.lease().__enter__()
        except KilledError:
            kills += 1
        else:
            break
        remaining = 1000
        with postgres.lease() as conninfo:
            assert fetch_user(conninfo) == "evconduit"
            assert fetch_user(postgres.relay_conninfo) == "evconduit_relay"
            assert_passwords_are_required(postgres)
    assert kills == step_count


@pytest.mark.parametrize("damage", ["", "no secret", None])
@pytest.mark.parametrize("name", SECRET_FILES)
def test_lost_or_damaged_secret_is_replaced(folder, postgres, name, damage):
    if damage is None:
        (folder / "data" / name).unlink()
    else:
        (folder / "data" / name).write_text(damage)
        (folder / "data" / "pg_hba.conf").write_text("")
    with postgres.lease() as conninfo:
        assert conninfo_to_dict(conninfo)["user"] == fetch_user(conninfo) == "evconduit"
        assert fetch_user(postgres.relay_conninfo) == "evconduit_relay"


@pytest.mark.parametrize("name", SECRET_FILES)
def test_wrong_secret_is_replaced_when_the_server_starts(tmp_path, stopped_cluster, name):
    """The relay's login may change its own password, so an injected statement could shut the relay out for good."""
    with open_memory_folder(tmp_path) as parent:
        shutil.copytree(stopped_cluster, parent / "postgres" / "data")
        postgres = EmbeddedPostgres(parent / "postgres")
        with postgres.lease():
            (parent / "postgres" / "data" / name).write_text("ab" * 32)
        with postgres.lease() as conninfo:
            assert fetch_user(conninfo) == "evconduit"
            assert fetch_user(postgres.relay_conninfo) == "evconduit_relay"
            assert_passwords_are_required(postgres)


@pytest.fixture
def run_documented(tmp_path, postgres):
    """A function that runs the command of docs/self-hosting.md that begins with this word."""
    evconduit = tmp_path / "evconduit"
    evconduit.write_text(f'#!/bin/sh\ntest "$*" = "database url --owner" && echo "{postgres.conninfo}"\n')
    evconduit.chmod(0o755)

    def run(program):
        text = (ROOT / "docs/self-hosting.md").read_text(encoding="utf-8")
        [command] = re.findall(rf"^{program} (?:.*\\\n)*.*$", text, re.MULTILINE)
        path = os.pathsep.join([str(tmp_path), str(find_programs_folder()), os.environ["PATH"]])
        subprocess.run(["bash", "-ec", command], cwd=tmp_path, env={"PATH": path}, check=True)

    return run


def test_documented_commands_restore_the_database_while_the_relay_is_connected(postgres, run_documented):
    with psycopg.connect(postgres.relay_conninfo, autocommit=True) as relay:
        relay.execute("set search_path to evconduit, public")
        relay.execute("insert into users (email, name) values ('kim@example.org', 'Kim')")
        run_documented("pg_dump")
        relay.execute("delete from users")
        relay.execute("insert into users (email, name) values ('lee@example.org', 'Lee')")
        run_documented("pg_restore")
        assert relay.execute("select name from users where email like '%@example.org'").fetchall() == [("Kim",)]
        relay.execute("delete from users")
    with psycopg.connect(postgres.conninfo) as owner:
        unprotected = owner.execute(
            "select relname from pg_class where relnamespace = 'evconduit'::regnamespace and relkind = 'r'"
            " and not (relrowsecurity and relforcerowsecurity)"
        ).fetchall()
    assert unprotected == []
    assert apply_migrations(postgres.conninfo) == []
