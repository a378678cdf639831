"""Prepare the database that the settings select, embedded or external: start, migrate and check it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

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
def open_owner_conninfo(settings: Settings) -> Iterator[str]:
    """Yield the database's connection string. The embedded server runs at least as long as the block."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with get_embedded_postgres(settings).lease() as conninfo:
        yield conninfo


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
def prepare_database(settings: Settings) -> Iterator[str]:
    """Yield the connection string of a database with this release's schema. Migrates the embedded one.

    Raises OperatorError if the database can't be used, is older than this release, or was set up for the other mode.
    """
    with open_owner_conninfo(settings) as conninfo:
        try:
            if settings.database_url is None:
                apply_migrations(conninfo)
            with psycopg.connect(conninfo, connect_timeout=10) as connection:
                if list_pending_migrations(connection):
                    raise OperatorError("the database is older than this relay: run `evconduit migrate` as its owner")
                connection.execute("set role evconduit_relay")
                _ensure_mode_matches(connection, settings.mode)
                if settings.enode_webhook_secret is not None:
                    require_long_secret(connection, settings.load_secret_key(), settings.webhook_secrets)
        except psycopg.OperationalError as error:
            cause = str(error).strip().splitlines()[-1]
            raise OperatorError(f"the database cannot be reached: {cause}; check DATABASE_URL") from None
        except psycopg.Error as error:
            cause = str(error).splitlines()[0]
            raise OperatorError(f"the database refuses the relay: {cause}; see docs/self-hosting.md") from None
        yield conninfo


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
