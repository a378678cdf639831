"""What an event of Enode's means for a user's cars: decided here, written by whoever gives it its place in the feed.

Which car is it?
* An Enode id that we know: the car it was linked to.
* An unknown one whose VIN equals that of a car this user has, or ever had: a new link of that car. `discovered` of the
  new id may come before `deleted` of the old one; the car is gone only while no link of it is live.
* Otherwise a new car.
* A car whose VIN becomes known late, and is that of another car: they are one. The one that had the VIN first keeps its
  id, because automations and history hang on it; it takes over the links and what was seen, and the other one goes.
* A VIN once known is not changed: the id at Enode says more than a correction by a vendor.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from relay.gateways.enode.fields import flag, member, moment, text
from relay.kit.database import Connection
from relay.vehicles import links, repository
from relay.vehicles.corrections import correct
from relay.vehicles.merge import absorb, merge, time_of
from relay.vehicles.models import Change, Charge, Json, Link, LinkState, Sighting, SmartCharging, Vehicle
from relay.vehicles.transitions import read_charge, remember, transitions
from relay.vehicles.vin import vin_hash

DELETED = "deleted"
SAME_CAR = "same_car"


class ForeignVehicleError(Exception):
    """An Enode vehicle is linked to a car of another user. The message names only our id of that car."""


async def see(connection: Connection, user_id: UUID, sighting: Sighting, *, vin_key: bytes) -> list[Change]:
    """Enode shows a vehicle. Raises ForeignVehicleError."""
    vin = vin_hash(vin_key, text(member(sighting.vehicle, "information") or {}, "vin"))
    found = await _find(connection, user_id, sighting.enode_vehicle_id)
    holder = None
    if vin and (found is None or found[0].vin_hash is None):
        holder = await repository.find_by_vin(connection, user_id, vin)
    if found is None:
        before = holder
        car = holder or _new(user_id, sighting.created_at)
        link = _new_link(car, sighting)
    else:
        before, link = found
        if holder is not None:
            return await _unite(connection, holder, before, link, sighting)
        car = before
    car = replace(car, vin_hash=car.vin_hash or vin)
    link = links.seen(link, sighting.created_at)
    if link.live:  # a tombstone says nothing about the car's other links
        car = links.settle(car, [link], sighting.created_at, DELETED)
    return [_change(before, _told(car, sighting), (link,), sighting.created_at)]


async def delete(connection: Connection, user_id: UUID, sighting: Sighting, *, vin_key: bytes) -> list[Change]:
    """Enode says that a vehicle is deleted; `sighting` is what it says it was. Raises ForeignVehicleError."""
    at = sighting.created_at
    found = await _find(connection, user_id, sighting.enode_vehicle_id)
    if found is None:
        return await _bury_unseen(connection, user_id, sighting, vin_key)
    before, link = found
    ended = links.ended(link, at)
    if ended == link:
        return []
    others = [
        it for it in await repository.links_of(connection, before.id) if it.enode_vehicle_id != link.enode_vehicle_id
    ]
    return [_change(before, links.settle(before, [ended, *others], at, DELETED), (ended,), at)]


async def break_links(connection: Connection, user_id: UUID, vendor: str, at: datetime) -> list[Change]:
    """Credentials of a vendor became invalid: its cars say nothing new until the user links again.

    A car that has said something since `at` has been linked again already.
    """
    changes = []
    for car in await repository.find_of_vendor(connection, user_id, vendor):
        alive_at = moment(car.groups, "lastSeen")
        if alive_at is not None and alive_at >= at:
            continue
        if car.link_state == "over_limit":
            broken_at = max(at, car.broken_at or at)
            changes.append(Change(before=car, after=replace(car, broken_at=broken_at), occurred_at=at))
            continue
        since = max(at, car.link_since) if car.link_state == "broken" else at
        changes.append(_change(car, replace(car, link_state="broken", link_since=since), (), at))
    return changes


async def note_smart_charging(
    connection: Connection, user_id: UUID, enode_vehicle_id: str, status: SmartCharging
) -> list[Change]:
    """Enode's smart charging got further with a car; the newest wins. Raises ForeignVehicleError."""
    found = await _find(connection, user_id, enode_vehicle_id)
    if found is None:
        return []
    car = found[0]
    if car.smart_charging is not None and car.smart_charging.as_of >= status.as_of:
        return []
    return [Change(before=car, after=replace(car, smart_charging=status), occurred_at=status.as_of)]


async def _find(connection: Connection, user_id: UUID, enode_vehicle_id: str) -> tuple[Vehicle, Link] | None:
    found = await repository.find_linked(connection, enode_vehicle_id)
    if found is not None and found[0].user_id != user_id:
        raise ForeignVehicleError(str(found[0].id))
    return found


async def _unite(
    connection: Connection, holder: Vehicle, doubled: Vehicle, link: Link, sighting: Sighting
) -> list[Change]:
    """`doubled`, linked by `link`, turns out to be the car that `holder` is."""
    at = sighting.created_at
    moved = tuple(
        replace(links.seen(it, at) if it.enode_vehicle_id == link.enode_vehicle_id else it, vehicle_id=holder.id)
        for it in await repository.links_of(connection, doubled.id)
    )
    car = replace(holder, state=absorb(holder.state, doubled.state))
    if any(it.live for it in moved):
        car = links.settle(car, moved, at, DELETED)
    return [
        _change(doubled, links.settle(doubled, (), at, SAME_CAR), (), at),
        _change(holder, _told(car, sighting), moved, at),
    ]


async def _bury_unseen(connection: Connection, user_id: UUID, sighting: Sighting, vin_key: bytes) -> list[Change]:
    """A tombstone for a vehicle that nobody showed us yet, or its late `discovered` would raise a ghost."""
    at = sighting.created_at
    vin = vin_hash(vin_key, text(member(sighting.vehicle, "information") or {}, "vin"))
    holder = await repository.find_by_vin(connection, user_id, vin) if vin else None
    car = holder or replace(_told(_new(user_id, at), sighting), vin_hash=vin, gone_at=at, gone_reason=DELETED)
    return [_change(holder, car, (replace(_new_link(car, sighting), ended_at=at),), at)]


def _new(user_id: UUID, at: datetime) -> Vehicle:
    return Vehicle(id=uuid4(), user_id=user_id, link_since=at)


def _new_link(car: Vehicle, sighting: Sighting) -> Link:
    at = sighting.created_at
    return Link(enode_vehicle_id=sighting.enode_vehicle_id, vehicle_id=car.id, linked_at=at, seen_at=at)


def _told(car: Vehicle, sighting: Sighting) -> Vehicle:
    """`car` after what the sighting says of it; a broken link is whole again when the car has spoken since."""
    state = merge(car.state, sighting)
    car = replace(car, state=state, corrected=correct(car.corrected.memory, state))
    spoke_at = _spoke_at(car.groups, sighting)
    if car.link_state == "broken" and spoke_at is not None and spoke_at > car.link_since:
        return replace(car, link_state="ok", link_since=sighting.created_at)
    if car.broken_at is not None and spoke_at is not None and spoke_at > car.broken_at:
        return replace(car, broken_at=None)
    return car


def limit(car: Vehicle, at: datetime, *, served: bool) -> Change | None:
    """The plan has room for this car, or it has not; None when that is so already."""
    if served == (car.link_state != "over_limit"):
        return None
    if not served:
        broken_at = car.link_since if car.link_state == "broken" else None
        after = replace(car, link_state="over_limit", link_since=at, broken_at=broken_at)
    else:
        state: LinkState = "broken" if car.broken_at else "ok"
        after = replace(car, link_state=state, link_since=car.broken_at or at, broken_at=None)
    return Change(before=car, after=after, occurred_at=at)


def _spoke_at(groups: Json, sighting: Sighting) -> datetime | None:
    # Enode also sends `updated` because credentials became invalid; only live data or a new link proves the contrary.
    if sighting.partial:
        return sighting.created_at
    reachable = flag(sighting.vehicle, "isReachable") is True
    return moment(groups, "lastSeen") or (sighting.created_at if reachable else None)


def _change(before: Vehicle | None, after: Vehicle, changed: tuple[Link, ...], at: datetime) -> Change:
    was_there = before is not None and before.gone_at is None
    now = read_charge(after.groups)
    last_known = after.last_known if was_there else Charge()
    kinds = transitions(last_known, now) if after.gone_at is None else ()
    true_at = _charge_time(after)
    if before is not None and before.corrected.overlay and _charge_time(before) == true_at:
        true_at = None  # nothing new from the car: a correction has ended, and that is now
    return Change(
        before=before,
        after=replace(after, last_known=remember(last_known, now)),
        links=changed,
        kinds=kinds,
        occurred_at=true_at or at,
    )


def _charge_time(car: Vehicle) -> datetime | None:
    version = car.state.versions.get("chargeState", "")
    return time_of(version) if version else None
