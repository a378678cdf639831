"""OAuth client credentials and access tokens."""

import base64
import hmac
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import unquote

LIFETIME_SECONDS = 3599


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokens:
    """The issued tokens. They are kept in memory only: after a restart clients need a new one."""

    client_id: str
    client_secret: str = field(repr=False)
    _expires_at: dict[str, float] = field(default_factory=dict, repr=False)

    def issue(self) -> str:
        """Issue a token that is valid for LIFETIME_SECONDS real seconds."""
        now = time.monotonic()
        for token in [expired for expired, until in self._expires_at.items() if until <= now]:
            del self._expires_at[token]
        token = "sim." + secrets.token_urlsafe(32)
        self._expires_at[token] = now + LIFETIME_SECONDS
        return token

    def is_valid(self, authorization: str) -> bool:
        """Return whether an Authorization header carries a valid token."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._expires_at.get(token, 0.0) > time.monotonic()

    def has_client_credentials(self, authorization: str) -> bool:
        """Return whether an Authorization header carries this client's id and secret (HTTP Basic)."""
        scheme, _, code = authorization.partition(" ")
        try:
            client_id, _, secret = base64.b64decode(code, validate=True).decode().partition(":")
        except ValueError:
            return False
        # RFC 6749 requires both form-encoded within Basic; most clients send them unencoded.
        pairs = ((client_id, secret), (unquote(client_id), unquote(secret)))
        return scheme.lower() == "basic" and any(self._is_client(*pair) for pair in pairs)

    def revoke_all(self) -> None:
        """Revoke all tokens, as regenerating the client secret does."""
        self._expires_at.clear()

    def _is_client(self, client_id: str, secret: str) -> bool:
        same_id = hmac.compare_digest(client_id.encode(), self.client_id.encode())
        return hmac.compare_digest(secret.encode(), self.client_secret.encode()) and same_id
