"""Report the calls of a user's quota month by day, by route and by installation."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter
from psycopg.rows import DictRow, dict_row

from relay.kit.database import Connection, fetch_all
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.metering.period import PERIOD_START, RESETS_AT
from relay.plans import Plans
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency

router = APIRouter(prefix="/api")

# One row if nothing was used; a few hundred at most, because calls are stored as daily sums.
GET_USAGE: LiteralString = f"""
with account as materialized (
    select u.id as user_id, u.plan, {PERIOD_START} as began_at, {RESETS_AT} as resets_at from users u where u.id = %s
)
select account.*, now() as at, coalesce(m.used, 0) as used, coalesce(b.balance, 0) as call_tokens,
       d.day, d.endpoint, d.credential_id, d.calls, k.name, k.kind
from account
left join usage_months m on (m.user_id, m.period) = (account.user_id, account.began_at)
left join call_token_balances b on b.user_id = account.user_id
left join usage_days d on (d.user_id, d.period) = (account.user_id, account.began_at) and d.calls > 0
left join credentials k on k.id = d.credential_id
"""  # noqa: S608 - our own literals


@dataclass(frozen=True, kw_only=True, slots=True)
class DayUsage:
    """Calls of one day in UTC."""

    day: date
    calls: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteUsage:
    """Calls of one route, by its short name, e.g. `v2/vehicles`."""

    route: str
    calls: int


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallationUsage:
    """Calls of one installation. All None: the user's own calls; only name and kind None: a deleted credential."""

    id: UUID | None
    name: str | None
    kind: str | None
    calls: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageReport:
    """Usage of the current quota month. `limit` and `left` are None on an unlimited plan.

    `used` counts calls paid by the allowance; the lists count all calls. `days` has every UTC day from the start of the
    month to today, the first and the last possibly partial; the other lists are in descending order of calls.
    """

    plan: str
    limit: int | None
    used: int
    left: int | None
    began_at: datetime
    resets_at: datetime
    call_tokens: int
    days: tuple[DayUsage, ...]
    routes: tuple[RouteUsage, ...]
    installations: tuple[InstallationUsage, ...]


async def get_usage_report(connection: Connection, user_id: UUID, plans: Plans) -> UsageReport:
    """The user's report, from a single statement. Raises Problem 401 if the account has been deleted."""
    rows = await fetch_all(connection, GET_USAGE, [user_id], dict_row)
    if not rows:
        raise Problem(401, "unauthorized", "The account has been deleted.", headers={"WWW-Authenticate": "Bearer"})
    first, counts = rows[0], [row for row in rows if row["calls"] is not None]
    limit = plans.get(first["plan"]).monthly_calls
    return UsageReport(
        plan=first["plan"],
        limit=limit,
        used=first["used"],
        left=None if limit is None else max(0, limit - first["used"]),
        began_at=first["began_at"],
        resets_at=first["resets_at"],
        call_tokens=first["call_tokens"],
        days=tuple(_count_by_day(counts, first["began_at"], first["at"])),
        routes=tuple(_count_by_route(counts)),
        installations=tuple(_count_by_installation(counts)),
    )


def _count_by_day(rows: Iterable[DictRow], began_at: datetime, now: datetime) -> Iterable[DayUsage]:
    calls: Counter[date] = Counter()
    for row in rows:
        calls[row["day"]] += row["calls"]
    day, today = began_at.astimezone(UTC).date(), now.astimezone(UTC).date()
    while day <= today:
        yield DayUsage(day=day, calls=calls[day])
        day += timedelta(days=1)


def _count_by_route(rows: Iterable[DictRow]) -> Iterable[RouteUsage]:
    calls: Counter[str] = Counter()
    for row in rows:
        calls[row["endpoint"]] += row["calls"]
    return (RouteUsage(route=route, calls=count) for route, count in calls.most_common())


def _count_by_installation(rows: Iterable[DictRow]) -> Iterable[InstallationUsage]:
    calls: Counter[tuple[UUID | None, str | None, str | None]] = Counter()
    for row in rows:
        calls[row["credential_id"], row["name"], row["kind"]] += row["calls"]
    for (credential_id, name, kind), count in calls.most_common():
        yield InstallationUsage(id=credential_id, name=name, kind=kind, calls=count)


class DayUsageRecord(TypedDict):
    """Calls of one day, `YYYY-MM-DD` in UTC."""

    day: str
    calls: int


class RouteUsageRecord(TypedDict):
    """Calls of one route, by its short name."""

    route: str
    calls: int


class InstallationUsageRecord(TypedDict):
    """Calls of one installation. All null: the user's own calls; only name and kind null: a deleted credential."""

    id: str | None
    name: str | None
    kind: str | None
    calls: int


class UsageRecord(TypedDict):
    """Usage of the current quota month. `allowance` and `left` are null on an unlimited plan."""

    plan: str
    allowance: int | None
    used: int
    left: int | None
    call_tokens: int
    began_at: str
    resets_at: str
    by_day: list[DayUsageRecord]
    by_route: list[RouteUsageRecord]
    by_installation: list[InstallationUsageRecord]


@router.get("/me/usage", response_model=None, responses={200: {"model": UsageRecord}})
async def get_usage(runtime: RuntimeDependency, authorization: CredentialDependency) -> UsageRecord:
    """Usage of the current quota month by day, route and installation. Doesn't count against the allowance."""
    async with runtime.pool.connection() as connection:
        caller = (await authenticate_caller(connection, authorization, scope="read")).caller
        runtime.rate_limiter.check(caller.rate_limit_key)
        usage = await get_usage_report(connection, caller.user_id, runtime.plans)
    return {
        "plan": usage.plan,
        "allowance": usage.limit,
        "used": usage.used,
        "left": usage.left,
        "call_tokens": usage.call_tokens,
        "began_at": format_timestamp(usage.began_at),
        "resets_at": format_timestamp(usage.resets_at),
        "by_day": [{"day": day.day.isoformat(), "calls": day.calls} for day in usage.days],
        "by_route": [{"route": route.route, "calls": route.calls} for route in usage.routes],
        "by_installation": [
            {
                "id": None if installation.id is None else str(installation.id),
                "name": installation.name,
                "kind": installation.kind,
                "calls": installation.calls,
            }
            for installation in usage.installations
        ],
    }
