"""A third-party OAuth client (authlib) against a real server on loopback, from the consent page to revocation.

It runs in threads, because authlib deprecates its client for our event loop.
"""

import re
import secrets
from asyncio import to_thread
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from relay.app import create_app
from relay.identity.web_sessions import create_web_session
from relay.server import open_listening_socket
from relay.settings import Settings
from tests.relay.support.serving import serve_relay

REDIRECT = "http://homeassistant.local:8123/auth/external/callback"


@pytest.fixture
async def relay(tmp_path, database_url):
    """URL of the relay, the same as in its metadata."""
    listening = open_listening_socket("127.0.0.1", 0)
    public_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32, public_url=public_url)
    async with serve_relay(create_app(settings, database_url, with_worker=False), listening) as url:
        assert url == public_url
        yield url


async def approve(address, pool, user_id):
    """Redirect URL after the signed-in user has allowed access in the browser."""
    async with httpx.AsyncClient() as browser:
        async with pool.connection() as connection:
            browser.cookies.set("evconduit_session", await create_web_session(connection, user_id, "link"))
        page = await browser.get(address)
        hidden_fields = dict(re.findall(r'name="(csrf|request)" value="([^"]+)"', page.text))
        return (await browser.post(address.partition("?")[0], data=hidden_fields | {"decision": "approve"})).headers[
            "location"
        ]


async def test_authlib_client_signs_in_refreshes_and_revokes(relay, pool, account):
    async with httpx.AsyncClient() as http:
        metadata = (await http.get(f"{relay}/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == relay
    session = OAuth2Session(
        client_id="home-assistant",
        redirect_uri=REDIRECT,
        scope="read control",
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
        token_endpoint_auth_method="none",
        revocation_endpoint_auth_method="none",
    )
    with session as client:
        verifier = secrets.token_urlsafe(48)
        address, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, name="Home"
        )
        redirect_url = await approve(address, pool, account.user_id)
        query = parse_qs(urlsplit(redirect_url).query)
        assert redirect_url.startswith(REDIRECT + "?")
        assert (query["state"], query["iss"]) == ([state], [relay])
        first = await to_thread(
            client.fetch_token, authorization_response=redirect_url, state=state, code_verifier=verifier
        )
        assert (first["scope"], first["expires_in"]) == ("read control", 1800)
        assert (await to_thread(client.get, f"{relay}/api/ha/v2/account")).status_code == 200

        second = await to_thread(client.refresh_token, metadata["token_endpoint"])
        assert second["access_token"] != first["access_token"]
        assert (await to_thread(client.get, f"{relay}/api/ha/v2/account")).json()["title"] == "a@example.org"

        revoked = await to_thread(client.revoke_token, metadata["revocation_endpoint"], token=second["refresh_token"])
        assert revoked.status_code == 200
        assert (await to_thread(client.get, f"{relay}/api/ha/v2/account")).status_code == 401
        with pytest.raises(OAuthError, match="invalid_grant"):
            await to_thread(client.refresh_token, metadata["token_endpoint"])
