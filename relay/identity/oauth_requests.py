"""What a Home Assistant asks of its owner: read from the address, and carried through the consent form unaltered."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from relay.identity.oauth import CLIENT_ID, OAuthError, clean_name, is_code_challenge, is_redirect_allowed, parse_scopes

SIGNED_REQUEST_LIFETIME = timedelta(minutes=15)
"""So long a person may think about it."""
MAX_STATE_LENGTH = 2000
MAX_INSTALLATION_LENGTH = 100


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


class UnsafeRedirectError(Exception):
    """It is not certain who asks, so nobody is answered by a redirect. The text says what is wrong."""


class RedirectableOAuthError(OAuthError):
    """The request is refused, and the client is told so at its own address."""

    def __init__(self, error: OAuthError, redirect_uri: str, state: str | None) -> None:
        super().__init__(error.error, error.description)
        self.redirect_uri = redirect_uri
        self.state = state


def parse_authorization_request(query_pairs: Iterable[tuple[str, str]], *, allow_local: bool) -> AuthorizationRequest:
    """The request in an address's query. `local` as for `allows_redirect`. Raises NoClientError, RefusedError."""
    parameters, repeated = _collect_parameters(query_pairs)
    if "client_id" in repeated or parameters.get("client_id") != CLIENT_ID:
        raise UnsafeRedirectError("client")
    redirect_uri = parameters.get("redirect_uri", "")
    if "redirect_uri" in repeated or not is_redirect_allowed(redirect_uri, allow_local=allow_local):
        raise UnsafeRedirectError("redirect")
    state = parameters.get("state")
    known_state = state if state is not None and _is_valid_state(state) and "state" not in repeated else None
    try:
        _check_parameters(repeated, is_state_valid=state == known_state)
        return _parse_parameters(parameters, redirect_uri, known_state)
    except OAuthError as error:
        raise RedirectableOAuthError(error, redirect_uri, known_state) from None


def _check_parameters(repeated: set[str], *, is_state_valid: bool) -> None:
    if repeated:
        raise OAuthError("invalid_request", "A parameter stands there twice.")
    if not is_state_valid:
        raise OAuthError("invalid_request", f"`state` is printable ASCII, up to {MAX_STATE_LENGTH} characters.")


def _parse_parameters(parameters: dict[str, str], redirect_uri: str, state: str | None) -> AuthorizationRequest:
    if parameters.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Ask with `response_type=code`.")
    if parameters.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "The answer comes in the query.")
    if parameters.get("code_challenge_method") != "S256" or not is_code_challenge(parameters.get("code_challenge", "")):
        raise OAuthError("invalid_request", "PKCE is required: `code_challenge`, and `code_challenge_method=S256`.")
    installation = parameters.get("installation") or None
    if installation and (len(installation) > MAX_INSTALLATION_LENGTH or not _is_valid_state(installation)):
        raise OAuthError("invalid_request", f"`installation` is ASCII, up to {MAX_INSTALLATION_LENGTH} characters.")
    return AuthorizationRequest(
        client_id=CLIENT_ID,
        redirect_uri=redirect_uri,
        state=state,
        code_challenge=parameters["code_challenge"],
        scopes=parse_scopes(parameters.get("scope")),
        name=clean_name(parameters.get("name", "")),
        installation=installation,
    )


def _collect_parameters(query_pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], set[str]]:
    parameters: dict[str, str] = {}
    repeated: set[str] = set()
    # RFC 6749, 3.1: what is empty is as if it were not there, and nothing is there twice.
    for name, value in ((name, value) for name, value in query_pairs if value):
        if name in parameters:
            repeated.add(name)
        parameters[name] = value
    return parameters, repeated


def _is_valid_state(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= MAX_STATE_LENGTH


def sign_request(request: AuthorizationRequest, user_id: UUID, key: bytes) -> str:
    """The request as a form may carry it: nobody can alter it, or have another user approve it."""
    until = (datetime.now(UTC) + SIGNED_REQUEST_LIFETIME).timestamp()
    content = json.dumps({"until": until, "user": str(user_id), "request": asdict(request)}).encode()
    return f"{urlsafe_b64encode(content).decode()}.{_compute_signature(content, key)}"


def verify_signed_request(signed_request: str, user_id: UUID, key: bytes) -> AuthorizationRequest | None:
    """What was sealed for this user; None when it was altered, another's, or is too old."""
    encoded, _, signature = signed_request.partition(".")
    try:
        content = urlsafe_b64decode(encoded.encode())
    except ValueError:
        return None
    if not hmac.compare_digest(_compute_signature(content, key).encode(), signature.encode(errors="surrogatepass")):
        return None
    signed_content = json.loads(content)
    if signed_content["user"] != str(user_id) or signed_content["until"] < datetime.now(UTC).timestamp():
        return None
    return AuthorizationRequest(**signed_content["request"])


def _compute_signature(content: bytes, key: bytes) -> str:
    return hmac.new(key, b"oauth consent " + content, hashlib.sha256).hexdigest()
