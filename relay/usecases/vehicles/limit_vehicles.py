"""Limit the vehicles that are served to the number in the user's plan.

A vehicle over the limit is listed by name only and gets no updates. The user can choose which vehicles are served.
"""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from relay.feed.sequence import advance_feed
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.problems import Problem
from relay.plans import Plans
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed.record_change import record_change
from relay.vehicles import repository
from relay.vehicles.changes import apply_limit

log = logging.getLogger(__name__)

CHECK_INTERVAL_SECONDS = 300.0
"""How often limits are checked. Plans expire and operators change limits without any event that triggers a check."""

GET_CAPACITY: LiteralString = """
select u.plan, (select count(*) from vehicles v where v.user_id = u.id and v.gone_at is null) as linked
from users u where u.id = %s
"""
MARK_CHOSEN: LiteralString = """
update vehicles set chosen_at = case when id = any (%(chosen)s) then now() end
where user_id = %(user_id)s and (chosen_at is not null or id = any (%(chosen)s))
"""
# Users with too many served vehicles, or with unserved ones below the limit. `plans` are the plans that have a limit.
LIST_MISMATCHED_USERS: LiteralString = """
select u.id, u.plan from users u
join lateral (
    select count(*) filter (where v.link_state <> 'over_limit') as served,
           count(*) filter (where v.link_state = 'over_limit') as unserved
    from vehicles v where v.user_id = u.id and v.gone_at is null
) c on true
left join unnest(%(plans)s::text[], %(limits)s::bigint[]) as l (plan, max_served) on l.plan = u.plan
where u.closed_at is null
  and (c.served > l.max_served or (c.unserved > 0 and c.served < coalesce(l.max_served, c.served + 1)))
order by u.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleCapacity:
    """How many vehicles a user's plan includes (None: unlimited), and how many are linked."""

    plan: str
    limit: int | None
    linked: int

    @property
    def is_full(self) -> bool:
        """Whether another vehicle would be over the limit."""
        return self.limit is not None and self.linked >= self.limit


async def get_vehicle_capacity(connection: Connection, user_id: UUID, plans: Plans) -> VehicleCapacity:
    """The vehicle limit of the user's plan and its use. Raises LookupError for an unknown user."""
    row = await fetch_one(connection, GET_CAPACITY, [user_id], tuple_row)
    if row is None:
        raise LookupError(f"no user {user_id}")
    return VehicleCapacity(plan=row[0], limit=plans.get(row[0]).vehicle_limit, linked=row[1])


async def require_vehicle_capacity(connection: Connection, user_id: UUID, plans: Plans) -> None:
    """Raise Problem 403 when the user's plan doesn't include another vehicle."""
    capacity = await get_vehicle_capacity(connection, user_id, plans)
    if capacity.is_full:
        raise Problem(
            403,
            "vehicle-limit",
            f"Your plan's limit of cars ({capacity.limit}) is reached. Unlink a car or upgrade your plan.",
            limit=capacity.limit,
            linked=capacity.linked,
            plan=capacity.plan,
        )


async def apply_vehicle_limit(connection: Connection, user_id: UUID, limit: int | None) -> bool:
    """Serve up to `limit` of the user's vehicles (None: all); True when the user's feed has changed.

    Chosen vehicles come first, then those already served. Call it in a transaction: it takes the lock of the feed.
    """
    await advance_feed(connection, user_id, 0)
    is_visible, now = False, datetime.now(UTC)
    for index, vehicle in enumerate(await repository.list_by_priority(connection, user_id)):
        change = apply_limit(vehicle, now, served=limit is None or index < limit)
        if change is not None:
            # A change of the limit has no transitions, which are all that the event id is for.
            is_visible |= await record_change(connection, change, source_event_id=0)
    return is_visible


async def select_served_vehicles(runtime: Runtime, user_id: UUID, vehicle_ids: Collection[UUID]) -> None:
    """Serve these vehicles before all others, and fill up to the limit. Streams are notified at once.

    Raises Problem 404 for a vehicle that isn't linked to this user, 403 for more vehicles than the plan includes.
    """
    chosen = set(vehicle_ids)
    async with runtime.pool.connection() as connection, connection.transaction():
        await advance_feed(connection, user_id, 0)
        linked = {vehicle.id for vehicle in await repository.list_by_priority(connection, user_id)}
        if not chosen <= linked:
            raise Problem(404, "not-found", "No such vehicle.")
        capacity = await get_vehicle_capacity(connection, user_id, runtime.plans)
        if capacity.limit is not None and len(chosen) > capacity.limit:
            raise Problem(
                403,
                "vehicle-limit",
                f"These are more cars than your plan includes. Choose at most {capacity.limit}.",
                limit=capacity.limit,
                linked=capacity.linked,
                plan=capacity.plan,
            )
        await connection.execute(MARK_CHOSEN, {"user_id": user_id, "chosen": list(chosen)})
        is_visible = await apply_vehicle_limit(connection, user_id, capacity.limit)
    if is_visible:
        runtime.feed_waker.wake([user_id])


async def enforce_vehicle_limits(runtime: Runtime) -> int:
    """Apply the limit to all users with more or fewer served vehicles than their plan includes.

    Returns how many users' feeds have changed.
    """
    limits_by_plan = runtime.plans.get_vehicle_limits()
    parameters = {"plans": list(limits_by_plan), "limits": list(limits_by_plan.values())}
    async with runtime.pool.connection() as connection:
        changed_users = []
        for user_id, plan in await fetch_all(connection, LIST_MISMATCHED_USERS, parameters, tuple_row):
            async with connection.transaction():
                if await apply_vehicle_limit(connection, user_id, runtime.plans.get(plan).vehicle_limit):
                    changed_users.append(user_id)
    runtime.feed_waker.wake(changed_users)
    return len(changed_users)


async def run_vehicle_limit_loop(runtime: Runtime) -> None:
    """Apply the limits every CHECK_INTERVAL_SECONDS until cancelled."""
    while True:
        try:
            await enforce_vehicle_limits(runtime)
        except psycopg.Error as error:
            log.warning("vehicle limits not applied error=%s", type(error).__name__)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)
