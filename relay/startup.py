"""Prepare the database that the settings select, embedded or external: start, migrate and check it."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg.types.json import Jsonb

from relay.kit.database import SyncConnection
from relay.kit.embedded_postgres import EmbeddedPostgres
from relay.kit.errors import OperatorError
from relay.kit.migrations import apply_migrations, list_pending_migrations
from relay.settings import Settings
from relay.usecases.operations.webhook_secret import require_long_secret

CHECK_INTERVAL_SECONDS = 2


@contextmanager
def open_owner_conninfo(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """Yield the connection string of the schema's owner. The embedded server runs at least as long as the block.

    Raises OperatorError, also if there is no embedded database yet, unless `create` is set.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    postgres = get_embedded_postgres(settings)
    _require_embedded_database(settings, postgres, create=create)
    with postgres.lease() as conninfo:
        yield conninfo


def _require_embedded_database(settings: Settings, postgres: EmbeddedPostgres, *, create: bool) -> None:
    """Raise OperatorError if there is no embedded database, unless it may be created. Makes its folder private."""
    if not create and not postgres.exists:
        raise OperatorError(
            f"there is no database in {settings.data}: `evconduit serve` and `evconduit init` create one. "
            "If your relay has its data elsewhere, set EVCONDUIT_DATA, or DATABASE_URL, as it does"
        )
    settings.prepare_data_folder()


def get_embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """Return the embedded server, which is used if DATABASE_URL isn't set."""
    return EmbeddedPostgres(settings.data / "postgres")


async def run_postgres_restart_loop(settings: Settings) -> None:
    """Restart the embedded server whenever it has died, until cancelled."""
    postgres = get_embedded_postgres(settings)
    while True:
        await asyncio.to_thread(postgres.ensure_running)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)


@contextmanager
def prepare_database(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """Yield the relay's connection string of a database with this release's schema. Migrates the embedded one.

    Raises OperatorError if the database can't be used, is older than this release, or was set up for the other mode.
    An embedded database that is missing is created only if `create` is set.
    """
    with ExitStack() as stack:
        with _explain_database_errors(settings):
            conninfo = stack.enter_context(_open_relay_conninfo(settings, create=create))
            with psycopg.connect(conninfo, connect_timeout=10, autocommit=True) as connection:
                if not _is_up_to_date(connection):
                    raise OperatorError("the database is older than this relay: run `evconduit migrate` as its owner")
                _ensure_mode_matches(connection, settings.mode)
                if settings.enode_webhook_secret is not None:
                    require_long_secret(connection, settings.load_secret_key(), settings.webhook_secrets)
        yield conninfo


@contextmanager
def _open_relay_conninfo(settings: Settings, *, create: bool) -> Iterator[str]:
    """Yield the connection string of the relay's login, of a migrated database if that is the embedded one."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    postgres = get_embedded_postgres(settings)
    _require_embedded_database(settings, postgres, create=create)
    with postgres.lease():  # without a name for the owner's connection string: this block lasts as long as the process
        apply_migrations(postgres.conninfo)
        yield postgres.relay_conninfo


@contextmanager
def _explain_database_errors(settings: Settings) -> Iterator[None]:
    """Raise OperatorError for a database error: one line with the cause and what to do."""
    try:
        yield
    except psycopg.OperationalError as error:
        cause = str(error).strip().splitlines()[-1]
        raise OperatorError(f"the database cannot be reached: {cause}; {_find_remedy(settings, cause)}") from None
    except psycopg.Error as error:
        cause = str(error).splitlines()[0]
        raise OperatorError(f"the database refuses the relay: {cause}; see docs/self-hosting.md") from None


def _find_remedy(settings: Settings, cause: str) -> str:
    if settings.database_url is not None:
        return "check DATABASE_URL"
    postgres = settings.data / "postgres"
    if "password authentication failed" in cause:
        return f"to set new passwords, delete {postgres / 'data' / 'evconduit-logins'} and start again"
    return f"see {postgres / 'postgres.log'}"


def _is_up_to_date(connection: SyncConnection) -> bool:
    """Whether the database has all migrations of this release. The connection has the relay's role from then on."""
    try:
        connection.execute("set role evconduit_relay")
    except psycopg.errors.InvalidParameterValue:  # the first migration creates the role
        return False
    try:
        return not list_pending_migrations(connection)
    except psycopg.errors.InsufficientPrivilege:  # a later migration lets the role read the table of migrations
        return False


def _ensure_mode_matches(connection: SyncConnection, mode: str) -> None:
    """Store the mode at the first start; later, raise OperatorError if the setting differs.

    Limits and sign-in follow the mode, so a mistake in the environment must not change it.
    """
    connection.execute(
        "insert into evconduit.settings (key, value) values ('mode', %s) on conflict do nothing", [Jsonb(mode)]
    )
    row = connection.execute("select value from evconduit.settings where key = 'mode'").fetchone()
    recorded = row[0] if row else mode
    if recorded != mode:
        raise OperatorError(f"EVCONDUIT_MODE is {mode}, but this database was set up as {recorded}: change one of them")
