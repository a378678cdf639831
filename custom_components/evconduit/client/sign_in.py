"""Signing in with a browser (OAuth 2): where a relay does that, and the end of what it gave."""

from contextlib import suppress
from http import HTTPStatus
from typing import Final

from aiohttp import ClientSession
from yarl import URL

from .answers import RELAY_HEADER, check, json_of, translated
from .client import QUICK
from .errors import UnsupportedRelayError
from .fields import MalformedError

CLIENT_ID: Final = "home-assistant"
"""A public client: the id is no secret and proves nothing, PKCE does."""
SCOPE: Final = "read control"
METHOD: Final = "S256"


def token_url(url: str) -> str:
    """Where a relay gives tokens. At the address that its user gave: there, and nowhere else, secrets are sent."""
    return f"{url}/oauth/token"


async def find_sign_in(session: ClientSession, url: str) -> str | None:
    """Where a browser signs in at the relay; None where only keys let in. Raises RelayError where there is no relay.

    A browser may know the relay by another address than we do, so the relay is asked for it (RFC 8414).
    """
    with translated():
        with suppress(UnsupportedRelayError, MalformedError):
            return await _ask_metadata(session, url)
        await _demand_relay(session, url)
        return None


async def _ask_metadata(session: ClientSession, url: str) -> str | None:
    where = URL(url) / ".well-known" / "oauth-authorization-server"
    async with session.get(where, timeout=QUICK, allow_redirects=False) as response:
        if response.status == HTTPStatus.NOT_FOUND:
            raise UnsupportedRelayError("a relay without OAuth, or none at all")
        await check(response)
        metadata = json_of(await response.read())
    if METHOD not in metadata.texts("code_challenge_methods_supported"):
        raise MalformedError("code_challenge_methods_supported")
    page = URL(metadata.needed_text("authorization_endpoint"))
    # It is opened in a person's browser: from an encrypted relay never to a page in the open.
    if page.scheme not in {"https", URL(url).scheme} or not page.host or page.user is not None:
        raise MalformedError("authorization_endpoint")
    return str(page)


async def _demand_relay(session: ClientSession, url: str) -> None:
    """Raises UnsupportedRelayError unless a relay asks who we are, as each one with a v2 does."""
    where = URL(url) / "api" / "ha" / "v2" / "account"
    async with session.get(where, timeout=QUICK, allow_redirects=False) as response:
        if response.status == HTTPStatus.UNAUTHORIZED and RELAY_HEADER in response.headers:
            return
        if response.status == HTTPStatus.NOT_FOUND:
            raise UnsupportedRelayError("a relay without v2")
        await check(response)
        raise UnsupportedRelayError("a relay that lets everybody in")


async def revoke(session: ClientSession, url: str, token: str) -> None:
    """End what a token stands for (RFC 7009); a token that is dead already is no error."""
    form = {"client_id": CLIENT_ID, "token": token}
    with translated():
        async with session.post(URL(url) / "oauth" / "revoke", data=form, timeout=QUICK, allow_redirects=False) as told:
            await check(told)
