"""SQL of authorize.py: find the caller, check the scope and charge the call, in one statement for each credential kind.

The CTE `caller` holds the caller's row; the fragments of relay/metering/deduction.py refer to it.
"""

from typing import LiteralString

from relay.identity.credentials import CredentialKind
from relay.kit.stored_times import is_before
from relay.metering.deduction import DEDUCT_CALL, REMAINING_COLUMNS
from relay.metering.period import PERIOD_START, RESETS_AT
from relay.usecases.calls.pause_switches import COMMANDS_PAUSED
from relay.vehicles.lookup import CURRENT_ENODE_ID, IS_SERVED, MATCHES_ID

# ruff: disable[S608] - built from our own literals only (LiteralString enforces it)

_USER_COLUMNS: LiteralString = f"""
u.id as user_id, u.email, u.name, u.plan, u.language, u.disabled_at is not null as disabled,
{PERIOD_START} as period, {RESETS_AT} as resets_at
"""
_SELECT_INSTALLATION: LiteralString = f"select k.id as credential_id, k.scopes, k.last_used_at, {_USER_COLUMNS}"

FIND_CALLER: dict[CredentialKind, LiteralString] = {
    "key": f"""
        {_SELECT_INSTALLATION}, null::uuid as unused_pair from api_keys k join users u on u.id = k.user_id
        where k.key_hash = %(lookup)s and k.revoked_at is null and u.closed_at is null
    """,
    "access": f"""
        {_SELECT_INSTALLATION}, case when t.used_at is null then t.id end as unused_pair
        from oauth_tokens t join oauth_grants k on k.id = t.grant_id join users u on u.id = k.user_id
        where t.access_hash = %(lookup)s and t.access_expires_at > now() and k.revoked_at is null
          and u.closed_at is null
          -- Of several token pairs issued for one refresh token, only the first that is used is valid.
          and (t.used_at is not null or not exists (
              select from oauth_tokens s where s.replaces = t.replaces and s.used_at is not null))
    """,
    "person": f"""
        select null::uuid as credential_id, '{{read,control,account}}'::text[] as scopes,
               null::timestamptz as last_used_at, {_USER_COLUMNS}, null::uuid as unused_pair
        from users u where u.supabase_id = %(lookup)s and u.approved_at is not null and u.closed_at is null
    """,
}
"""The statement that finds a caller, by kind of credential."""

# Last use is shown to the minute. Writing it on every call would double a call's work.
_LAST_USE_IS_OUTDATED: LiteralString = f"""
id = (select credential_id from caller where last_used_at is null or {is_before("last_used_at", "interval '1 minute'")})
"""
UPDATE_LAST_USE: dict[CredentialKind, LiteralString] = {
    "key": f"last_use_updated as (update api_keys set last_used_at = now() where {_LAST_USE_IS_OUTDATED})",
    # The first use of a token pair invalidates the pair before it.
    "access": f"""
        last_use_updated as (update oauth_grants set last_used_at = now() where {_LAST_USE_IS_OUTDATED}),
        pair_used as (
            update oauth_tokens set used_at = clock_timestamp()
            where id = (select unused_pair from caller) and used_at is null)
    """,
    "person": "last_use_updated as (select)",
}

_SELECT_CALLER_WITH_USAGE: LiteralString = """
select caller.*, coalesce(m.used, 0) as used, coalesce(b.balance, 0) as call_tokens
from caller left join usage_months m using (user_id, period) left join call_token_balances b using (user_id)
"""
AUTHENTICATE: dict[CredentialKind, LiteralString] = {
    kind: f"with caller as materialized ({FIND_CALLER[kind]}), {UPDATE_LAST_USE[kind]} {_SELECT_CALLER_WITH_USAGE}"
    for kind in FIND_CALLER
}
AUTHENTICATE_INSTALLATION: LiteralString = f"""
with caller as materialized (
    {_SELECT_INSTALLATION} from credentials k join users u on u.id = k.user_id
    where k.id = %(lookup)s and k.revoked_at is null and u.closed_at is null
),
{UPDATE_LAST_USE["key"]},
grant_last_use_updated as (update oauth_grants set last_used_at = now() where {_LAST_USE_IS_OUTDATED})
{_SELECT_CALLER_WITH_USAGE}
"""

# Another user's vehicle and an unknown one get the same free answer. The allowances are a parameter, because plans are
# the operator's settings and not in the database.
_AUTHORIZE_AND_COUNT: LiteralString = f"""
requested_vehicle as (
    select v.id as vehicle_id, v.vendor, v.vehicle_cache || v.corrected as vehicle_cache,
           {CURRENT_ENODE_ID} as enode_vehicle_id
    from caller join vehicles v using (user_id)
    where {IS_SERVED} and {MATCHES_ID}
),
switch as (
    select %(scope)s = 'control' and {COMMANDS_PAUSED} as paused
),
allowed as (
    select user_id, period, credential_id, (select vehicle_id from requested_vehicle) as vehicle_id,
           (%(allowances)s::jsonb ->> plan)::int as allowance
    from caller where %(scope)s = any (scopes) and not disabled
      and not (select paused from switch)
      and (%(vehicle)s::text is null or exists (select from requested_vehicle))
),
{DEDUCT_CALL}
select caller.*, requested_vehicle.*, switch.paused, {REMAINING_COLUMNS}
from caller cross join switch left join requested_vehicle on true
left join counted on true left join by_token on true left join recorded on true
"""
AUTHORIZE: dict[CredentialKind, LiteralString] = {
    kind: f"with caller as materialized ({FIND_CALLER[kind]}), {UPDATE_LAST_USE[kind]}, {_AUTHORIZE_AND_COUNT}"
    for kind in FIND_CALLER
}

# ruff: enable[S608]
