"""A minimal OAuth client for the tests, and codes that a user has approved."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx

from relay.identity.oauth import MY_HOME_ASSISTANT
from relay.identity.oauth_requests import parse_authorization_request
from relay.usecases.calls.runtime import Runtime
from relay.usecases.oauth.issue_code import approve_request

CLIENT = "home-assistant"


@dataclass(frozen=True, kw_only=True)
class IssuedCode:
    """An authorization code with its PKCE verifier and redirect URI."""

    code: str
    verifier: str = field(repr=False)
    redirect_uri: str = MY_HOME_ASSISTANT

    def form(self, **changes: str | None) -> dict[str, str]:
        """Form for the token endpoint; a change of None removes the field."""
        fields = {
            "grant_type": "authorization_code",
            "client_id": CLIENT,
            "code": self.code,
            "code_verifier": self.verifier,
            "redirect_uri": self.redirect_uri,
        } | changes
        return {name: value for name, value in fields.items() if value is not None}


def compute_code_challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def build_authorization_query(verifier: str, **changes: str | None) -> dict[str, str]:
    """Query of an authorization request; a change of None removes the parameter."""
    query = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": MY_HOME_ASSISTANT,
        "state": "the state",
        "code_challenge": compute_code_challenge(verifier),
        "code_challenge_method": "S256",
        "scope": "read control",
        "name": "Home",
    } | changes
    return {name: value for name, value in query.items() if value is not None}


async def issue_code(runtime: Runtime, user_id: UUID, **changes: str | None) -> IssuedCode:
    """A code for a request that the user has approved."""
    verifier = secrets.token_urlsafe(48)
    authorization_request = parse_authorization_request(
        build_authorization_query(verifier, **changes).items(), allow_local=True
    )
    query = parse_qs(urlsplit(await approve_request(runtime, user_id, authorization_request)).query)
    return IssuedCode(code=query["code"][0], verifier=verifier, redirect_uri=authorization_request.redirect_uri)


class OAuthClient:
    """The OAuth endpoints of the relay as a client calls them."""

    def __init__(self, http: httpx.AsyncClient, runtime: Runtime) -> None:
        self.http, self.runtime = http, runtime

    async def token(self, fields: dict[str, str] | None = None, **more: str) -> httpx.Response:
        return await self.http.post("/oauth/token", data=(fields or {}) | more)

    async def sign_in(self, user_id: UUID, **changes: str | None) -> dict:
        """Tokens of a new installation of this user."""
        response = await self.token((await issue_code(self.runtime, user_id, **changes)).form())
        assert response.status_code == 200, response.text
        return response.json()

    async def refresh(self, token: str, **changes: str) -> httpx.Response:
        return await self.token({"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": token} | changes)

    async def revoke(self, token: str, **changes: str) -> httpx.Response:
        return await self.http.post("/oauth/revoke", data={"token": token, "client_id": CLIENT} | changes)

    async def call(self, access_token: str, path: str = "/api/ha/v2/account") -> int:
        """Status of an unmetered call with this token."""
        return (await self.http.get(path, headers={"Authorization": f"Bearer {access_token}"})).status_code
