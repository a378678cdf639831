"""The rules by which a Home Assistant gets in and stays in with OAuth 2.1. Nothing here asks a database or a clock."""

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
"""The only client there is: public, so its id is no secret and proves nothing. PKCE does."""

CODE_PREFIX, ACCESS_PREFIX, REFRESH_PREFIX = "evo_", "eva_", "evr_"
CODE_LIFETIME = timedelta(seconds=60)
ACCESS_TOKEN_LIFETIME = timedelta(minutes=30)
INACTIVITY_LIMIT = timedelta(days=365)
"""An installation that refreshed nothing for so long is gone; a house that is shut for the winter is not."""
USED_CODE_RETENTION = timedelta(hours=1)
"""So long a used code is remembered, to end what it gave when it is used again."""
DEAD_TOKEN_RETENTION = timedelta(days=7)
"""So long a dead refresh token is remembered, to end the installation when it is used again."""
REFRESH_RACE_WINDOW = timedelta(seconds=60)
"""Of two answers to the same refresh token the one that came second may still be refreshed so long after the first
was used: the client asked twice, and kept the other answer than it used."""
MAX_UNUSED_SUCCESSORS = 20
"""So many unused answers to one refresh token are kept; a client has one of the newest or none."""
MAX_NAME_LENGTH = 60
DEFAULT_NAME = "Home Assistant"

MY_HOME_ASSISTANT = "https://my.home-assistant.io/redirect/oauth"
# Nothing that two readers of addresses could read differently: no user, no query, no escapes, no trailing dot games.
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
"""RFC 6749's words for what went wrong."""


class OAuthError(Exception):
    """What a client is told in RFC 6749's words. The description is for its developer, and never quotes the request."""

    def __init__(self, error: ErrorCode, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def is_redirect_allowed(uri: str, *, allow_local: bool) -> bool:
    """Whether a browser may be sent there with a code. `local`: straight to any Home Assistant, by its own address."""
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
    """What of an allowed address a person is shown, with the port where it names one."""
    return urlsplit(uri).netloc


def get_redirect_origin(uri: str) -> str:
    """Scheme, host and port of an allowed address."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def build_redirect_url(uri: str, *, issuer: str, state: str | None, **parameters: str) -> str:
    """Where the browser takes the answer: with the client's `state`, and who answers (RFC 9207)."""
    query = parameters | ({} if state is None else {"state": state}) | {"iss": issuer}
    return f"{uri}?{urlencode(query)}"


def parse_scopes(requested: str | None) -> list[str]:
    """The scopes that are asked for, in our order; all when none is named. Raises OAuthError invalid_scope."""
    names = set((requested or "").split())
    if not names <= set(SCOPES):
        raise OAuthError("invalid_scope", f"The scopes are: {' '.join(SCOPES)}.")
    return [scope for scope in SCOPES if scope in (names or SCOPES)]


def is_code_challenge(challenge: str) -> bool:
    """Whether this can be a SHA-256, as PKCE writes it."""
    return _CHALLENGE.fullmatch(challenge) is not None


def verify_code_challenge(verifier: str, challenge: str) -> bool:
    """Whether who shows `verifier` is who sent `challenge` (PKCE, S256)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())


def clean_name(name: str) -> str:
    """An installation's name as it may stand on a page: one line, nothing invisible, not long."""
    return sanitize_line(name)[:MAX_NAME_LENGTH].rstrip() or DEFAULT_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshTokenState:
    """A pair whose refresh token is shown, and what has become of it and its twins.

    Twins are all pairs that answer the same refresh token. `first` is that of them (itself too) which was used first,
    so long ago; None when none was. `is_replaced`: an answer to the first's own refresh token was used already (to
    this one's, where there is no first).
    """

    pair_id: UUID
    first: UUID | None
    first_used_ago: timedelta
    is_replaced: bool


def find_pair_to_replace(state: RefreshTokenState) -> UUID | None:
    """The pair that a new one is to replace; None when this refresh token is dead, and showing it is an alarm.

    Only the twin that was used first goes on, so a chain never forks: who refreshes a twin of it shortly afterwards
    gets what the first one would get.
    """
    if state.is_replaced:
        return None
    if state.first in {None, state.pair_id}:
        return state.pair_id
    return state.first if state.first_used_ago <= REFRESH_RACE_WINDOW else None
