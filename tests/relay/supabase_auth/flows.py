"""What the stand-in remembers between a request and the browser's return: flow states, links, and how old they get."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from uuid import uuid4

from tests.relay.supabase_auth.refusals import Refusal

PREFIX = "pkce_"
MAIL_PAUSE, LINK_LIVES, FLOW_LIVES = 60, 3600, 300
"""Seconds. A hosted project's; each but the pause is a setting there, too."""

_CHALLENGE = re.compile(r"[a-zA-Z._~0-9-]+", re.ASCII)
# A link of type `email` is either of these.
_SIGNS_IN = {"email": {"signup", "magiclink"}, "signup": {"signup"}, "magiclink": {"magiclink"}}


@dataclass
class Somebody:
    email: str
    id: str = field(default_factory=lambda: str(uuid4()))
    confirmed: bool = False
    about: dict = field(default_factory=dict)
    banned: bool = False
    # When the last mail of a kind left.
    mailed: dict = field(default_factory=dict)


@dataclass
class Flow:
    """A PKCE flow: a challenge, and the code that will be worth something to who has its verifier."""

    method: str
    challenge: str
    challenge_method: str
    created: float
    somebody: Somebody | None = None
    issued: float | None = None
    back: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))
    code: str = field(default_factory=lambda: str(uuid4()))

    def is_late(self, now):
        """After a link of somebody known, time runs from the code; with all others from the very beginning."""
        begins = self.issued if self.issued is not None and self.method == "magiclink" else self.created
        return now > begins + FLOW_LIVES

    def is_proven(self, verifier):
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return hmac.compare_digest(digest if self.challenge_method == "s256" else verifier, self.challenge)


@dataclass
class Link:
    somebody: Somebody
    kind: str
    sent: float


class Flows:
    """Flow states in the order in which they were made."""

    def __init__(self):
        self._all = []

    def add(self, flow):
        self._all.append(flow)
        return flow

    def by_code(self, code):
        return next((it for it in self._all if it.code == code and it.somebody is not None), None)

    def by_id(self, flow_id):
        return next((it for it in self._all if it.id == flow_id), None)

    def newest(self, somebody, method):
        """Of this person, whoever began it: that is how the code in a mail's link is found."""
        return next((it for it in reversed(self._all) if it.somebody is somebody and it.method == method), None)

    def end(self, flow):
        self._all.remove(flow)


class Links:
    """One link of each kind for each person: a newer one takes the place of the one before."""

    def __init__(self):
        self._all = {}

    def make(self, somebody, kind, now, *, prefix):
        self.forget(somebody, kind)
        token_hash = prefix + secrets.token_hex(28)
        self._all[token_hash] = Link(somebody, kind, now)
        return token_hash

    def forget(self, somebody, *kinds):
        self._all = {
            key: it for key, it in self._all.items() if it.somebody is not somebody or (kinds and it.kind not in kinds)
        }

    def find(self, token_hash, kind, now):
        """The link, if it is one of this kind, is still good, and its person may come in."""
        if kind not in _SIGNS_IN:
            raise Refusal(400, "validation_failed", "Invalid email verification type")
        found = self._all.get(token_hash)
        if found is None or found.kind not in _SIGNS_IN[kind]:
            raise Refusal(403, "otp_expired", "Email link is invalid or has expired")
        if found.somebody.banned:
            raise Refusal(403, "user_banned", "User is banned")
        if now > found.sent + LINK_LIVES:
            raise Refusal(403, "otp_expired", "Email link is invalid or has expired")
        return found


def asked_for_pkce(asked):
    """Challenge and method, both or neither."""
    challenge, method = asked.get("code_challenge") or "", asked.get("code_challenge_method") or ""
    if bool(challenge) != bool(method):
        raise Refusal(400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge")
    if challenge and not (43 <= len(challenge) <= 128 and _CHALLENGE.fullmatch(challenge)):
        raise Refusal(400, "validation_failed", "code challenge is of the wrong length or has wrong characters")
    return challenge, method.lower()
