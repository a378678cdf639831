"""How a sign-in with Supabase can end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

type SignInStatus = Literal["signed-in", "register", "closed", "leaving", "dead", "elsewhere", "locked", "unconfirmed"]
"""Result of a sign-in:

signed-in: there is a session. register: the user still needs an invitation. closed: registration is closed.
leaving: the account is being deleted. dead: the link or code is expired, used or unknown. elsewhere: another browser
began the sign-in. locked: the user is banned at Supabase. unconfirmed: the provider has not verified the email address.
"""

STATUS_BY_ERROR_CODE: Mapping[str, SignInStatus] = {
    "flow_state_expired": "dead",
    "flow_state_not_found": "dead",
    "otp_expired": "dead",
    "provider_email_needs_verification": "unconfirmed",
    "signup_disabled": "closed",
    "user_banned": "locked",
}
"""Statuses for error codes of Supabase Auth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInOutcome:
    """Result of a sign-in. With a `session`, the browser stores that token and opens `next_path`."""

    status: SignInStatus
    session: str | None = None
    next_path: str = "/home"
    # Token of an attempt that was created for this browser because it had none.
    attempt: str | None = None
