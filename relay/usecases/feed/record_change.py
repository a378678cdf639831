"""A car has changed: write it, and give what the user sees of it its place in the user's feed."""

from typing import LiteralString
from uuid import UUID

from relay.feed.sequence import advance_feed
from relay.kit.database import Connection
from relay.vehicles.models import VehicleChange
from relay.vehicles.repository import save_vehicle

INSERT_TRANSITIONS = """
insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, source_event_id, live)
select %s, %s + n, %s, kind, %s, %s, %s from unnest(%s::text[]) with ordinality as it (kind, n)
on conflict (vehicle_id, source_event_id, kind) do nothing
"""

UPDATE_REVISIONS: LiteralString = """
update vehicles v set revision = %s + it.n from unnest(%s::uuid[]) with ordinality as it (id, n) where v.id = it.id
"""


async def bump_vehicle_revisions(connection: Connection, user_id: UUID, vehicle_ids: list[UUID]) -> None:
    """Give these cars of the user's new places in the feed: what is shown beside them has changed. In a transaction."""
    if vehicle_ids:
        last = await advance_feed(connection, user_id, len(vehicle_ids))
        await connection.execute(UPDATE_REVISIONS, [last - len(vehicle_ids), vehicle_ids])


async def record_change(
    connection: Connection,
    change: VehicleChange,
    *,
    source_event_id: int,
    live: bool = True,
    has_energy_update: bool = False,
) -> bool:
    """Write `change`; True when the user has something new to see. The car comes first, then what happened to it.

    `counted`: the car's energy counters show more, which is seen even where nothing else is. What is not `live` is kept
    as history, and told to nobody as if it happened now. Of a car beyond the plan's limit nothing is told but its name.
    """
    car = change.after
    served = car.link_state != "over_limit"
    if not change.is_visible and not (has_energy_update and served and car.gone_at is None):
        if change.before != car or change.links:
            await save_vehicle(connection, car, change.links, revision=car.revision)
        return False
    revision = await advance_feed(connection, car.user_id, 1 + len(change.transition_kinds)) - len(
        change.transition_kinds
    )
    await save_vehicle(connection, car, change.links, revision=revision)
    if change.transition_kinds:
        await connection.execute(
            INSERT_TRANSITIONS,
            [
                car.user_id,
                revision,
                car.id,
                change.occurred_at,
                source_event_id,
                live and served,
                list(change.transition_kinds),
            ],
        )
    return True
