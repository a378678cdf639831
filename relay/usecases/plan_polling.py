"""A client that is not told of changes asks; the relay says when, by what is left of the month and what the cars do."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import LiteralString

from relay.kit.database import Connection
from relay.kit.times import wire_time
from relay.metering.allowance import Plans
from relay.metering.planning import Activity, Budget, next_poll_at
from relay.usecases.authorize import Call
from relay.vehicles.records import VehicleRecord

CHARGE_STATES: LiteralString = """
select (vehicle_cache || corrected) -> 'chargeState' from vehicles
where user_id = %s and gone_at is null and link_state = 'ok'
"""
WITHOUT_END = 1_000_000
"""As good as unlimited, for planning: the quickest pace at all times."""


def plan_polling(call: Call, plans: Plans, activity: Activity) -> str | None:
    """When this client shall ask again, as an account record says it; None where it is told without asking."""
    plan, quota = call.caller.plan, call.quota
    if plan in plans.push:
        return None
    limit = plans.limit(plan)
    budget = Budget(
        user_id=call.caller.user_id,
        left=WITHOUT_END if limit is None else quota.left(limit),
        used=quota.used,
        call_tokens=quota.call_tokens,
        resets_at=quota.resets_at,
    )
    return wire_time(next_poll_at(budget, activity, datetime.now(UTC)))


def activity_of(vehicles: Iterable[VehicleRecord]) -> Activity:
    """What the busiest of these cars does."""
    return _busiest(it["vehicle"].get("chargeState") for it in vehicles if it["link"]["state"] == "ok")


async def read_activity(connection: Connection, call: Call, plans: Plans) -> Activity:
    """What the busiest of the caller's cars does. Not asked for where it would decide nothing."""
    if call.caller.plan in plans.push:
        return Activity.PARKED
    rows = await (await connection.execute(CHARGE_STATES, [call.caller.user_id])).fetchall()
    return _busiest(row[0] for row in rows)


def _busiest(charge_states: Iterable[object]) -> Activity:
    states = [it for it in charge_states if isinstance(it, dict)]
    if any(it.get("isCharging") is True for it in states):
        return Activity.CHARGING
    if any(it.get("isPluggedIn") is True for it in states):
        return Activity.PLUGGED_IN
    return Activity.PARKED
