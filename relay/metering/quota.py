"""Where a user stands in the quota month, and how an answer says so."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.plans import Plans


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """What was used of the month's allowance, and the call tokens left for when it is gone."""

    used: int
    call_tokens: int
    began_at: datetime
    resets_at: datetime

    def get_remaining(self, limit: int) -> int:
        """Calls left of an allowance of so many. A plan may have shrunk below what was used already."""
        return max(0, limit - self.used)

    def get_seconds_to_reset(self, now: datetime) -> int:
        """Until the next month begins, rounded up: who waits so long finds it begun."""
        return max(1, math.ceil((self.resets_at - now).total_seconds()))


def render_rate_limit_headers(quota: Quota, limit: int | None, now: datetime | None = None) -> dict[str, str]:
    """RateLimit fields (draft-ietf-httpapi-ratelimit-headers); none where there is no limit.

    The remaining `r` counts call tokens too: so many calls will be granted before `t` is over.
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
    """The answer to a call that nothing is left to pay for."""
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
