"""State of the Supabase Auth double: PKCE flows and emailed links, with their lifetimes."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from uuid import uuid4

from tests.relay.support.supabase.refusals import Refusal, ServerFailure

PREFIX = "pkce_"
EMAIL_INTERVAL_SECONDS, LINK_LIFETIME_SECONDS, FLOW_LIFETIME_SECONDS = 60, 3600, 300
"""Values of a hosted project. All but the interval between emails are settings there too."""

_CHALLENGE = re.compile(r"[a-zA-Z._~0-9-]+", re.ASCII)
_CHALLENGE_METHODS = {"", "plain", "s256"}
# Kinds of links that a `type` in the request accepts.
_KINDS_BY_TYPE = {
    "email": {"signup", "magiclink"},
    "invite": {"signup"},
    "magiclink": {"magiclink"},
    "recovery": set(),
    "signup": {"signup"},
}
REDIRECTED_TYPES = frozenset(_KINDS_BY_TYPE) - {"email"}
"""Types of a link that yields a PKCE code. The server fails for any other, and the link stays valid."""


@dataclass
class SupabaseAccount:
    email: str
    id: str = field(default_factory=lambda: str(uuid4()))
    is_confirmed: bool = False
    metadata: dict = field(default_factory=dict)
    is_banned: bool = False
    # A ban that is over, as Supabase still reports it.
    former_ban_until: str | None = None
    # Ways of signing in, the first one first.
    providers: list = field(default_factory=lambda: ["email"])
    # When the confirmation was emailed; None for users of a provider.
    confirmation_sent_at: str | None = None
    # Time of the last email by kind of link.
    mailed_at: dict = field(default_factory=dict)


@dataclass
class Flow:
    """A PKCE flow: a challenge, and the code that can be exchanged with the matching verifier."""

    method: str
    challenge: str
    challenge_method: str
    created_at: float
    account: SupabaseAccount | None = None
    issued_at: float | None = None
    redirect_to: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))
    code: str = field(default_factory=lambda: str(uuid4()))

    def is_expired(self, now):
        """Whether the flow has expired: counted from the code for a magic link, else from the beginning of the flow."""
        started_at = self.issued_at if self.issued_at is not None and self.method == "magiclink" else self.created_at
        return now > started_at + FLOW_LIFETIME_SECONDS

    def is_verifier_valid(self, verifier):
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return hmac.compare_digest(digest if self.challenge_method == "s256" else verifier, self.challenge)


@dataclass
class Link:
    account: SupabaseAccount
    kind: str
    sent_at: float


class Flows:
    """Flows in the order of their creation."""

    def __init__(self):
        self._all = []

    def add(self, flow):
        self._all.append(flow)
        return flow

    def find_by_code(self, code):
        return next((flow for flow in self._all if flow.code == code and flow.account is not None), None)

    def find_by_id(self, flow_id):
        return next((flow for flow in self._all if flow.id == flow_id), None)

    def find_newest(self, account, method):
        """Newest flow of this account, whichever browser began it. An emailed link yields the code of that flow."""
        return next((flow for flow in reversed(self._all) if flow.account is account and flow.method == method), None)

    def remove(self, flow):
        self._all = [other for other in self._all if other is not flow]


class Links:
    """Links, one of each kind per account: a newer one replaces the older."""

    def __init__(self):
        self._all = {}

    def create(self, account, kind, now, *, prefix):
        self.remove(account, kind)
        token_hash = prefix + secrets.token_hex(28)
        self._all[token_hash] = Link(account, kind, now)
        return token_hash

    def remove(self, account, *kinds):
        self._all = {
            key: link
            for key, link in self._all.items()
            if link.account is not account or (kinds and link.kind not in kinds)
        }

    def find(self, token_hash, kind, now):
        """The valid link of this type. Raises Refusal if it is unknown or expired or its account is banned."""
        if "\0" in token_hash:
            message = "Database error finding user from email link"
            raise Refusal(500, "unexpected_failure", message, has_error_id=True)
        if kind not in _KINDS_BY_TYPE:
            raise Refusal(400, "validation_failed", "Invalid email verification type")
        link = self._all.get(token_hash)
        if link is None or link.kind not in _KINDS_BY_TYPE[kind]:
            raise Refusal(403, "otp_expired", "Email link is invalid or has expired")
        if link.account.is_banned:
            raise Refusal(403, "user_banned", "User is banned")
        if now > link.sent_at + LINK_LIFETIME_SECONDS:
            raise Refusal(403, "otp_expired", "Email link is invalid or has expired")
        return link


def parse_pkce_challenge(parameters):
    """Challenge and method from the request; both are empty without PKCE. Raises Refusal if they are invalid."""
    challenge, method = parameters.get("code_challenge") or "", parameters.get("code_challenge_method") or ""
    if bool(challenge) != bool(method):
        raise Refusal(400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge")
    if challenge and not 43 <= len(challenge) <= 128:
        raise Refusal(400, "validation_failed", "code challenge has to be between 43 and 128 characters")
    if challenge and not _CHALLENGE.fullmatch(challenge):
        message = "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes"
        raise Refusal(400, "validation_failed", message)
    if method.lower() not in _CHALLENGE_METHODS:
        raise ServerFailure
    return challenge, method.lower()
