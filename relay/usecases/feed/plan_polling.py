"""Plan when a client without push polls next, from its remaining calls and what its vehicles are doing."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import LiteralString

from psycopg.rows import scalar_row

from relay.kit.database import Connection, fetch_all
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
"""Stands for an unlimited plan: it always allows the shortest interval."""


def plan_polling(call: AuthorizedCall, plans: Plans, activity: VehicleActivity) -> str | None:
    """Return when this client should poll next, as a timestamp for its account record; None where its plan has push."""
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
    """Return the activity of the busiest of these vehicles."""
    linked = (record["vehicle"] for record in vehicles if record["link"]["state"] == "ok")
    return _classify_activity(vehicle.get("chargeState") for vehicle in linked)


async def fetch_busiest_activity(connection: Connection, call: AuthorizedCall, plans: Plans) -> VehicleActivity:
    """Read the activity of the caller's busiest vehicle; `PARKED` without a query where the plan has push."""
    if call.caller.plan in plans.push_plans:
        return VehicleActivity.PARKED
    return _classify_activity(await fetch_all(connection, LIST_CHARGE_STATES, [call.caller.user_id], scalar_row))


def _classify_activity(charge_states: Iterable[object]) -> VehicleActivity:
    states = [state for state in charge_states if isinstance(state, dict)]
    if any(state.get("isCharging") is True for state in states):
        return VehicleActivity.CHARGING
    if any(state.get("isPluggedIn") is True for state in states):
        return VehicleActivity.PLUGGED_IN
    return VehicleActivity.PARKED
