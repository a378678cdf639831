"""`evconduit`: the relay's command line."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import Annotated
from uuid import UUID

import psycopg
import typer

from relay.doctor import examine
from relay.gateways.enode import EnodeError, open_enode
from relay.gateways.enode.languages import is_tag, nearest
from relay.identity.credentials import new_key
from relay.identity.repository import Owner, add_key, add_user, find_users, list_keys, revoke_key
from relay.kit.errors import StartError
from relay.kit.logs import configure_logs
from relay.kit.migrations import migrate as apply_migrations
from relay.settings import Settings, load_settings
from relay.startup import owner_conninfo, ready_database
from relay.usecases.link_vehicle import start_link

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
user_app = typer.Typer(help="Account holders.", no_args_is_help=True)
key_app = typer.Typer(help="API keys, one for each Home Assistant.", no_args_is_help=True)
vehicle_app = typer.Typer(help="Cars.", no_args_is_help=True)
database_app = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(user_app, name="user")
app.add_typer(key_app, name="key")
app.add_typer(vehicle_app, name="vehicle")
app.add_typer(database_app, name="database")

# No `type` statement: typer does not look inside one.
Account = Annotated[str, typer.Option("--user", help="E-mail address or id of the account.")]


def main() -> None:
    """Run the command; a problem that the operator can mend is one line and exit status 2."""
    # uvicorn raises the signal that ended it once more: by default that would end us before the database is stopped.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        app()
    except StartError as error:
        print(f"evconduit: {error}", file=sys.stderr)
        sys.exit(2)


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [EVCONDUIT_HOST, else 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [EVCONDUIT_PORT, else 8300]")] = None,
) -> None:
    """Run the relay: web, API, stream and worker in one process, until Ctrl-C or SIGTERM."""
    from relay import server  # noqa: PLC0415 - the web's machinery takes a second to load, and only this command wants it

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings().model_copy(update=given)
    configure_logs(settings.log_level)
    with closing(server.listen(settings.host, settings.port)) as listening, ready_database(settings) as conninfo:
        note(f"relay on {settings.base_url}, listening on {settings.host}:{settings.port}")
        server.run(settings, conninfo, listening)


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this relay. Wants DATABASE_URL of the schema's owner, or the embedded one."""
    settings = load_settings()
    with owner_conninfo(settings) as conninfo:
        try:
            applied = apply_migrations(conninfo)
        except psycopg.Error as error:
            cause = str(error).strip().splitlines()[0]
            raise StartError(f"the migration failed: {cause}; check DATABASE_URL") from None
    for migration in applied:
        note(f"applied {migration.version} {migration.name}")
    note("the database is up to date")


@app.command()
def doctor() -> None:
    """Look at settings, database and Enode, and say what is wrong and what to do. Exit status 1 when something is."""
    findings = asyncio.run(examine(load_settings()))
    for finding in findings:
        print(f"{'ok  ' if finding.fine else 'FAIL'}  {finding.what}: {finding.says}")
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)


@database_app.command("url")
def database_url() -> None:
    """Print the connection string of the database. The embedded one answers while `evconduit serve` runs."""
    with owner_conninfo(load_settings()) as conninfo:
        print(conninfo)


@user_app.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="Where this person gets mail.")],
    name: Annotated[str, typer.Option(help="What to call the account in Home Assistant.")] = "",
    language: Annotated[
        str, typer.Option(help="What this person reads, e.g. de or nl-BE; the nearest is taken.")
    ] = "en-US",
) -> None:
    """Add an account holder and print the account's id."""
    if "@" not in email.strip("@"):
        raise StartError(f"{email!r} is no e-mail address")
    if not is_tag(language):
        raise StartError(f"{language!r} is no language tag: give one such as de or nl-BE")
    with _connected() as connection:
        user_id = add_user(connection, email=email, name=name, language=nearest(language))
    print(user_id)


@key_app.command("create")
def key_create(
    user: Account,
    name: Annotated[str, typer.Option(help="Which Home Assistant or script it is for.")] = "Home Assistant",
    scope: Annotated[list[str] | None, typer.Option(help="read, control; both unless given. Repeatable.")] = None,
) -> None:
    """Make an API key and print it. It is shown this once; only its hash is kept."""
    scopes = list(dict.fromkeys(scope or ["read", "control"]))
    if unknown := set(scopes) - {"read", "control"}:
        raise StartError(f"unknown scope {', '.join(sorted(unknown))}: there are read and control")
    key = new_key()
    with _connected() as connection:
        add_key(connection, _account(connection, user), key, name=name, scopes=scopes)
    print(key)
    note("Keep it: it cannot be shown again.")


@key_app.command("list")
def key_list(user: Account) -> None:
    """List an account's keys: how each begins, what it is for, when it was used."""
    with _connected() as connection:
        keys = list_keys(connection, _account(connection, user))
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        print(f"{key.prefix}…  {state}  {used}  {','.join(key.scopes)}  {key.name}")
    if not keys:
        note("no keys: make one with `evconduit key create`")


@key_app.command("revoke")
def key_revoke(
    beginning: Annotated[str, typer.Argument(help="How the key begins, as `evconduit key list` shows it.")],
    user: Account,
) -> None:
    """Revoke a key. Home Assistant is signed out within half a minute and asks for another one."""
    wanted = beginning.rstrip("…")
    with _connected() as connection:
        keys = list_keys(connection, _account(connection, user))
        found = [key for key in keys if wanted and key.prefix.startswith(wanted) and not key.revoked_at]
        if len(found) != 1:
            raise StartError(f"{len(found)} active keys begin with {wanted!r}: see `evconduit key list`")
        revoke_key(connection, found[0].id)
    note(f"revoked {found[0].prefix}… ({found[0].name})")


@vehicle_app.command("link")
def vehicle_link(
    user: Account, vendor: Annotated[str | None, typer.Option(help="Brand in Enode's spelling, e.g. TESLA.")] = None
) -> None:
    """Print the address of Enode's page where this account's owner links a car. Good once, for 24 hours."""
    settings = load_settings()
    with _connected(settings) as connection:
        user_id = _account(connection, user)
    print(asyncio.run(_link_url(settings, user_id, vendor)))
    note("Open it in a browser and sign in to the car's account. The car appears by itself.")


async def _link_url(settings: Settings, user_id: UUID, vendor: str | None) -> str:
    config = settings.enode_config()
    if config is None:
        raise StartError("ENODE_CLIENT_ID and ENODE_CLIENT_SECRET are missing: without them no car can be linked")
    async with open_enode(config) as enode:
        try:
            session = await start_link(enode, user_id, public_url=settings.base_url, vendor=vendor)
        except EnodeError as error:
            raise StartError(f"Enode gave no link: {error}") from None
    return session.url


@contextmanager
def _connected(settings: Settings | None = None) -> Iterator[Owner]:
    """A connection as the relay, committed at the end of the block."""
    with ready_database(settings or load_settings()) as conninfo, psycopg.connect(conninfo) as connection:
        connection.execute("set role evconduit_relay; set search_path to evconduit")
        yield connection


def _account(connection: Owner, email_or_id: str) -> UUID:
    found = find_users(connection, email_or_id)
    if not found:
        raise StartError(f"no account {email_or_id!r}: make one with `evconduit user add`")
    if len(found) > 1:
        ids = ", ".join(map(str, found))
        raise StartError(f"several accounts have {email_or_id!r}: name one by its id ({ids})")
    return found[0]


def note(text: str) -> None:
    """Tell the person, beside what a script reads from stdout."""
    print(text, file=sys.stderr, flush=True)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's calling convention
    if wanted:
        print(version("evconduit-relay"))
        raise typer.Exit


@app.callback()
def _options(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """EVConduit's relay: any electric car that Enode reaches, live inside Home Assistant."""
