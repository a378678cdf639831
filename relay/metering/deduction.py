"""Counting and charging a call, as part of the one statement that authorizes it (calls/authorize_statements.py)."""

from typing import LiteralString

# Needs a CTE `allowed` before it: no row, or one with user_id, period, allowance (null: unlimited), credential_id and
# vehicle_id. The upsert's row lock makes a user's concurrent calls wait here, so that each one sees the count that the
# one before it left. Keep `not exists (…)` a condition of its own: PostgreSQL then evaluates it before it waits for the
# balance's row, after which it could not read `counted` again.
DEDUCT_CALL: LiteralString = """
counted as (
    insert into usage_months as m (user_id, period, used)
    select user_id, period, 1 from allowed where allowance is null or allowance > 0
    on conflict (user_id, period) do update set used = m.used + 1
        where (select allowance is null or m.used < allowance from allowed)
    returning used
),
by_token as (
    update call_token_balances b set balance = b.balance - 1
    from allowed where b.user_id = allowed.user_id and b.balance > 0 and not exists (select from counted)
    returning b.balance
),
paid as (
    select 'allowance' as paid_by, 0 as call_tokens from counted
    union all
    select 'call_tokens', 1 from by_token
),
recorded as (
    insert into poll_logs (user_id, vehicle_id, credential_id, endpoint, paid_by, period)
    select user_id, vehicle_id, credential_id, %(endpoint)s, paid_by, period from allowed, paid
    returning id as call_id
),
counted_by_day as (
    insert into usage_days as d (user_id, period, day, endpoint, credential_id, calls, call_tokens)
    select user_id, period, (now() at time zone 'UTC')::date, %(endpoint)s, credential_id, 1, call_tokens
    from allowed, paid
    on conflict (user_id, period, day, endpoint, credential_id)
        do update set calls = d.calls + 1, call_tokens = d.call_tokens + excluded.call_tokens
)
"""

# Columns to select from a CTE `caller` with
# `left join counted on true left join by_token on true left join recorded on true`.
# A value that this statement didn't change is read as it was before any concurrent calls.
REMAINING_COLUMNS: LiteralString = """
recorded.call_id,
coalesce(counted.used, (
    select m.used from usage_months m where (m.user_id, m.period) = (caller.user_id, caller.period)), 0) as used,
coalesce(by_token.balance, (
    select b.balance from call_token_balances b where b.user_id = caller.user_id), 0) as call_tokens
"""
