"""The rules of the OAuth 2.1 server that Home Assistant signs in at. Pure functions: no database, no clock."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from relay.identity.credentials import SCOPES
from relay.kit.sanitize import sanitize_line

CLIENT_ID = "home-assistant"
"""The only client. It is a public client: its id is no secret and proves nothing; PKCE protects the code."""

CODE_PREFIX, REFRESH_PREFIX = "evo_", "evr_"
CODE_LIFETIME = timedelta(seconds=60)
ACCESS_TOKEN_LIFETIME = timedelta(minutes=30)
INACTIVITY_LIMIT = timedelta(days=365)
"""A grant without a refresh for this long ends. Long enough for a house that is closed over the winter."""
USED_CODE_RETENTION = timedelta(hours=1)
"""How long a used code is kept, so that its grant can be revoked if it is used again."""
DEAD_TOKEN_RETENTION = timedelta(days=7)
"""How long a replaced refresh token is kept, so that its grant can be revoked if it is used again."""
REFRESH_RACE_WINDOW = timedelta(seconds=60)
"""If one refresh token was exchanged twice, the pair that was not used first can still be refreshed for this long
after the first use: the client may have sent two requests, used one response and stored the other."""
MAX_UNUSED_SUCCESSORS = 20
"""How many unused pairs from one refresh token are kept, the newest ones: the client has one of these or none."""
MAX_NAME_LENGTH = 60
DEFAULT_NAME = "Home Assistant"

MY_HOME_ASSISTANT = "https://my.home-assistant.io/redirect/oauth"
# Only addresses that all URL parsers read alike: no user, no query, no escapes, no trailing dot in the host name.
_LOCAL_CALLBACK = re.compile(
    r"https?://(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::[0-9]{1,5})?/auth/external/callback",
    re.ASCII,
)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)

type ErrorCode = Literal[
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "temporarily_unavailable",
    "unsupported_grant_type",
    "unsupported_response_type",
]
"""The error codes of RFC 6749."""


class OAuthError(Exception):
    """An error response of RFC 6749. The description is for the client's developer and never quotes the request."""

    def __init__(self, error: ErrorCode, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def is_redirect_allowed(uri: str, *, allow_local: bool) -> bool:
    """Return whether a browser may be redirected to `uri` with a code.

    My Home Assistant is always allowed. `allow_local` adds the callback of any Home Assistant at its own address.
    """
    if uri == MY_HOME_ASSISTANT:
        return True
    if not allow_local or not _LOCAL_CALLBACK.fullmatch(uri):
        return False
    try:
        parts = urlsplit(uri)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def get_redirect_host(uri: str) -> str:
    """Return host and explicit port of an allowed address, to show to the user."""
    return urlsplit(uri).netloc


def get_redirect_origin(uri: str) -> str:
    """Return scheme, host and explicit port of an allowed address."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def build_redirect_url(uri: str, *, issuer: str, state: str | None, **parameters: str) -> str:
    """Build the URL of the authorization response, with the client's `state` and the issuer (RFC 9207)."""
    query = parameters | ({} if state is None else {"state": state}) | {"iss": issuer}
    return f"{uri}?{urlencode(query)}"


def parse_scopes(requested: str | None) -> list[str]:
    """Return the requested scopes in canonical order; all if none is requested. Raises OAuthError invalid_scope."""
    names = set((requested or "").split())
    if not names <= set(SCOPES):
        raise OAuthError("invalid_scope", f"An unknown scope was requested. Supported scopes: {' '.join(SCOPES)}.")
    return [scope for scope in SCOPES if scope in (names or SCOPES)]


def is_code_challenge(challenge: str) -> bool:
    """Return whether this has the form of a PKCE code challenge (a SHA-256 in base64url)."""
    return _CHALLENGE.fullmatch(challenge) is not None


def verify_code_challenge(verifier: str, challenge: str) -> bool:
    """Return whether `verifier` belongs to `challenge` (PKCE, S256)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())


def clean_name(name: str) -> str:
    """Make an installation's name fit for a page: one line, no invisible characters, at most MAX_NAME_LENGTH."""
    return sanitize_line(name)[:MAX_NAME_LENGTH].rstrip() or DEFAULT_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshTokenState:
    """The state of a token pair whose refresh token was presented.

    Twins are all pairs issued for the same refresh token, including this one. `first` is the twin that was used first,
    `first_used_ago` ago; None if none was. `is_replaced`: a pair issued for the refresh token of `first` (or of this
    pair, if there is no first) was used already.
    """

    pair_id: UUID
    first: UUID | None
    first_used_ago: timedelta
    is_replaced: bool


def find_pair_to_replace(state: RefreshTokenState) -> UUID | None:
    """Return the pair that a new one replaces; None if this refresh token is dead and its reuse is a security event.

    Only the twin that was used first has successors, so a chain never forks: refreshing another twin shortly afterwards
    yields a successor of the first one.
    """
    if state.is_replaced:
        return None
    if state.first in {None, state.pair_id}:
        return state.pair_id
    return state.first if state.first_used_ago <= REFRESH_RACE_WINDOW else None
