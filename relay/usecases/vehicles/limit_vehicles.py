"""A plan has room for so many cars: who is beyond it is listed by name and not served, and the user picks who is."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from relay.feed.sequence import advance_feed
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.plans import Plans
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed.record_change import record_change
from relay.vehicles import repository, service

log = logging.getLogger(__name__)

CHECK_INTERVAL_SECONDS = 300.0
"""Plans end by themselves (a trial runs out), and operators change limits: nobody calls us then."""

GET_CAPACITY: LiteralString = """
select u.plan, (select count(*) from vehicles v where v.user_id = u.id and v.gone_at is null) as linked
from users u where u.id = %s
"""
MARK_CHOSEN: LiteralString = """
update vehicles set chosen_at = case when id = any (%(chosen)s) then now() end
where user_id = %(user_id)s and (chosen_at is not null or id = any (%(chosen)s))
"""
# Too many are served, or one waits though there is room. `limits` has the plans that have one.
LIST_OUT_OF_STEP_USERS: LiteralString = """
select u.id, u.plan from users u
join lateral (
    select count(*) filter (where v.link_state <> 'over_limit') as served,
           count(*) filter (where v.link_state = 'over_limit') as waiting
    from vehicles v where v.user_id = u.id and v.gone_at is null
) c on true
left join unnest(%(plans)s::text[], %(limits)s::bigint[]) as it (plan, most) on it.plan = u.plan
where u.closed_at is null and (c.served > it.most or (c.waiting > 0 and c.served < coalesce(it.most, c.served + 1)))
order by u.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleCapacity:
    """How many cars a user's plan has room for (None: any number), and how many there are."""

    plan: str
    limit: int | None
    linked: int

    @property
    def is_full(self) -> bool:
        """Whether another car would be beyond the limit."""
        return self.limit is not None and self.linked >= self.limit


async def get_vehicle_capacity(connection: Connection, user_id: UUID, plans: Plans) -> VehicleCapacity:
    """The user's room for cars. Raises LookupError for an unknown user."""
    row: Any = await (await connection.execute(GET_CAPACITY, [user_id])).fetchone()
    if row is None:
        raise LookupError(f"no user {user_id}")
    return VehicleCapacity(plan=row[0], limit=plans.get(row[0]).vehicle_limit, linked=row[1])


async def require_vehicle_capacity(connection: Connection, user_id: UUID, plans: Plans) -> None:
    """Raises Problem 403 when the user's plan has no room for another car."""
    room = await get_vehicle_capacity(connection, user_id, plans)
    if room.is_full:
        raise Problem(
            403,
            "vehicle-limit",
            "Your plan has no room for another car. Unlink one, or take a plan with more room.",
            limit=room.limit,
            linked=room.linked,
            plan=room.plan,
        )


async def apply_vehicle_limit(connection: Connection, user_id: UUID, limit: int | None) -> bool:
    """Serve as many of the user's cars as there is room for (None: all); True when the user has something new to see.

    In a transaction; takes the lock of the user's feed. Chosen cars come first, then those that are served.
    """
    await advance_feed(connection, user_id, 0)
    told, now = False, datetime.now(UTC)
    for place, car in enumerate(await repository.list_by_priority(connection, user_id)):
        change = service.apply_limit(car, now, served=limit is None or place < limit)
        if change is not None:
            told |= await record_change(connection, change, source_event_id=0)  # it makes no transitions
    return told


async def select_served_vehicles(runtime: Runtime, user_id: UUID, vehicle_ids: Collection[UUID]) -> None:
    """Serve these cars of the user's before all others, and fill what room is left. To be told at once.

    Raises Problem 404 for a car that is not there, 403 for more than there is room for.
    """
    wanted = set(vehicle_ids)
    async with runtime.pool.connection() as connection, connection.transaction():
        await advance_feed(connection, user_id, 0)
        there = {car.id for car in await repository.list_by_priority(connection, user_id)}
        if not wanted <= there:
            raise Problem(404, "not-found", "No such vehicle.")
        room = await get_vehicle_capacity(connection, user_id, runtime.plans)
        if room.limit is not None and len(wanted) > room.limit:
            words = f"Your plan has room for {room.limit} of your cars."
            raise Problem(403, "vehicle-limit", words, limit=room.limit, linked=room.linked, plan=room.plan)
        await connection.execute(MARK_CHOSEN, {"user_id": user_id, "chosen": list(wanted)})
        told = await apply_vehicle_limit(connection, user_id, room.limit)
    if told:
        runtime.feed_waker.wake([user_id])


async def enforce_vehicle_limits(runtime: Runtime) -> int:
    """Put right whoever is served more or less than the plan says; returns how many users were told of it."""
    by_plan = runtime.plans.get_vehicle_limits()
    asked = {"plans": list(by_plan), "limits": list(by_plan.values())}
    async with runtime.pool.connection() as connection:
        astray: list[Any] = await (await connection.execute(LIST_OUT_OF_STEP_USERS, asked)).fetchall()
        told = []
        for user_id, plan in astray:
            async with connection.transaction():
                if await apply_vehicle_limit(connection, user_id, runtime.plans.get(plan).vehicle_limit):
                    told.append(user_id)
    runtime.feed_waker.wake(told)
    return len(told)


async def run_vehicle_limit_loop(runtime: Runtime) -> None:
    """Put it right every few minutes until cancelled."""
    while True:
        try:
            await enforce_vehicle_limits(runtime)
        except psycopg.Error as error:
            log.warning("limits of cars were not applied: %s", type(error).__name__)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)
