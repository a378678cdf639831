"""How the owner of a self-hosted relay gets onto its pages: by a printed link, good once and for a short time."""

from typing import Annotated
from uuid import UUID

import typer

from relay.cli.shared import account, connected, note
from relay.identity.sign_in_links import LIVES, make_link
from relay.kit.database import SyncConnection, as_relay
from relay.kit.errors import StartError
from relay.settings import Settings, load_settings

app = typer.Typer()

HAS_OWNER = "select from users where closed_at is null limit 1"


@app.command()
def login(
    user: Annotated[str | None, typer.Option(help="E-mail address or id, where there are several accounts.")] = None,
) -> None:
    """Print a link that signs the owner in on the relay's pages. Good once, for 15 minutes."""
    settings = load_settings()
    if settings.mode == "cloud":
        raise StartError("in cloud mode people sign in with Supabase, on the page /sign-in")
    with connected(settings) as connection:
        user_id = account(connection, user) if user else _only_account(connection)
        print(_address(settings, make_link(connection, user_id)))
    note(f"Open it in a browser within {LIVES.seconds // 60} minutes.")


def welcome_owner(settings: Settings, conninfo: str) -> None:
    """At the first start of a self-hosted relay: print the link by which its owner begins to exist."""
    if settings.mode == "cloud" or settings.ingress_port is not None:
        return
    with as_relay(conninfo) as connection:
        if connection.execute(HAS_OWNER).fetchone() is not None:
            return
        token = make_link(connection, None)
    # Standard output and nothing else: logs are kept, and read by others.
    print(f"Sign in as the owner, once, within {LIVES.seconds // 60} minutes: {_address(settings, token)}", flush=True)
    note("another such link: `evconduit login`")


def _address(settings: Settings, token: str) -> str:
    return f"{settings.base_url}/sign-in/link/{token}"


def _only_account(connection: SyncConnection) -> UUID | None:
    rows = connection.execute("select id from users where closed_at is null limit 2").fetchall()
    if len(rows) > 1:
        raise StartError("there are several accounts: say which with --user")
    return UUID(str(rows[0][0])) if rows else None
