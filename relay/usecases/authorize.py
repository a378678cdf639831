"""Who may do what, and what it costs: one statement a call, however long the history and however many race."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.identity.credentials import Credential, Kind
from relay.identity.models import Caller
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.kit.times import wire_time
from relay.metering.allowance import ALLOWANCES
from relay.metering.period import PERIOD, RESETS_AT
from relay.usecases.switches import COMMANDS_PAUSED

PAUSED_RETRY_AFTER = 60
"""Seconds after which a command may be tried again while the operator has paused them."""

type Scope = Literal["read", "control", "account"]
"""`account` is managing keys, consent and the account itself: only people may, never what they handed out."""

# ruff: disable[S608] - joined from literals of ours only (LiteralString holds us to it)

_HOLDER: LiteralString = f"""
u.id as user_id, u.email, u.name, u.plan, u.language, u.disabled_at is not null as disabled,
(%(allowances)s::jsonb ->> u.plan)::int as allowance, {PERIOD} as period, {RESETS_AT} as resets_at
"""
_INSTALLATION: LiteralString = f"select k.id as credential_id, k.scopes, k.last_used_at, {_HOLDER}"

CALLERS: dict[Kind, LiteralString] = {
    "key": f"""
        {_INSTALLATION}, null::uuid as unused_pair from api_keys k join users u on u.id = k.user_id
        where k.key_hash = %(lookup)s and k.revoked_at is null and u.closed_at is null
    """,
    "access": f"""
        {_INSTALLATION}, case when t.used_at is null then t.id end as unused_pair
        from oauth_tokens t join oauth_grants k on k.id = t.grant_id join users u on u.id = k.user_id
        where t.access_hash = %(lookup)s and t.access_expires_at > now() and k.revoked_at is null
          and u.closed_at is null
          -- Of several answers to one refresh token, the first that is used is the one.
          and (t.used_at is not null or not exists (
              select from oauth_tokens s where s.replaces = t.replaces and s.used_at is not null))
    """,
    "person": f"""
        select null::uuid as credential_id, '{{read,control,account}}'::text[] as scopes,
               null::timestamptz as last_used_at, {_HOLDER}, null::uuid as unused_pair
        from users u where u.supabase_id = %(lookup)s and u.approved_at is not null and u.closed_at is null
    """,
}
"""How a caller is found, by the kind of credential."""

# A credential's last use is shown by the minute; writing it on every call would double the work of a call.
_JUST_NOW: LiteralString = """
id = (select credential_id from who where last_used_at is null or last_used_at < now() - interval '1 minute')
"""
TOUCHED: dict[Kind, LiteralString] = {
    "key": f"touched as (update api_keys set last_used_at = now() where {_JUST_NOW})",
    # The first use of a pair is what ends the one before it.
    "access": f"""
        touched as (update oauth_grants set last_used_at = now() where {_JUST_NOW}),
        first_used as (
            update oauth_tokens set used_at = clock_timestamp()
            where id = (select unused_pair from who) and used_at is null)
    """,
    "person": "touched as (select)",
}

_WITH_USED: LiteralString = """
select who.*, coalesce(m.used, 0) as used from who left join usage_months m using (user_id, period)
"""
AUTHENTICATE: dict[Kind, LiteralString] = {
    kind: f"with who as materialized ({CALLERS[kind]}), {TOUCHED[kind]} {_WITH_USED}" for kind in CALLERS
}
ACCOUNT: LiteralString = f"""
with who as materialized (
    {_INSTALLATION} from credentials k join users u on u.id = k.user_id
    where k.id = %(lookup)s and k.revoked_at is null and u.closed_at is null
),
{TOUCHED["key"]},
granted as (update oauth_grants set last_used_at = now() where {_JUST_NOW})
{_WITH_USED}
"""

# A foreign or unknown car costs nothing and looks the same. `counted` is empty when the allowance is spent.
_AUTHORIZED: LiteralString = f"""
car as (
    select v.id as vehicle_id, v.vendor, v.vehicle_cache || v.corrected as vehicle_cache,
           (select l.enode_vehicle_id from vehicle_links l
            where l.vehicle_id = v.id and l.ended_at is null order by l.linked_at desc limit 1) as enode_vehicle_id
    from who join vehicles v using (user_id)
    where v.gone_at is null and v.link_state <> 'over_limit'
      and (v.id::text = %(vehicle)s
           or v.id = (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = %(vehicle)s))
),
switch as (
    select %(scope)s = 'control' and {COMMANDS_PAUSED} as paused
),
allowed as (
    select * from who where %(scope)s = any (scopes) and not disabled
      and not (select paused from switch)
      and (%(vehicle)s::text is null or exists (select from car))
),
counted as (
    insert into usage_months as m (user_id, period, used)
    select user_id, period, 1 from allowed where allowance is null or allowance > 0
    on conflict (user_id, period) do update set used = m.used + 1
        where (select allowance is null or m.used < allowance from allowed)
    returning used
),
recorded as (
    insert into poll_logs (user_id, vehicle_id, credential_id, endpoint, paid_by, period)
    select user_id, (select vehicle_id from car), credential_id, %(endpoint)s, 'allowance', period
    from allowed, counted
    returning id as call_id
)
select who.*, car.*, recorded.call_id, switch.paused, coalesce(counted.used, (
           select m.used from usage_months m where (m.user_id, m.period) = (who.user_id, who.period))) as used
from who cross join switch left join car on true left join counted on true left join recorded on true
"""
AUTHORIZE: dict[Kind, LiteralString] = {
    kind: f"with who as materialized ({CALLERS[kind]}), {TOUCHED[kind]}, {_AUTHORIZED}" for kind in CALLERS
}

# ruff: enable[S608]


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """The calls of the current quota month. `limit` None is unlimited."""

    limit: int | None
    used: int
    resets_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Car:
    """The car a call is about: our id, Enode's current id for it, and its state as merged."""

    vehicle_id: UUID
    enode_vehicle_id: str | None
    vendor: str
    vehicle: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call that may go on. `call_id` is what a refund names; None where calls cost nothing."""

    caller: Caller
    allowance: Allowance
    call_id: int | None = None
    car: Car | None = None


async def authenticate(connection: Connection, credential: Credential | None, *, scope: Scope) -> Call:
    """The caller behind a credential, at no cost. Raises Problem 401 or 403."""
    known = _known(credential)
    row = await _one(connection, AUTHENTICATE[known.kind], _parameters(known.lookup))
    return _call(_permitted(row, scope))


async def authorize(
    connection: Connection, credential: Credential | None, *, scope: Scope, endpoint: str, vehicle: str | None = None
) -> Call:
    """Let one metered call happen, about `vehicle` (our id or Enode's) if given.

    Raises Problem 401, 403, 404 for a car that is not the caller's, 429 when the month's calls are used up, 503 for a
    command while the operator has paused them. Nothing is charged then.
    """
    known = _known(credential)
    # NUL is the one character that PostgreSQL takes in no text.
    about = {"scope": scope, "endpoint": endpoint, "vehicle": vehicle and vehicle.replace("\0", "")}
    row = _permitted(await _one(connection, AUTHORIZE[known.kind], _parameters(known.lookup) | about), scope)
    if vehicle is not None and row["vehicle_id"] is None:
        raise Problem(404, "not-found", "No such vehicle.")
    if row["paused"]:
        raise _paused()
    if row["call_id"] is None:
        raise _exhausted(row)
    return _call(row)


async def account_of(connection: Connection, credential_id: UUID) -> Call:
    """What `authenticate` would tell the holder of this installation, whatever becomes of its tokens.

    Raises Problem 401 when it is revoked, 403 when the account is switched off.
    """
    row = await _one(connection, ACCOUNT, _parameters(credential_id))
    return _call(_permitted(row, "read"))


def require_installation(caller: Caller) -> UUID:
    """The installation that calls. Raises Problem 403 for a person: what is delivered goes to an installation."""
    if caller.credential_id is None:
        raise Problem(403, "forbidden", "Ask with an API key or as a Home Assistant that signed in.")
    return caller.credential_id


def _known(credential: Credential | None) -> Credential:
    if credential is None:
        raise _unauthorized()
    return credential


def _parameters(lookup: bytes | UUID) -> dict[str, Any]:
    return {"lookup": lookup, "allowances": json.dumps(ALLOWANCES)}


async def _one(connection: Connection, statement: LiteralString, parameters: dict[str, Any]) -> DictRow | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchone()


def _permitted(row: DictRow | None, scope: Scope) -> DictRow:
    if row is None:
        raise _unauthorized()
    if row["disabled"]:
        raise Problem(403, "account-disabled", "The operator has switched this account off; ask there.")
    if scope not in row["scopes"]:
        raise Problem(403, "forbidden", _lacks(scope))
    return row


def _lacks(scope: Scope) -> str:
    if scope == "account":
        return "Only a person who is signed in may do this, never a key or a Home Assistant."
    return f"This credential lacks the scope `{scope}`."


def _unauthorized() -> Problem:
    # One answer for missing, malformed, unknown, expired and revoked: nothing to learn by trying.
    words = "Give a valid API key or access token."
    return Problem(401, "unauthorized", words, headers={"WWW-Authenticate": "Bearer"})


def _paused() -> Problem:
    words = "The operator of this relay has paused commands. Nothing was sent to the car and nothing is charged."
    return Problem(503, "unavailable", words, headers={"Retry-After": str(PAUSED_RETRY_AFTER)})


def _exhausted(row: DictRow) -> Problem:
    resets_at: datetime = row["resets_at"]
    seconds = max(1, math.ceil((resets_at - datetime.now(UTC)).total_seconds()))
    return Problem(
        429,
        "quota-exhausted",
        "The calls of this month are used up.",
        headers={"Retry-After": str(seconds)},
        plan=row["plan"],
        allowance=row["allowance"],
        # Read as it was before those calls that raced with this one.
        used=max(row["allowance"], row["used"] or 0),
        call_tokens=0,
        resets_at=wire_time(resets_at),
    )


def _call(row: DictRow) -> Call:
    caller = Caller(
        user_id=row["user_id"],
        credential_id=row["credential_id"],
        email=row["email"],
        name=row["name"],
        plan=row["plan"],
        language=row["language"],
    )
    allowance = Allowance(limit=row["allowance"], used=row["used"], resets_at=row["resets_at"])
    if row.get("vehicle_id") is None:
        return Call(caller=caller, allowance=allowance, call_id=row.get("call_id"))
    car = Car(
        vehicle_id=row["vehicle_id"],
        enode_vehicle_id=row["enode_vehicle_id"],
        vendor=row["vendor"],
        vehicle=row["vehicle_cache"],
    )
    return Call(caller=caller, allowance=allowance, call_id=row["call_id"], car=car)
