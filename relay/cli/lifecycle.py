"""Commands that run the relay and its database: serve, work, init, migrate, doctor, database."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.login import print_owner_sign_in_link
from relay.cli.shared import print_note
from relay.kit.errors import OperatorError

if TYPE_CHECKING:
    from relay.kit.migrations import Migration
    from relay.settings import Settings

app = typer.Typer()
ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - inside a container
database_app = typer.Typer(help="Manage the database.", no_args_is_help=True)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [EVCONDUIT_HOST, else 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [EVCONDUIT_PORT, else 8300]")] = None,
    *,
    worker: Annotated[
        bool, typer.Option(help="Also process events. With --no-worker, run `evconduit work` elsewhere.")
    ] = True,
) -> None:
    """Run the relay: web pages, API, streams and worker in one process, until Ctrl-C or SIGTERM."""
    from relay import server
    from relay.cli.setup_summary import render_setup_summary
    from relay.kit.logs import configure_logging
    from relay.settings import load_settings
    from relay.startup import prepare_database

    overrides = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings().model_copy(update=overrides)
    configure_logging(settings.log_level)
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(server.open_listening_socket(settings.host, settings.port)))]
        if settings.ingress_port is not None:
            # Home Assistant connects from another container; access is decided by the client's address.
            sockets.append(
                stack.enter_context(closing(server.open_listening_socket(ALL_INTERFACES, settings.ingress_port)))
            )
        conninfo = stack.enter_context(prepare_database(settings, create=True))
        print_note(render_setup_summary(settings))
        print_owner_sign_in_link(settings, conninfo)
        server.run_server(settings, conninfo, sockets, with_worker=worker)


@app.command()
def work() -> None:
    """Run a worker without web server, beside `evconduit serve --no-worker`. Any number can share one database."""
    from relay import worker
    from relay.kit.logs import configure_logging
    from relay.settings import load_settings
    from relay.startup import prepare_database

    settings = load_settings()
    configure_logging(settings.log_level)
    with prepare_database(settings) as conninfo:
        worker.run_worker(settings, conninfo)


@app.command()
def init() -> None:
    """Create the database of a new relay, and print what is configured and what is missing.

    `evconduit serve` does the same when it first starts. If DATABASE_URL is set, it must connect as the schema's owner.
    """
    from relay.cli.setup_summary import render_setup_summary
    from relay.settings import load_settings
    from relay.startup import prepare_database

    settings = load_settings()
    with _open_migrated_database(settings), prepare_database(settings):
        settings.load_secret_key()
    print_note(render_setup_summary(settings))
    print_note(
        "The database is ready. Check the setup with `evconduit doctor`, then start the relay: `evconduit serve`."
    )


@app.command()
def migrate() -> None:
    """Create the database or update its schema. If DATABASE_URL is set, it must connect as the schema's owner."""
    from relay.settings import load_settings

    with _open_migrated_database(load_settings()) as applied:
        for migration in applied:
            print_note(f"Applied {migration.version} {migration.name}")
    print_note("The database is up to date.")


@contextmanager
def _open_migrated_database(settings: Settings) -> Iterator[list[Migration]]:
    """Apply pending migrations and yield them. The embedded server runs at least as long as the block.

    Raises OperatorError.
    """
    import psycopg

    from relay.kit.migrations import apply_migrations
    from relay.startup import open_owner_conninfo

    with open_owner_conninfo(settings, create=True) as conninfo:
        try:
            applied = apply_migrations(conninfo)
        except psycopg.Error as error:
            cause = str(error).strip().splitlines()[0]
            raise OperatorError(f"the migration failed: {cause}; check DATABASE_URL") from None
        yield applied


@app.command()
def doctor() -> None:
    """Check settings, database and Enode, and print what is wrong and how to fix it. Exit status 1 on a problem."""
    import asyncio

    from relay.doctor import run_checks
    from relay.settings import load_settings

    findings = asyncio.run(run_checks(load_settings()))
    for finding in findings:
        result = "skip" if finding.is_skipped else "ok  " if finding.is_ok else "FAIL"
        print(f"{result}  {finding.name}: {finding.message}")
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(1)


@database_app.command("url")
def database_url(
    *,
    owner: Annotated[
        bool, typer.Option("--owner", help="That of the embedded database's owner, for example for pg_dump.")
    ] = False,
) -> None:
    """Print the connection string of the database, with its password: by default that of the relay's login.

    The embedded database accepts connections while the relay runs.
    """
    from relay.settings import load_settings
    from relay.startup import open_owner_conninfo, prepare_database

    settings = load_settings()
    with open_owner_conninfo(settings) if owner or settings.database_url else prepare_database(settings) as conninfo:
        print(conninfo)


@database_app.command("programs")
def database_programs() -> None:
    """Print the folder of the embedded PostgreSQL's programs, for example pg_dump, in the version of its server."""
    from relay.kit.postgres_programs import find_programs_folder

    print(find_programs_folder())
