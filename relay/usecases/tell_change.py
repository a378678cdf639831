"""A car has changed: write it, and give what the user sees of it its place in the user's feed."""

from typing import LiteralString
from uuid import UUID

from relay.delivery.feed import advance
from relay.kit.database import Connection
from relay.vehicles.models import Change
from relay.vehicles.repository import save

TRANSITIONS = """
insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, source_event_id, live)
select %s, %s + n, %s, kind, %s, %s, %s from unnest(%s::text[]) with ordinality as it (kind, n)
on conflict (vehicle_id, source_event_id, kind) do nothing
"""

REVISE: LiteralString = """
update vehicles v set revision = %s + it.n from unnest(%s::uuid[]) with ordinality as it (id, n) where v.id = it.id
"""


async def tell_again(connection: Connection, user_id: UUID, vehicle_ids: list[UUID]) -> None:
    """Give these cars of the user's new places in the feed: what is shown beside them has changed. In a transaction."""
    if vehicle_ids:
        last = await advance(connection, user_id, len(vehicle_ids))
        await connection.execute(REVISE, [last - len(vehicle_ids), vehicle_ids])


async def tell_change(
    connection: Connection, change: Change, *, source_event_id: int, live: bool = True, counted: bool = False
) -> bool:
    """Write `change`; True when the user has something new to see. The car comes first, then what happened to it.

    `counted`: the car's energy counters show more, which is seen even where nothing else is. What is not `live` is kept
    as history, and told to nobody as if it happened now. Of a car beyond the plan's limit nothing is told but its name.
    """
    car = change.after
    served = car.link_state != "over_limit"
    if not change.visible and not (counted and served and car.gone_at is None):
        if change.before != car or change.links:
            await save(connection, car, change.links, revision=car.revision)
        return False
    revision = await advance(connection, car.user_id, 1 + len(change.kinds)) - len(change.kinds)
    await save(connection, car, change.links, revision=revision)
    if change.kinds:
        await connection.execute(
            TRANSITIONS,
            [car.user_id, revision, car.id, change.occurred_at, source_event_id, live and served, list(change.kinds)],
        )
    return True
