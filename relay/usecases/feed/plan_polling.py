"""A client that is not told of changes asks; the relay says when, by what is left of the month and what the cars do."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import LiteralString

from relay.kit.database import Connection
from relay.kit.timestamps import format_timestamp
from relay.metering.poll_schedule import CallBudget, VehicleActivity, plan_next_poll
from relay.plans import Plans
from relay.usecases.calls.authorize import AuthorizedCall
from relay.vehicles.records import VehicleRecord

LIST_CHARGE_STATES: LiteralString = """
select (vehicle_cache || corrected) -> 'chargeState' from vehicles
where user_id = %s and gone_at is null and link_state = 'ok'
"""
UNLIMITED_CALLS = 1_000_000
"""As good as unlimited, for planning: the quickest pace at all times."""


def plan_polling(call: AuthorizedCall, plans: Plans, activity: VehicleActivity) -> str | None:
    """When this client shall ask again, as an account record says it; None where it is told without asking."""
    plan, quota = call.caller.plan, call.quota
    if plan in plans.push_plans:
        return None
    limit = plans.get(plan).monthly_calls
    budget = CallBudget(
        user_id=call.caller.user_id,
        remaining_calls=UNLIMITED_CALLS if limit is None else quota.get_remaining(limit),
        used_calls=quota.used,
        call_tokens=quota.call_tokens,
        resets_at=quota.resets_at,
    )
    return format_timestamp(plan_next_poll(budget, activity, datetime.now(UTC)))


def get_busiest_activity(vehicles: Iterable[VehicleRecord]) -> VehicleActivity:
    """What the busiest of these cars does."""
    return _classify_activity(it["vehicle"].get("chargeState") for it in vehicles if it["link"]["state"] == "ok")


async def fetch_busiest_activity(connection: Connection, call: AuthorizedCall, plans: Plans) -> VehicleActivity:
    """What the busiest of the caller's cars does. Not asked for where it would decide nothing."""
    if call.caller.plan in plans.push_plans:
        return VehicleActivity.PARKED
    rows = await (await connection.execute(LIST_CHARGE_STATES, [call.caller.user_id])).fetchall()
    return _classify_activity(row[0] for row in rows)


def _classify_activity(charge_states: Iterable[object]) -> VehicleActivity:
    states = [it for it in charge_states if isinstance(it, dict)]
    if any(it.get("isCharging") is True for it in states):
        return VehicleActivity.CHARGING
    if any(it.get("isPluggedIn") is True for it in states):
        return VehicleActivity.PLUGGED_IN
    return VehicleActivity.PARKED
