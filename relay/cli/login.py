"""How the owner of a self-hosted relay gets onto its pages: by a printed link, good once and for a short time."""

from typing import Annotated
from uuid import UUID

import typer

from relay.cli.shared import get_user_id, open_connection, print_note
from relay.identity.sign_in_links import LIFETIME, create_sign_in_link
from relay.kit.database import SyncConnection, connect_as_relay_sync
from relay.kit.errors import OperatorError
from relay.settings import Settings, load_settings

app = typer.Typer()

FIND_OWNER = "select from users where closed_at is null limit 1"


@app.command()
def login(
    user: Annotated[str | None, typer.Option(help="E-mail address or id, where there are several accounts.")] = None,
) -> None:
    """Print a link that signs the owner in on the relay's pages. Good once, for 15 minutes."""
    settings = load_settings()
    if settings.mode == "cloud":
        raise OperatorError("in cloud mode people sign in with Supabase, on the page /sign-in")
    with open_connection(settings) as connection:
        user_id = get_user_id(connection, user) if user else _find_only_user_id(connection)
        print(_build_sign_in_url(settings, create_sign_in_link(connection, user_id)))
    print_note(f"Open it in a browser within {LIFETIME.seconds // 60} minutes.")


def print_owner_sign_in_link(settings: Settings, conninfo: str) -> None:
    """At the first start of a self-hosted relay: print the link by which its owner begins to exist."""
    if settings.mode == "cloud" or settings.ingress_port is not None:
        return
    with connect_as_relay_sync(conninfo) as connection:
        if connection.execute(FIND_OWNER).fetchone() is not None:
            return
        token = create_sign_in_link(connection, None)
    # Standard output and nothing else: logs are kept, and read by others.
    print(
        f"Sign in as the owner, once, within {LIFETIME.seconds // 60} minutes: {_build_sign_in_url(settings, token)}",
        flush=True,
    )
    print_note("another such link: `evconduit login`")


def _build_sign_in_url(settings: Settings, token: str) -> str:
    return f"{settings.base_url}/sign-in/link/{token}"


def _find_only_user_id(connection: SyncConnection) -> UUID | None:
    rows = connection.execute("select id from users where closed_at is null limit 2").fetchall()
    if len(rows) > 1:
        raise OperatorError("there are several accounts: say which with --user")
    return UUID(str(rows[0][0])) if rows else None
