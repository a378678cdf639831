"""When a client without push polls next, so that the month's calls last to its end. Pure: no clock, no randomness.

The calls for polling at the slowest rate until the end of the month are reserved. The calls beyond that are spread over
the remaining time, weighted by vehicle activity: a charging vehicle is worth polling often, a parked one is not. The
plan is computed again at every response, so that calls saved in a quiet week can be used in a busy one, and no pattern
of activity uses the allowance up before the month ends.

Call tokens are not part of the plan: users buy them for calls of their own. When the allowance is used up, they pay for
polling at the slowest rate.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

MIN_POLL_INTERVAL = timedelta(minutes=5)
MAX_POLL_INTERVAL = timedelta(hours=6)
JITTER = 0.1
"""Fraction by which an interval is stretched or shortened, so that clients don't poll in step."""
RESET_JITTER = timedelta(minutes=5)
"""Clients that wait for the new month poll within this time after its start."""


class VehicleActivity(Enum):
    """Activity of the busiest vehicle of an account. The value is its weight.

    A vehicle that charges a tenth of the time and is plugged in half of the time weighs about 1 on average, so that its
    calls last exactly for the month.
    """

    CHARGING = 4.0
    PLUGGED_IN = 1.0
    PARKED = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class CallBudget:
    """Calls of the month: remaining of the allowance, used, and call tokens for when the allowance is used up."""

    user_id: UUID
    remaining_calls: int
    used_calls: int
    call_tokens: int
    resets_at: datetime


def plan_poll_interval(remaining_calls: int, remaining_time: timedelta, activity: VehicleActivity) -> timedelta:
    """The interval, without jitter, for `remaining_calls` in the remaining time of the month.

    Without remaining calls it is the slowest one, for which call tokens pay.
    """
    # The reserve assumes that jitter shortens every interval, so that the slowest rate lasts even then.
    spare_calls = max(0.0, remaining_calls - remaining_time / (MAX_POLL_INTERVAL * (1 - JITTER)))
    spare_rate = activity.value * spare_calls / max(1.0, remaining_time.total_seconds())
    calls_per_second = 1 / MAX_POLL_INTERVAL.total_seconds() + spare_rate
    return min(MAX_POLL_INTERVAL, max(MIN_POLL_INTERVAL, timedelta(seconds=1 / calls_per_second)))


def plan_next_poll(budget: CallBudget, activity: VehicleActivity, now: datetime) -> datetime:
    """When to poll next. Every process computes the same time; the jitter changes with each call that is used."""
    fraction = _derive_fraction(budget.user_id, budget.used_calls)
    new_month = budget.resets_at + RESET_JITTER * fraction
    if budget.remaining_calls <= 0 and budget.call_tokens <= 0:
        return max(new_month, now)
    interval = plan_poll_interval(budget.remaining_calls, budget.resets_at - now, activity)
    jittered = now + interval * (1 + JITTER * (2 * fraction - 1))
    # The new month has new calls, so there is no need to wait longer than to its start.
    return max(now + MIN_POLL_INTERVAL * (1 - JITTER), min(new_month, jittered))


def _derive_fraction(user_id: UUID, used_calls: int) -> float:
    """A number in [0, 1) that looks random, the same in every process."""
    digest = hashlib.blake2b(user_id.bytes + used_calls.to_bytes(8), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32
