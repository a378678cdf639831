"""A user's usage in the quota month, and its representation in responses."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.plans import Plans


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """Calls used of the month's allowance, and call tokens that pay when it is used up."""

    used: int
    call_tokens: int
    began_at: datetime
    resets_at: datetime

    def get_remaining(self, limit: int) -> int:
        """Calls remaining of an allowance of `limit`; 0 if a plan change made it smaller than the usage."""
        return max(0, limit - self.used)

    def get_seconds_to_reset(self, now: datetime) -> int:
        """Seconds until the next month starts, rounded up and at least 1, so that it has started after this wait."""
        return max(1, math.ceil((self.resets_at - now).total_seconds()))


def render_rate_limit_headers(quota: Quota, limit: int | None, now: datetime | None = None) -> dict[str, str]:
    """RateLimit headers (draft-ietf-httpapi-ratelimit-headers); none without a limit.

    The remaining `r` includes call tokens: this many calls are granted in the next `t` seconds.
    """
    if limit is None:
        return {}
    window = round((quota.resets_at - quota.began_at).total_seconds())
    seconds = quota.get_seconds_to_reset(now or datetime.now(UTC))
    return {
        "RateLimit-Policy": f'"month";q={limit};w={window}',
        "RateLimit": f'"month";r={quota.get_remaining(limit) + quota.call_tokens};t={seconds}',
    }


def create_quota_exhausted_problem(quota: Quota, plan: str, plans: Plans) -> Problem:
    """The 429 response to a call that neither the allowance nor a call token can pay for."""
    limit = plans.get(plan).monthly_calls
    headers = render_rate_limit_headers(quota, limit)
    headers["Retry-After"] = str(quota.get_seconds_to_reset(datetime.now(UTC)))
    return Problem(
        429,
        "quota-exhausted",
        "The calls of this month are used up.",
        headers=headers,
        plan=plan,
        allowance=limit,
        used=quota.used,
        call_tokens=quota.call_tokens,
        resets_at=format_timestamp(quota.resets_at),
    )
