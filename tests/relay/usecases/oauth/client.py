"""An OAuth client of the plainest kind, and the owner who lets it in: what the tests of tokens begin with."""

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
class Asked:
    """A code, and what belongs to it."""

    code: str
    verifier: str = field(repr=False)
    redirect_uri: str = MY_HOME_ASSISTANT

    def form(self, **changes: str | None) -> dict[str, str]:
        """What to post for tokens; None takes a field away."""
        fields = {
            "grant_type": "authorization_code",
            "client_id": CLIENT,
            "code": self.code,
            "code_verifier": self.verifier,
            "redirect_uri": self.redirect_uri,
        } | changes
        return {name: value for name, value in fields.items() if value is not None}


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def request_for(verifier: str, **changes: str | None) -> dict[str, str]:
    """The query with which a Home Assistant asks; None takes a parameter away."""
    query = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": MY_HOME_ASSISTANT,
        "state": "the state",
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        "scope": "read control",
        "name": "Home",
    } | changes
    return {name: value for name, value in query.items() if value is not None}


async def ask(runtime: Runtime, user_id: UUID, **changes: str | None) -> Asked:
    """A code that the user has approved."""
    verifier = secrets.token_urlsafe(48)
    wanted = parse_authorization_request(request_for(verifier, **changes).items(), allow_local=True)
    query = parse_qs(urlsplit(await approve_request(runtime, user_id, wanted)).query)
    return Asked(code=query["code"][0], verifier=verifier, redirect_uri=wanted.redirect_uri)


class Door:
    """The relay as clients see it."""

    def __init__(self, http: httpx.AsyncClient, runtime: Runtime) -> None:
        self.http, self.runtime = http, runtime

    async def token(self, fields: dict[str, str] | None = None, **more: str) -> httpx.Response:
        return await self.http.post("/oauth/token", data=(fields or {}) | more)

    async def sign_in(self, user_id: UUID, **changes: str | None) -> dict:
        """Tokens for this user's new installation."""
        answer = await self.token((await ask(self.runtime, user_id, **changes)).form())
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refresh(self, token: str, **changes: str) -> httpx.Response:
        return await self.token({"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": token} | changes)

    async def revoke(self, token: str, **changes: str) -> httpx.Response:
        return await self.http.post("/oauth/revoke", data={"token": token, "client_id": CLIENT} | changes)

    async def call(self, access_token: str, path: str = "/api/ha/v2/account") -> int:
        """The status of a call that costs nothing."""
        return (await self.http.get(path, headers={"Authorization": f"Bearer {access_token}"})).status_code
