"""Store a vehicle's change together with its place in the user's feed."""

from typing import LiteralString
from uuid import UUID

from relay.feed.sequence import advance_feed
from relay.kit.database import Connection
from relay.vehicles.models import VehicleChange
from relay.vehicles.repository import save_vehicle

INSERT_TRANSITIONS: LiteralString = """
insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, source_event_id, live)
select %(user_id)s, %(revision)s + n, %(vehicle_id)s, kind, %(occurred_at)s, %(event_id)s, %(live)s
from unnest(%(kinds)s::text[]) with ordinality as kinds (kind, n)
on conflict (vehicle_id, source_event_id, kind) do nothing
"""

UPDATE_REVISIONS: LiteralString = """
update vehicles v set revision = %s + listed.n
from unnest(%s::uuid[]) with ordinality as listed (id, n) where v.id = listed.id
"""


async def bump_vehicle_revisions(connection: Connection, user_id: UUID, vehicle_ids: list[UUID]) -> None:
    """Give these vehicles of the user new revisions, because something in their records outside `vehicles` has changed.

    To be called in a transaction.
    """
    if vehicle_ids:
        last = await advance_feed(connection, user_id, len(vehicle_ids))
        await connection.execute(UPDATE_REVISIONS, [last - len(vehicle_ids), vehicle_ids])


async def record_change(
    connection: Connection,
    change: VehicleChange,
    *,
    source_event_id: int | None,
    live: bool = True,
    has_energy_update: bool = False,
) -> bool:
    """Store `change` and give it a place in the user's feed; True when the user sees something new.

    The vehicle's revision comes before the transitions. `has_energy_update`: the energy counters have changed, which
    is visible even where nothing else is. Transitions that are not `live`, or of a vehicle over the plan's limit, are
    stored as history and not sent. To be called in a transaction.
    """
    vehicle, kinds = change.after, change.transition_kinds
    is_served = vehicle.link_state != "over_limit"
    if not change.is_visible and not (has_energy_update and is_served and vehicle.gone_at is None):
        if change.before != vehicle or change.links:
            await save_vehicle(connection, vehicle, change.links, revision=vehicle.revision)
        return False
    revision = await advance_feed(connection, vehicle.user_id, 1 + len(kinds)) - len(kinds)
    await save_vehicle(connection, vehicle, change.links, revision=revision)
    if kinds:
        parameters = {
            "user_id": vehicle.user_id,
            "revision": revision,
            "vehicle_id": vehicle.id,
            "occurred_at": change.occurred_at,
            "event_id": source_event_id,
            "live": live and is_served,
            "kinds": list(kinds),
        }
        await connection.execute(INSERT_TRANSITIONS, parameters)
    return True
