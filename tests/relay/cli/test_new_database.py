"""Which commands create an embedded database, and what the others say where there is none."""

import gc
import stat
from pathlib import Path
from types import GeneratorType

import psycopg
import pytest

from relay.kit.migrations import apply_migrations
from relay.settings import Settings
from relay.startup import prepare_database
from tests.relay.support.command_line import CommandLineInThisProcess


@pytest.mark.parametrize(
    "command",
    [
        ("work",),
        ("status",),
        ("login",),
        ("user", "list"),
        ("user", "add", "me@example.org"),
        ("key", "create"),
        ("vehicle", "link"),
        ("tokens", "show"),
        ("invite", "list"),
        ("inbox", "list"),
        ("replay", "--set-aside"),
        ("pause", "delivery"),
        ("sessions", "recompute", "me@example.org"),
        ("database", "url"),
        ("database", "url", "--owner"),
    ],
)
def test_command_that_needs_a_database_creates_none_and_says_what_does(tmp_path, command):
    result = CommandLineInThisProcess(tmp_path).run(*command)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    for part in (str(tmp_path / "data"), "`evconduit serve`", "`evconduit init`", "EVCONDUIT_DATA"):
        assert part in result.stderr
    assert list(tmp_path.iterdir()) == []


def is_held(secret):
    """Whether a local variable of a suspended function, or a value in a dictionary, contains the secret."""
    gc.collect()
    scopes = [item.gi_frame.f_locals for item in gc.get_objects() if isinstance(item, GeneratorType) and item.gi_frame]
    scopes += [item for item in gc.get_objects() if type(item) is dict]
    return any(type(value) is str and secret in value for scope in scopes for value in list(scope.values()))


def test_init_creates_a_private_database_with_a_login_that_owns_nothing(new_operator):
    data = new_operator.folder / "data"
    data.mkdir(mode=0o755)
    operator = CommandLineInThisProcess(new_operator.folder)
    printed = operator.run("init")
    assert (printed.returncode, printed.stdout) == (0, "")
    for part in ("ENODE_CLIENT_ID", "EVCONDUIT_PUBLIC_URL", "`evconduit doctor`", "`evconduit serve`"):
        assert part in printed.stderr
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    doctor = operator.run("doctor").stdout
    assert "ok    database: embedded" in doctor
    assert "ok    data folder" in doctor
    assert "login owns the schema" not in doctor
    relay, owner = operator.run_checked("database", "url"), operator.run_checked("database", "url", "--owner")
    assert ("user=evconduit_relay " in relay, "user=evconduit " in owner) == (True, True)
    cluster = data / "postgres" / "data"
    with prepare_database(Settings(data=data)) as conninfo:
        assert "user=evconduit_relay " in conninfo
        assert not is_held((cluster / "evconduit-owner-secret").read_text())
        assert is_held((cluster / "evconduit-relay-secret").read_text())
    (cluster / "evconduit-relay-secret").write_text("f" * 64)  # the next start replaces the password
    assert operator.run("status").returncode == 0
    with prepare_database(Settings(data=data)) as conninfo:
        assert is_held((cluster / "evconduit-relay-secret").read_text())


def test_login_that_only_belongs_to_the_relays_role_is_enough_on_an_external_server(operator, postgres, database_url):
    with psycopg.connect(postgres, autocommit=True) as owner:
        owner.execute("create role relay_login login password 'x' in role evconduit_relay")
    try:
        url = psycopg.conninfo.make_conninfo(database_url, user="relay_login", password="x")
        assert operator.run("status", DATABASE_URL=url).returncode == 0
        assert "login owns the schema" not in operator.run("doctor", DATABASE_URL=url).stdout
        assert "login owns the schema" in operator.run("doctor", DATABASE_URL=database_url).stdout
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("delete from supabase_migrations.schema_migrations where version > '20261129150000'")
            owner.execute("revoke all on schema supabase_migrations from evconduit_relay")
        outdated = operator.run("status", DATABASE_URL=url)
        assert (outdated.returncode, "run `evconduit migrate` as its owner" in outdated.stderr) == (2, True)
    finally:
        with psycopg.connect(postgres, autocommit=True) as owner:
            owner.execute("drop role relay_login")


def test_database_before_its_first_migration_is_refused_with_the_command_to_run(operator, postgres):
    with psycopg.connect(postgres, autocommit=True) as owner:
        owner.execute("create database never_migrated")
    url = psycopg.conninfo.make_conninfo(postgres, dbname="never_migrated")
    refused = operator.run("status", DATABASE_URL=url)
    assert (refused.returncode, "run `evconduit migrate` as its owner" in refused.stderr) == (2, True)
    apply_migrations(url)
    assert operator.run("status", DATABASE_URL=url).returncode == 0


def test_programs_of_the_embedded_server_are_found(operator):
    folder = Path(operator.run_checked("database", "programs"))
    assert all((folder / program).is_file() for program in ("pg_dump", "pg_restore", "psql"))
