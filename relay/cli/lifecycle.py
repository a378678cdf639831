"""Running the relay, and seeing that it can."""

import asyncio
from contextlib import ExitStack, closing
from typing import Annotated

import psycopg
import typer

from relay.cli.login import print_owner_sign_in_link
from relay.cli.shared import print_note
from relay.doctor import run_checks
from relay.kit.errors import OperatorError
from relay.kit.logs import configure_logging
from relay.kit.migrations import apply_migrations
from relay.settings import load_settings
from relay.startup import open_owner_conninfo, prepare_database

app = typer.Typer()
ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - inside a container
database_app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [EVCONDUIT_HOST, else 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [EVCONDUIT_PORT, else 8300]")] = None,
    *,
    worker: Annotated[
        bool, typer.Option(help="Also act on what arrives. Without, `evconduit work` must run somewhere.")
    ] = True,
) -> None:
    """Run the relay: web, API, stream and worker in one process, until Ctrl-C or SIGTERM."""
    from relay import server  # noqa: PLC0415 - the web's machinery takes a second to load, and only this command wants it

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings().model_copy(update=given)
    configure_logging(settings.log_level)
    with ExitStack() as stack:
        listening = [stack.enter_context(closing(server.open_listening_socket(settings.host, settings.port)))]
        if settings.ingress_port is not None:
            # Reached from another container; who may is decided by the address they come from.
            listening.append(
                stack.enter_context(closing(server.open_listening_socket(ALL_INTERFACES, settings.ingress_port)))
            )
        conninfo = stack.enter_context(prepare_database(settings))
        print_note(f"relay on {settings.base_url}, listening on {settings.host}:{settings.port}")
        print_owner_sign_in_link(settings, conninfo)
        server.run_server(settings, conninfo, listening, with_worker=worker)


@app.command()
def work() -> None:
    """Run a worker without web: it acts on what `evconduit serve --no-worker` takes in. Any number on one database."""
    from relay import worker  # noqa: PLC0415 - as above

    settings = load_settings()
    configure_logging(settings.log_level)
    with prepare_database(settings) as conninfo:
        worker.run_worker(settings, conninfo)


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this relay. Wants DATABASE_URL of the schema's owner, or the embedded one."""
    settings = load_settings()
    with open_owner_conninfo(settings) as conninfo:
        try:
            applied = apply_migrations(conninfo)
        except psycopg.Error as error:
            cause = str(error).strip().splitlines()[0]
            raise OperatorError(f"the migration failed: {cause}; check DATABASE_URL") from None
    for migration in applied:
        print_note(f"applied {migration.version} {migration.name}")
    print_note("the database is up to date")


@app.command()
def doctor() -> None:
    """Look at settings, database and Enode, and say what is wrong and what to do. Exit status 1 when something is."""
    findings = asyncio.run(run_checks(load_settings()))
    for finding in findings:
        print(f"{'ok  ' if finding.is_ok else 'FAIL'}  {finding.name}: {finding.message}")
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(1)


@database_app.command("url")
def database_url() -> None:
    """Print the connection string of the database. The embedded one answers while `evconduit serve` runs."""
    with open_owner_conninfo(load_settings()) as conninfo:
        print(conninfo)
