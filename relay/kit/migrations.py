"""Database migrations: plain SQL files, applied in order under a lock.

They are recorded where the Supabase CLI records them, so that either may apply them.
"""

from dataclasses import dataclass
from importlib import resources

import psycopg

from relay.kit.database import SyncConnection

MIGRATION_LOCK_ID = 0x45564D49  # "EVMI": one migration at a time in a database
JOBS_SCHEMA = "procrastinate"

CREATE_MIGRATIONS_TABLE = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
    version text not null primary key,
    statements text[],
    name text
);
"""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Migration:
    """One file `<version>_<name>.sql`; the version is a timestamp of 14 digits."""

    version: str
    name: str
    sql: str


def list_migrations() -> list[Migration]:
    """List the migrations of this release, oldest first."""
    folder = resources.files("relay") / "supabase" / "migrations"
    migrations = []
    for file in folder.iterdir():
        if file.name.endswith(".sql"):
            version, _, name = file.name.removesuffix(".sql").partition("_")
            migrations.append(Migration(version=version, name=name, sql=file.read_text(encoding="utf-8")))
    return sorted(migrations)


def list_pending_migrations(connection: SyncConnection) -> list[Migration]:
    """List the migrations that the database lacks, oldest first."""
    if not _table_exists(connection, "supabase_migrations.schema_migrations"):
        return list_migrations()
    rows = connection.execute("select version from supabase_migrations.schema_migrations").fetchall()
    applied = {row[0] for row in rows}
    return [migration for migration in list_migrations() if migration.version not in applied]


def apply_migrations(conninfo: str) -> list[Migration]:
    """Apply pending migrations, each in its own transaction, and return them. Needs the owner of the schema.

    Raises psycopg.Error: migrations applied before the failed one stay, the failed one leaves no trace.
    """
    applied = []
    with psycopg.connect(conninfo, autocommit=True, application_name="evconduit migrate") as connection:
        connection.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK_ID])
        with connection.transaction():
            connection.execute(CREATE_MIGRATIONS_TABLE)
        for migration in list_pending_migrations(connection):
            with connection.transaction():
                connection.execute(migration.sql)
                connection.execute(
                    "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
                    [migration.version, migration.name, [migration.sql]],
                )
            applied.append(migration)
        _apply_jobs_schema(connection)
    return applied


def _apply_jobs_schema(connection: SyncConnection) -> None:
    """Create procrastinate's tables in their own schema, unless they exist: its SQL can't be applied twice."""
    if _table_exists(connection, f"{JOBS_SCHEMA}.procrastinate_jobs"):
        return
    from procrastinate.schema import SchemaManager  # noqa: PLC0415 - slow to import, and needed once in a database

    with connection.transaction():
        connection.execute(
            f"create schema if not exists {JOBS_SCHEMA}; set local search_path to {JOBS_SCHEMA};"
            f"revoke all on schema {JOBS_SCHEMA} from public; grant usage on schema {JOBS_SCHEMA} to evconduit_relay"
        )
        connection.execute(SchemaManager.get_schema())
        connection.execute(
            # Not `all`: with a trigger of its own, the relay could run code as the owner.
            f"grant select, insert, update, delete on all tables in schema {JOBS_SCHEMA} to evconduit_relay;"
            f"grant usage on all sequences in schema {JOBS_SCHEMA} to evconduit_relay"
        )


def _table_exists(connection: SyncConnection, table: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", [table]).fetchone()
    return bool(row and row[0])
