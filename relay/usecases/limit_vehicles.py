"""A plan has room for so many cars: who is beyond it is listed by name and not served, and the user picks who is."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from relay.delivery.feed import advance
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.runtime import Runtime
from relay.usecases.tell_change import tell_change
from relay.vehicles import repository, service
from relay.vehicles.limits import VehicleLimits

log = logging.getLogger(__name__)

SWEEP_SECONDS = 300.0
"""Plans end by themselves (a trial runs out), and operators change limits: nobody calls us then."""

PLAN: LiteralString = """
select u.plan, (select count(*) from vehicles v where v.user_id = u.id and v.gone_at is null) as linked
from users u where u.id = %s
"""
CHOOSE: LiteralString = """
update vehicles set chosen_at = case when id = any (%(chosen)s) then now() end
where user_id = %(user_id)s and (chosen_at is not null or id = any (%(chosen)s))
"""
# Too many are served, or one waits though there is room. `limits` has the plans that have one.
ASTRAY: LiteralString = """
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
class Room:
    """How many cars a user's plan has room for (None: any number), and how many there are."""

    plan: str
    limit: int | None
    linked: int

    @property
    def is_full(self) -> bool:
        """Whether another car would be beyond the limit."""
        return self.limit is not None and self.linked >= self.limit


async def room_of(connection: Connection, user_id: UUID, limits: VehicleLimits) -> Room:
    """The user's room for cars. Raises LookupError for an unknown user."""
    row: Any = await (await connection.execute(PLAN, [user_id])).fetchone()
    if row is None:
        raise LookupError(f"no user {user_id}")
    return Room(plan=row[0], limit=limits.of(row[0]), linked=row[1])


async def require_room(connection: Connection, user_id: UUID, limits: VehicleLimits) -> None:
    """Raises Problem 403 when the user's plan has no room for another car."""
    room = await room_of(connection, user_id, limits)
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
    await advance(connection, user_id, 0)
    told, now = False, datetime.now(UTC)
    for place, car in enumerate(await repository.find_in_order(connection, user_id)):
        change = service.limit(car, now, served=limit is None or place < limit)
        if change is not None:
            told |= await tell_change(connection, change, source_event_id=0)  # it makes no transitions
    return told


async def choose_served(runtime: Runtime, user_id: UUID, chosen: Collection[UUID]) -> None:
    """Serve these cars of the user's before all others, and fill what room is left. To be told at once.

    Raises Problem 404 for a car that is not there, 403 for more than there is room for.
    """
    wanted = set(chosen)
    async with runtime.pool.connection() as connection, connection.transaction():
        await advance(connection, user_id, 0)
        there = {car.id for car in await repository.find_in_order(connection, user_id)}
        if not wanted <= there:
            raise Problem(404, "not-found", "No such vehicle.")
        room = await room_of(connection, user_id, runtime.vehicle_limits)
        if room.limit is not None and len(wanted) > room.limit:
            words = f"Your plan has room for {room.limit} of your cars."
            raise Problem(403, "vehicle-limit", words, limit=room.limit, linked=room.linked, plan=room.plan)
        await connection.execute(CHOOSE, {"user_id": user_id, "chosen": list(wanted)})
        told = await apply_vehicle_limit(connection, user_id, room.limit)
    if told:
        runtime.feed_waker.wake([user_id])


async def limit_vehicles(runtime: Runtime) -> int:
    """Put right whoever is served more or less than the plan says; returns how many users were told of it."""
    by_plan = runtime.vehicle_limits.by_plan
    asked = {"plans": list(by_plan), "limits": list(by_plan.values())}
    async with runtime.pool.connection() as connection:
        astray: list[Any] = await (await connection.execute(ASTRAY, asked)).fetchall()
        told = []
        for user_id, plan in astray:
            async with connection.transaction():
                if await apply_vehicle_limit(connection, user_id, runtime.vehicle_limits.of(plan)):
                    told.append(user_id)
    runtime.feed_waker.wake(told)
    return len(told)


async def limit_for_ever(runtime: Runtime) -> None:
    """Put it right every few minutes until cancelled."""
    while True:
        try:
            await limit_vehicles(runtime)
        except psycopg.Error as error:
            log.warning("limits of cars were not applied: %s", type(error).__name__)
        await asyncio.sleep(SWEEP_SECONDS)
