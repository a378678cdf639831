"""Refunds of metered calls in the database."""

from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from relay.kit.database import Connection, fetch_one

# Refunds to the bucket that paid, and subtracts the call from the day's totals. Only the row says which bucket it was,
# so there is one update for each, and at most one of them finds a row.
REFUND: LiteralString = """
with refunded as (
    update poll_logs set refunded_at = now() where id = %s and refunded_at is null
    returning user_id, period, paid_by, endpoint, credential_id, (created_at at time zone 'UTC')::date as day
),
allowance as (
    update usage_months m set used = m.used - 1
    from refunded
    where (m.user_id, m.period) = (refunded.user_id, refunded.period) and refunded.paid_by = 'allowance'
    returning m.used
),
tokens as (
    update call_token_balances b set balance = b.balance + 1
    from refunded where b.user_id = refunded.user_id and refunded.paid_by = 'call_tokens'
    returning b.balance
),
day_updated as (
    update usage_days d set calls = d.calls - 1,
        call_tokens = d.call_tokens - case when refunded.paid_by = 'call_tokens' then 1 else 0 end
    from refunded
    where (d.user_id, d.period, d.day, d.endpoint)
        = (refunded.user_id, refunded.period, refunded.day, refunded.endpoint)
      and d.credential_id is not distinct from refunded.credential_id
)
select
    coalesce((select used from allowance), (
        select m.used from usage_months m
        where (m.user_id, m.period) = (refunded.user_id, refunded.period)), 0) as used,
    coalesce((select balance from tokens), (
        select b.balance from call_token_balances b where b.user_id = refunded.user_id), 0) as call_tokens
from refunded
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallBalance:
    """Calls used of the month's allowance, and remaining call tokens."""

    used: int
    call_tokens: int


async def refund_metered_call(connection: Connection, call_id: int) -> CallBalance | None:
    """Refund a metered call to the bucket that paid for it; None if it was refunded before."""
    return await fetch_one(connection, REFUND, [call_id], class_row(CallBalance))
