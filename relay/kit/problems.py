"""Errors that the relay reports to its clients, as RFC 9457 problems. problem_responses.py renders them."""

from collections.abc import Mapping
from typing import Any

TYPE_PREFIX = "urn:evconduit:problem:"

# What happened, by slug; the detail adds the cause and the remedy. The slugs are part of the API and never change.
TITLES = {
    "unauthorized": "The credential is missing, unknown or revoked.",
    "forbidden": "The credential doesn't have permission for this.",
    "account-disabled": "The account is disabled.",
    "recent-sign-in-required": "This needs a recent sign-in.",
    "foreign-form": "The form has expired or was sent from another site.",
    "not-found": "Not found, or not part of your account.",
    "method-not-allowed": "This address doesn't support the method.",
    "invalid-request": "The request is invalid.",
    "too-large": "The request is too large.",
    "timeout": "The request took too long to arrive.",
    "plan-required": "The account's plan doesn't include this.",
    "quota-exhausted": "The account has no calls left.",
    "too-many-requests": "There are too many requests.",
    "not-broken": "The vehicle's link isn't broken.",
    "vehicle-limit": "The plan's vehicle limit is reached.",
    "confirm-required": "The request needs a confirmation.",
    "session-open": "The charging session hasn't ended.",
    "not-sent": "Enode hasn't accepted the command yet.",
    "home-required": "The account has no home location.",
    "too-many-streams": "The account has too many open streams.",
    "too-many-tests": "A test message was sent a moment ago.",
    "no-webhook": "No webhook is registered.",
    "endpoint-refused": "The relay can't deliver to this URL.",
    "command-refused": "The vehicle's manufacturer refused the command.",
    "enode-unavailable": "Enode can't be reached.",
    "unavailable": "The relay is temporarily unavailable.",
    "internal": "An internal error occurred.",
}


class Problem(Exception):  # noqa: N818 - RFC 9457's own term for it
    """An error response. `members` are added to its body, so they must be safe to show to the client."""

    def __init__(
        self, status: int, slug: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def build_body(self) -> dict[str, Any]:
        """Build the JSON object that the client gets."""
        return {
            "type": TYPE_PREFIX + self.slug,
            "title": TITLES.get(self.slug, self.slug),
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
