"""Who may do what, and what it costs: one statement a call, however long the history and however many race."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.identity.credentials import key_hash, read_bearer
from relay.identity.models import Caller
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.kit.times import wire_time
from relay.metering.allowance import ALLOWANCES
from relay.metering.counting import COUNTED, LEFT
from relay.metering.period import PERIOD, RESETS_AT
from relay.usecases.switches import COMMANDS_PAUSED

PAUSED_RETRY_AFTER = 60
"""Seconds after which a command may be tried again while the operator has paused them."""

type Scope = Literal["read", "control"]

# ruff: disable[S608] - joined from literals of ours only (LiteralString holds us to it)

_CALLERS: LiteralString = f"""
select k.id as credential_id, k.scopes, k.last_used_at, u.id as user_id, u.email, u.name, u.plan, u.language,
       u.disabled_at is not null as disabled,
       (%(allowances)s::jsonb ->> u.plan)::int as allowance, {PERIOD} as period, {RESETS_AT} as resets_at
from api_keys k join users u on u.id = k.user_id
where k.revoked_at is null and u.closed_at is null
"""
CALLER: LiteralString = f"{_CALLERS} and k.key_hash = %(key_hash)s"
ACCOUNT: LiteralString = f"""
with who as materialized ({_CALLERS} and k.id = %(credential_id)s)
select who.*, coalesce(m.used, 0) as used, coalesce(b.balance, 0) as call_tokens
from who left join usage_months m using (user_id, period) left join call_token_balances b using (user_id)
"""

# A key's last use is shown by the minute; writing it on every call would double the work of a call.
TOUCHED: LiteralString = """
update api_keys set last_used_at = now()
where id = (select credential_id from who where last_used_at is null or last_used_at < now() - interval '1 minute')
"""

AUTHENTICATE: LiteralString = f"""
with who as materialized ({CALLER}), touched as ({TOUCHED})
select who.*, coalesce(m.used, 0) as used, coalesce(b.balance, 0) as call_tokens
from who left join usage_months m using (user_id, period) left join call_token_balances b using (user_id)
"""

# A foreign or unknown car costs nothing and looks the same.
AUTHORIZE: LiteralString = f"""
with who as materialized ({CALLER}),
touched as ({TOUCHED}),
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
    select who.*, (select vehicle_id from car) as vehicle_id from who where %(scope)s = any (scopes) and not disabled
      and not (select paused from switch)
      and (%(vehicle)s::text is null or exists (select from car))
),
{COUNTED}
select who.*, car.*, switch.paused, {LEFT}
from who cross join switch left join car on true
left join counted on true left join by_token on true left join recorded on true
"""

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


async def authenticate(connection: Connection, authorization: str | None, *, scope: Scope) -> Call:
    """The caller behind an Authorization header, at no cost. Raises Problem 401 or 403."""
    row = await _one(connection, AUTHENTICATE, _parameters(authorization))
    return _call(_permitted(row, scope))


async def authorize(
    connection: Connection, authorization: str | None, *, scope: Scope, endpoint: str, vehicle: str | None = None
) -> Call:
    """Let one metered call happen, about `vehicle` (our id or Enode's) if given.

    Raises Problem 401, 403, 404 for a car that is not the caller's, 429 when the month's calls are used up, 503 for a
    command while the operator has paused them. Nothing is charged then.
    """
    # NUL is the one character that PostgreSQL takes in no text.
    about = {"scope": scope, "endpoint": endpoint, "vehicle": vehicle and vehicle.replace("\0", "")}
    row = _permitted(await _one(connection, AUTHORIZE, _parameters(authorization) | about), scope)
    if vehicle is not None and row["vehicle_id"] is None:
        raise Problem(404, "not-found", "No such vehicle.")
    if row["paused"]:
        raise _paused()
    if row["call_id"] is None:
        raise _exhausted(row)
    return _call(row)


async def account_of(connection: Connection, credential_id: UUID) -> Call:
    """What `authenticate` would tell the holder of this credential. Raises Problem 401 when it is revoked."""
    about = {"credential_id": credential_id, "allowances": json.dumps(ALLOWANCES)}
    row = await _one(connection, ACCOUNT, about)
    if row is None:
        raise _unauthorized()
    return _call(row)


def _parameters(authorization: str | None) -> dict[str, Any]:
    key = read_bearer(authorization)
    if key is None:
        raise _unauthorized()
    return {"key_hash": key_hash(key), "allowances": json.dumps(ALLOWANCES)}


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
        raise Problem(403, "forbidden", f"This key lacks the scope `{scope}`.")
    return row


def _unauthorized() -> Problem:
    # One answer for missing, malformed, unknown and revoked: nothing to learn by trying.
    return Problem(401, "unauthorized", "Give a valid API key.", headers={"WWW-Authenticate": "Bearer"})


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
        call_tokens=row["call_tokens"],
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
