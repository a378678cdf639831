"""What a Home Assistant asks of its owner: read from the address, and carried through the consent form unaltered."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from relay.identity.oauth import CLIENT_ID, OAuthError, allows_redirect, clean_name, is_challenge, read_scopes

SEAL_LIVES = timedelta(minutes=15)
"""So long a person may think about it."""
STATE_LENGTH = 2000
INSTALLATION_LENGTH = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizationRequest:
    """Who wants to be let in, to do what, and where the answer goes."""

    client_id: str
    redirect_uri: str
    state: str | None
    code_challenge: str
    scopes: list[str]
    name: str
    # The same for each sign-in of one Home Assistant: its newest takes the place of the one before.
    installation: str | None


class NoClientError(Exception):
    """It is not certain who asks, so nobody is answered by a redirect. The text says what is wrong."""


class RefusedError(OAuthError):
    """The request is refused, and the client is told so at its own address."""

    def __init__(self, error: OAuthError, redirect_uri: str, state: str | None) -> None:
        super().__init__(error.error, error.description)
        self.redirect_uri = redirect_uri
        self.state = state


def read_request(pairs: Iterable[tuple[str, str]], *, local: bool) -> AuthorizationRequest:
    """The request in an address's query. `local` as for `allows_redirect`. Raises NoClientError, RefusedError."""
    given, repeated = _once(pairs)
    if "client_id" in repeated or given.get("client_id") != CLIENT_ID:
        raise NoClientError("client")
    redirect_uri = given.get("redirect_uri", "")
    if "redirect_uri" in repeated or not allows_redirect(redirect_uri, local=local):
        raise NoClientError("redirect")
    state = given.get("state")
    known_state = state if state is not None and _is_state(state) and "state" not in repeated else None
    try:
        _require_plain(repeated, state=state == known_state)
        return _wanted(given, redirect_uri, known_state)
    except OAuthError as error:
        raise RefusedError(error, redirect_uri, known_state) from None


def _require_plain(repeated: set[str], *, state: bool) -> None:
    if repeated:
        raise OAuthError("invalid_request", "A parameter stands there twice.")
    if not state:
        raise OAuthError("invalid_request", f"`state` is printable ASCII, up to {STATE_LENGTH} characters.")


def _wanted(given: dict[str, str], redirect_uri: str, state: str | None) -> AuthorizationRequest:
    if given.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Ask with `response_type=code`.")
    if given.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "The answer comes in the query.")
    if given.get("code_challenge_method") != "S256" or not is_challenge(given.get("code_challenge", "")):
        raise OAuthError("invalid_request", "PKCE is required: `code_challenge`, and `code_challenge_method=S256`.")
    installation = given.get("installation") or None
    if installation and (len(installation) > INSTALLATION_LENGTH or not _is_state(installation)):
        raise OAuthError("invalid_request", f"`installation` is ASCII, up to {INSTALLATION_LENGTH} characters.")
    return AuthorizationRequest(
        client_id=CLIENT_ID,
        redirect_uri=redirect_uri,
        state=state,
        code_challenge=given["code_challenge"],
        scopes=read_scopes(given.get("scope")),
        name=clean_name(given.get("name", "")),
        installation=installation,
    )


def _once(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], set[str]]:
    given: dict[str, str] = {}
    repeated: set[str] = set()
    # RFC 6749, 3.1: what is empty is as if it were not there, and nothing is there twice.
    for name, value in ((name, value) for name, value in pairs if value):
        if name in given:
            repeated.add(name)
        given[name] = value
    return given, repeated


def _is_state(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= STATE_LENGTH


def seal(request: AuthorizationRequest, user_id: UUID, key: bytes) -> str:
    """The request as a form may carry it: nobody can alter it, or have another user approve it."""
    until = (datetime.now(UTC) + SEAL_LIVES).timestamp()
    content = json.dumps({"until": until, "user": str(user_id), "request": asdict(request)}).encode()
    return f"{urlsafe_b64encode(content).decode()}.{_signature(content, key)}"


def unseal(sealed: str, user_id: UUID, key: bytes) -> AuthorizationRequest | None:
    """What was sealed for this user; None when it was altered, another's, or is too old."""
    encoded, _, signature = sealed.partition(".")
    try:
        content = urlsafe_b64decode(encoded.encode())
    except ValueError:
        return None
    if not hmac.compare_digest(_signature(content, key).encode(), signature.encode(errors="surrogatepass")):
        return None
    sealed_content = json.loads(content)
    if sealed_content["user"] != str(user_id) or sealed_content["until"] < datetime.now(UTC).timestamp():
        return None
    return AuthorizationRequest(**sealed_content["request"])


def _signature(content: bytes, key: bytes) -> str:
    return hmac.new(key, b"oauth consent " + content, hashlib.sha256).hexdigest()
