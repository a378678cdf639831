"""OAuth 2 with a relay: finds its authorization page and revokes its tokens."""

from contextlib import suppress
from http import HTTPStatus
from typing import Final

from aiohttp import ClientResponse, ClientSession
from yarl import URL

from .certificate import TlsCheck
from .client import DEFAULT_TIMEOUT
from .errors import CertificateError, RedirectedError, UnsupportedRelayError
from .json_reader import MalformedError
from .responses import RELAY_HEADER, parse_json_object, raise_for_problem, translate_errors
from .url import parse_relay_url

CLIENT_ID: Final = "home-assistant"
"""A public client: the id is not a secret. PKCE proves that the client redeems its own code."""
SCOPE: Final = "read control"
PKCE_METHOD: Final = "S256"
METADATA_PATH: Final = "/.well-known/oauth-authorization-server"
REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS: Final = 3


def get_token_url(url: str) -> str:
    """Return the token endpoint: always at the address that the user entered, the only one that secrets are sent to."""
    return f"{url}/oauth/token"


async def find_authorize_url(session: ClientSession, url: str, *, tls_check: TlsCheck = True) -> str | None:
    """Find the relay's authorization page. None if it supports API keys only. Raises RelayError if there is no relay.

    The page's address comes from the relay's metadata (RFC 8414), because a browser may reach the relay at another
    address than Home Assistant does.
    """
    with translate_errors():
        try:
            return await _get_authorize_url(session, url, tls_check)
        except RedirectedError:
            raise
        except UnsupportedRelayError, MalformedError:
            await _require_relay(session, url, tls_check)
            return None


async def find_relay(session: ClientSession, url: str, *, tls_check: TlsCheck = True) -> tuple[str, str | None]:
    """Find the relay at this address, or where the address redirects to. Return its address and authorization page.

    No credential is sent. Raises RelayError if there is no relay, and CertificateError with the address that has the
    certificate.
    """
    try:
        for _ in range(MAX_REDIRECTS):
            try:
                return url, await find_authorize_url(session, url, tls_check=tls_check)
            except RedirectedError as err:
                if (target := _get_redirected_url(url, err.location)) is None:
                    raise
                url = target
        return url, await find_authorize_url(session, url, tls_check=tls_check)
    except CertificateError as err:
        err.relay_url = url
        raise


def _get_redirected_url(url: str, location: URL | None) -> str | None:
    """Return the relay's address that a redirect of its metadata shows. None if it leads to anything else."""
    if location is None or not location.path.endswith(METADATA_PATH):
        return None
    if location.scheme == "http" and URL(url).scheme == "https":
        return None  # would send the credential in the clear
    with suppress(ValueError):
        return parse_relay_url(str(location.with_path(location.path.removesuffix(METADATA_PATH))))
    return None


async def _get_authorize_url(session: ClientSession, url: str, tls_check: TlsCheck) -> str | None:
    async with session.get(
        f"{url}{METADATA_PATH}", ssl=tls_check, timeout=DEFAULT_TIMEOUT, allow_redirects=False
    ) as response:
        if response.status in REDIRECT_STATUSES and RELAY_HEADER not in response.headers:
            raise RedirectedError(response.status, _get_location(response))
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


def _get_location(response: ClientResponse) -> URL | None:
    try:
        location = response.url.join(URL(response.headers["Location"]))
    except KeyError, ValueError:
        return None
    return location if location.scheme in {"http", "https"} and location.host else None


async def _require_relay(session: ClientSession, url: str, tls_check: TlsCheck) -> None:
    """Raise UnsupportedRelayError unless the server refuses a request without credential, as a relay with v2 does."""
    account_url = URL(url) / "api" / "ha" / "v2" / "account"
    async with session.get(account_url, ssl=tls_check, timeout=DEFAULT_TIMEOUT, allow_redirects=False) as response:
        if response.status == HTTPStatus.UNAUTHORIZED and RELAY_HEADER in response.headers:
            return
        if response.status == HTTPStatus.NOT_FOUND:
            raise UnsupportedRelayError("a relay without API v2")
        await raise_for_problem(response)
        raise UnsupportedRelayError("a relay that requires no credential")


async def revoke_token(session: ClientSession, url: str, token: str, *, tls_check: TlsCheck = True) -> None:
    """Revoke a token and its grant (RFC 7009). A token that is no longer valid is not an error."""
    form = {"client_id": CLIENT_ID, "token": token}
    with translate_errors():
        async with session.post(
            URL(url) / "oauth" / "revoke", data=form, ssl=tls_check, timeout=DEFAULT_TIMEOUT, allow_redirects=False
        ) as response:
            await raise_for_problem(response)
