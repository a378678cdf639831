"""When a client without push shall ask again, so that the month's calls last for the month. Pure: no clock, no chance.

Asking at the slowest pace is put by to the end of the month first; what is left beyond that is spread over the time
that is left, weighted by what the cars do: a charging car is worth asking often, a parked one is not. It is planned
anew at every answer, so what a quiet week did not use a busy one may, and no pattern runs out before the month does.

Call tokens are not planned with: they were bought for what people do, so they last. When the allowance is gone they
keep the slowest pace up.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

MIN_POLL_INTERVAL = timedelta(minutes=5)
MAX_POLL_INTERVAL = timedelta(hours=6)
JITTER = 0.1
"""How far a pause is stretched or cut, so that clients do not ask in step."""
RESET_JITTER = timedelta(minutes=5)
"""Who waits for the new month asks within so long of its begin."""


class VehicleActivity(Enum):
    """What the cars of an account do; that of the busiest counts. Its value is its weight.

    A car that charges a tenth of the time and is plugged in for half of it weighs about one on average, so that its
    calls are used up when the month is.
    """

    CHARGING = 4.0
    PLUGGED_IN = 1.0
    PARKED = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class CallBudget:
    """The calls of the month: those left of the allowance, how many were used, and tokens for when they are gone."""

    user_id: UUID
    remaining_calls: int
    used_calls: int
    call_tokens: int
    resets_at: datetime


def plan_poll_interval(remaining_calls: int, remaining_time: timedelta, activity: VehicleActivity) -> timedelta:
    """How long to wait with so many calls left (at least one) for the time that remains of the month; unjittered."""
    # Were every pause cut by the jitter, the slowest pace would still last.
    spare = max(0.0, remaining_calls - remaining_time / (MAX_POLL_INTERVAL * (1 - JITTER)))
    a_second = 1 / MAX_POLL_INTERVAL.total_seconds() + activity.value * spare / max(1.0, remaining_time.total_seconds())
    return min(MAX_POLL_INTERVAL, max(MIN_POLL_INTERVAL, timedelta(seconds=1 / a_second)))


def plan_next_poll(budget: CallBudget, activity: VehicleActivity, now: datetime) -> datetime:
    """When to ask next. The same question has the same answer in every process; each call that is used draws anew."""
    chance = _derive_fraction(budget.user_id, budget.used_calls)
    new_month = budget.resets_at + RESET_JITTER * chance
    if budget.remaining_calls <= 0 and budget.call_tokens <= 0:
        return max(new_month, now)
    planned = (
        plan_poll_interval(budget.remaining_calls, budget.resets_at - now, activity)
        if budget.remaining_calls > 0
        else MAX_POLL_INTERVAL
    )
    # With a new month come new calls: nobody waits beyond its begin.
    return max(now + MIN_POLL_INTERVAL * (1 - JITTER), min(new_month, now + planned * (1 + JITTER * (2 * chance - 1))))


def _derive_fraction(user_id: UUID, used_calls: int) -> float:
    """Evenly spread in [0, 1)."""
    digest = hashlib.blake2b(user_id.bytes + used_calls.to_bytes(8), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32
