"""`evconduit login`: print one-time links that sign in the owner of a self-hosted relay on its web pages."""

from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.shared import RelayAccess, print_note, run_story
from relay.kit.errors import OperatorError

if TYPE_CHECKING:
    from relay.settings import Settings

app = typer.Typer()


@app.command()
def login(
    user: Annotated[
        str | None, typer.Option(help="Email address or ID of the account. Required if there are several.")
    ] = None,
) -> None:
    """Print a link that signs the owner in on the relay's web pages. It works once, within 15 minutes."""
    from relay.identity.sign_in_links import LIFETIME, create_sign_in_link
    from relay.settings import load_settings

    settings = load_settings()
    if settings.mode == "cloud":
        raise OperatorError("there are no sign-in links in cloud mode: sign in with Supabase, on the page /sign-in")

    async def create_link(relay: RelayAccess) -> str:
        user_id = await relay.get_user_id(user) if user else await relay.find_owner_id()
        return await create_sign_in_link(relay.connection, user_id)

    print(_build_sign_in_url(settings, run_story(create_link, settings)))
    print_note(f"Open it in a browser within {LIFETIME.seconds // 60} minutes. It works once.")


def print_owner_sign_in_link(settings: Settings, conninfo: str) -> None:
    """Print a sign-in link when a self-hosted relay starts without an account; using it creates the owner's."""
    import asyncio

    from relay.identity.sign_in_links import LIFETIME

    if settings.mode == "cloud" or settings.ingress_port is not None:
        return
    token = asyncio.run(_create_owner_link(conninfo))
    if token is None:
        return
    minutes, url = LIFETIME.seconds // 60, _build_sign_in_url(settings, token)
    # To standard output, not to the log: logs are kept, and read by others.
    print(f"To sign in as the owner, open this link within {minutes} minutes. It works once: {url}", flush=True)
    print_note("For another link, run `evconduit login`.")


async def _create_owner_link(conninfo: str) -> str | None:
    """A link for an owner who doesn't exist yet; None when there is an account."""
    from relay.identity.sign_in_links import create_sign_in_link, list_owners
    from relay.kit.database import connect_as_relay

    async with connect_as_relay(conninfo) as connection:
        if await list_owners(connection):
            return None
        return await create_sign_in_link(connection, None)


def _build_sign_in_url(settings: Settings, token: str) -> str:
    return f"{settings.base_url}/sign-in/link/{token}"
