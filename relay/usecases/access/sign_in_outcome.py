"""How a sign-in with Supabase can end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

type SignInStatus = Literal[
    "signed_in",
    "registration_required",
    "registration_closed",
    "being_deleted",
    "invalid_link",
    "other_browser",
    "banned",
    "unverified_email",
    "unanswered",
    "misconfigured",
    "account_on_hold",
]
"""Result of a sign-in. All but the first two are reasons for a failure.

registration_required: the user needs an invitation. being_deleted: the account is being deleted. invalid_link: the link
or code is expired, used or unknown. other_browser: another browser began the sign-in. banned: at Supabase.
unverified_email: the provider hasn't verified the user's email address. unanswered: an earlier exchange of the link or
code got no answer, and has used it up. misconfigured: the operator has to change something. account_on_hold: the
address has an account whose user was deleted at Supabase; the operator can reconnect it.
"""

STATUS_BY_ERROR_CODE: Mapping[str, SignInStatus] = {
    "email_not_confirmed": "unverified_email",
    "flow_state_expired": "invalid_link",
    "flow_state_not_found": "invalid_link",
    "otp_expired": "invalid_link",
    "provider_email_needs_verification": "unverified_email",
    "signup_disabled": "registration_closed",
    "user_banned": "banned",
}
"""Statuses for error codes of Supabase Auth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInOutcome:
    """Result of a sign-in. With a `session` of `user_id`, the browser stores that token and opens `next_path`."""

    status: SignInStatus
    session: str | None = None
    user_id: UUID | None = None
    next_path: str = "/home"
    # Token of an attempt that was created for this browser because it had none.
    attempt: str | None = None
