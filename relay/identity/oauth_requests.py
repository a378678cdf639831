"""Home Assistant's authorization request: parse it from the URL, and sign it for the consent form."""

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
"""How long a user may take to answer the consent form."""
MAX_STATE_LENGTH = 2000
MAX_INSTALLATION_LENGTH = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizationRequest:
    """A valid authorization request: the client, the permissions it requests, and where the response goes."""

    client_id: str
    redirect_uri: str
    state: str | None
    code_challenge: str
    scopes: list[str]
    name: str
    # The same in every request of one Home Assistant: its newest grant replaces the previous one.
    installation: str | None


class UnsafeRedirectError(Exception):
    """Client or redirect address is invalid, so the browser must not be redirected. The text says which."""


class RedirectableOAuthError(OAuthError):
    """The request is refused, and the error is sent to the client's redirect address."""

    def __init__(self, error: OAuthError, redirect_uri: str, state: str | None) -> None:
        super().__init__(error.error, error.description)
        self.redirect_uri = redirect_uri
        self.state = state


def parse_authorization_request(query_pairs: Iterable[tuple[str, str]], *, allow_local: bool) -> AuthorizationRequest:
    """Parse the query of the authorization URL. `allow_local` is as for `is_redirect_allowed`.

    Raises UnsafeRedirectError, RedirectableOAuthError.
    """
    parameters, repeated = _collect_parameters(query_pairs)
    if "client_id" in repeated or parameters.get("client_id") != CLIENT_ID:
        raise UnsafeRedirectError("client")
    redirect_uri = parameters.get("redirect_uri", "")
    if "redirect_uri" in repeated or not is_redirect_allowed(redirect_uri, allow_local=allow_local):
        raise UnsafeRedirectError("redirect")
    state = parameters.get("state")
    valid_state = state if state is not None and _is_valid_state(state) and "state" not in repeated else None
    try:
        _check_parameters(repeated, is_state_valid=state == valid_state)
        return _parse_parameters(parameters, redirect_uri, valid_state)
    except OAuthError as error:
        raise RedirectableOAuthError(error, redirect_uri, valid_state) from None


def _check_parameters(repeated: set[str], *, is_state_valid: bool) -> None:
    if repeated:
        raise OAuthError("invalid_request", "A parameter is repeated. Send each one once.")
    if not is_state_valid:
        raise OAuthError("invalid_request", f"`state` must be printable ASCII, up to {MAX_STATE_LENGTH} characters.")


def _parse_parameters(parameters: dict[str, str], redirect_uri: str, state: str | None) -> AuthorizationRequest:
    if parameters.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Only `response_type=code` is supported.")
    if parameters.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "Only `response_mode=query` is supported.")
    if parameters.get("code_challenge_method") != "S256" or not is_code_challenge(parameters.get("code_challenge", "")):
        raise OAuthError("invalid_request", "PKCE is required: `code_challenge`, and `code_challenge_method=S256`.")
    installation = parameters.get("installation") or None
    if installation and (len(installation) > MAX_INSTALLATION_LENGTH or not _is_valid_state(installation)):
        raise OAuthError(
            "invalid_request", f"`installation` must be printable ASCII, up to {MAX_INSTALLATION_LENGTH} characters."
        )
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
    # RFC 6749, section 3.1: empty parameters count as absent, and parameters must not be repeated.
    for name, value in ((name, value) for name, value in query_pairs if value):
        if name in parameters:
            repeated.add(name)
        parameters[name] = value
    return parameters, repeated


def _is_valid_state(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= MAX_STATE_LENGTH


def sign_request(request: AuthorizationRequest, user_id: UUID, key: bytes) -> str:
    """Serialise and sign the request for the consent form, bound to the user and to SIGNED_REQUEST_LIFETIME."""
    expires_at = (datetime.now(UTC) + SIGNED_REQUEST_LIFETIME).timestamp()
    content = json.dumps({"until": expires_at, "user": str(user_id), "request": asdict(request)}).encode()
    return f"{urlsafe_b64encode(content).decode()}.{_compute_signature(content, key)}"


def verify_signed_request(signed_request: str, user_id: UUID, key: bytes) -> AuthorizationRequest | None:
    """Return the request that was signed for this user; None if it was altered, has expired or is another user's."""
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
