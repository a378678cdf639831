"""OAuth 2 with a relay: finds its authorization page and revokes its tokens."""

from contextlib import suppress
from http import HTTPStatus
from typing import Final

from aiohttp import ClientSession
from yarl import URL

from .client import DEFAULT_TIMEOUT
from .errors import UnsupportedRelayError
from .json_reader import MalformedError
from .responses import RELAY_HEADER, parse_json_object, raise_for_problem, translate_errors

CLIENT_ID: Final = "home-assistant"
"""A public client: the id is not a secret. PKCE proves that the client redeems its own code."""
SCOPE: Final = "read control"
PKCE_METHOD: Final = "S256"


def get_token_url(url: str) -> str:
    """Return the token endpoint: always at the address that the user entered, the only one that secrets are sent to."""
    return f"{url}/oauth/token"


async def find_authorize_url(session: ClientSession, url: str) -> str | None:
    """Find the relay's authorization page. None if it supports API keys only. Raises RelayError if there is no relay.

    The page's address comes from the relay's metadata (RFC 8414), because a browser may reach the relay at another
    address than Home Assistant does.
    """
    with translate_errors():
        with suppress(UnsupportedRelayError, MalformedError):
            return await _get_authorize_url(session, url)
        await _require_relay(session, url)
        return None


async def _get_authorize_url(session: ClientSession, url: str) -> str | None:
    metadata_url = URL(url) / ".well-known" / "oauth-authorization-server"
    async with session.get(metadata_url, timeout=DEFAULT_TIMEOUT, allow_redirects=False) as response:
        if response.status == HTTPStatus.NOT_FOUND:
            raise UnsupportedRelayError("no OAuth metadata")
        await raise_for_problem(response)
        metadata = parse_json_object(await response.read())
    if PKCE_METHOD not in metadata.get_str_list("code_challenge_methods_supported"):
        raise MalformedError("code_challenge_methods_supported")
    page = URL(metadata.require_str("authorization_endpoint"))
    # The user's browser opens it. A relay with https must not lead to a page without it.
    if page.scheme not in {"https", URL(url).scheme} or not page.host or page.user is not None:
        raise MalformedError("authorization_endpoint")
    return str(page)


async def _require_relay(session: ClientSession, url: str) -> None:
    """Raise UnsupportedRelayError unless the server refuses a request without credential, as a relay with v2 does."""
    account_url = URL(url) / "api" / "ha" / "v2" / "account"
    async with session.get(account_url, timeout=DEFAULT_TIMEOUT, allow_redirects=False) as response:
        if response.status == HTTPStatus.UNAUTHORIZED and RELAY_HEADER in response.headers:
            return
        if response.status == HTTPStatus.NOT_FOUND:
            raise UnsupportedRelayError("a relay without API v2")
        await raise_for_problem(response)
        raise UnsupportedRelayError("a relay that requires no credential")


async def revoke_token(session: ClientSession, url: str, token: str) -> None:
    """Revoke a token and its grant (RFC 7009). A token that is no longer valid is not an error."""
    form = {"client_id": CLIENT_ID, "token": token}
    with translate_errors():
        async with session.post(
            URL(url) / "oauth" / "revoke", data=form, timeout=DEFAULT_TIMEOUT, allow_redirects=False
        ) as response:
            await raise_for_problem(response)
