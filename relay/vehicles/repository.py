"""Read and write vehicles and their links. Callers hold the lock on the user's feed."""

from dataclasses import asdict
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from relay.gateways.enode.json_fields import parse_datetime
from relay.kit.clock_skew import cap_reported_column, cap_reported_time
from relay.kit.database import Connection, fetch_all
from relay.kit.json_object import JsonObject
from relay.vehicles.future_versions import discard_future_versions
from relay.vehicles.models import ChargeFlags, CorrectionOverlay, SmartCharging, Vehicle, VehicleLink, VehicleState

_VEHICLE_COLUMNS: LiteralString = """
v.id, v.user_id, v.revision, v.vehicle_cache, v.versions, v.corrected, v.corrections,
v.correction_memory, v.held_since, v.review_at, v.smart_charging, v.last_known, v.link_state, v.link_since, v.broken_at,
v.vin_hash, v.gone_at, v.gone_reason,
(select to_jsonb(e) - 'base' from vehicle_energy e where e.vehicle_id = v.id) as ledger, now() as read_at
"""
# A link with times in the future would ignore all later events.
_LINK_COLUMNS: LiteralString = f"""
l.enode_vehicle_id, l.vehicle_id, l.linked_at, {cap_reported_column("l.seen_at")} as seen_at,
{cap_reported_column("l.ended_at")} as ended_at
"""

FIND_LINKED: LiteralString = f"""
select {_VEHICLE_COLUMNS}, {_LINK_COLUMNS} from vehicle_links l join vehicles v on v.id = l.vehicle_id
where l.enode_vehicle_id = %s
"""  # noqa: S608 - our own constants
FIND_BY_VIN: LiteralString = f"select {_VEHICLE_COLUMNS} from vehicles v where v.user_id = %s and v.vin_hash = %s"  # noqa: S608 - our own constants
FIND_BY_ID: LiteralString = f"select {_VEHICLE_COLUMNS} from vehicles v where v.id = %s"  # noqa: S608 - our own constants
LIST_BY_VENDOR: LiteralString = f"""
select {_VEHICLE_COLUMNS} from vehicles v where v.user_id = %s and v.vendor = %s and v.gone_at is null order by v.id
"""  # noqa: S608 - our own constants
LIST_OF_USER: LiteralString = f"""
select {_VEHICLE_COLUMNS} from vehicles v where v.user_id = %s order by v.id
"""  # noqa: S608 - our own constants
# Vehicles to serve first when the plan doesn't cover all: chosen by the user, then served already, then linked first.
LIST_BY_PRIORITY: LiteralString = f"""
select {_VEHICLE_COLUMNS} from vehicles v where v.user_id = %s and v.gone_at is null
order by v.chosen_at is null, v.link_state = 'over_limit', v.created_at, v.id
"""  # noqa: S608 - our own constants
LIST_LINKS: LiteralString = f"select {_LINK_COLUMNS} from vehicle_links l where l.vehicle_id = %s"  # noqa: S608 - our own constants

# A vehicle and its changed links, in one round trip.
SAVE = """
with saved_vehicle as (
    insert into vehicles as v (id, user_id, vendor, revision, vehicle_cache, versions, corrected, corrections,
                               correction_memory, held_since, review_at, smart_charging, last_known, link_state,
                               link_since, broken_at, vin_hash, gone_at, gone_reason)
    values (%(id)s, %(user_id)s, %(vendor)s, %(revision)s, %(groups)s, %(versions)s, %(corrected)s, %(corrections)s,
            %(correction_memory)s, %(held_since)s, %(review_at)s, %(smart_charging)s, %(last_known)s, %(link_state)s,
            %(link_since)s, %(broken_at)s, %(vin_hash)s, %(gone_at)s, %(gone_reason)s)
    on conflict (id) do update set (vendor, revision, vehicle_cache, versions, corrected, corrections,
                                    correction_memory, held_since, review_at, smart_charging, last_known, link_state,
                                    link_since, broken_at, vin_hash, gone_at, gone_reason, updated_at)
        = (excluded.vendor, excluded.revision, excluded.vehicle_cache, excluded.versions, excluded.corrected,
           excluded.corrections, excluded.correction_memory, excluded.held_since, excluded.review_at,
           excluded.smart_charging, excluded.last_known, excluded.link_state, excluded.link_since, excluded.broken_at,
           excluded.vin_hash, excluded.gone_at, excluded.gone_reason, now())
)
insert into vehicle_links (enode_vehicle_id, vehicle_id, linked_at, seen_at, ended_at)
select * from unnest(%(enode_vehicle_ids)s::text[], %(vehicle_ids)s::uuid[], %(linked_ats)s::timestamptz[],
                     %(seen_ats)s::timestamptz[], %(ended_ats)s::timestamptz[])
on conflict (enode_vehicle_id) do update
set vehicle_id = excluded.vehicle_id, seen_at = excluded.seen_at, ended_at = excluded.ended_at
"""


async def find_linked(connection: Connection, enode_vehicle_id: str) -> tuple[Vehicle, VehicleLink] | None:
    """The vehicle with this Enode id, live or ended, and its link."""
    rows = await _fetch_rows(connection, FIND_LINKED, [enode_vehicle_id])
    return (_parse_vehicle(rows[0]), _parse_link(rows[0])) if rows else None


async def find_by_vin(connection: Connection, user_id: UUID, vin_hash: bytes) -> Vehicle | None:
    """The user's vehicle with this VIN hash, also one that is gone."""
    rows = await _fetch_rows(connection, FIND_BY_VIN, [user_id, vin_hash])
    return _parse_vehicle(rows[0]) if rows else None


async def find_vehicle(connection: Connection, vehicle_id: UUID) -> Vehicle | None:
    """The vehicle with this id, also one that is gone."""
    rows = await _fetch_rows(connection, FIND_BY_ID, [vehicle_id])
    return _parse_vehicle(rows[0]) if rows else None


async def list_of_user(connection: Connection, user_id: UUID) -> list[Vehicle]:
    """All of the user's vehicles, also those that are gone."""
    return [_parse_vehicle(row) for row in await _fetch_rows(connection, LIST_OF_USER, [user_id])]


async def list_by_vendor(connection: Connection, user_id: UUID, vendor: str) -> list[Vehicle]:
    """The user's linked vehicles of a vendor."""
    return [_parse_vehicle(row) for row in await _fetch_rows(connection, LIST_BY_VENDOR, [user_id, vendor])]


async def list_by_priority(connection: Connection, user_id: UUID) -> list[Vehicle]:
    """The user's linked vehicles, those to serve first at the front."""
    return [_parse_vehicle(row) for row in await _fetch_rows(connection, LIST_BY_PRIORITY, [user_id])]


async def list_links(connection: Connection, vehicle_id: UUID) -> list[VehicleLink]:
    """All links of a vehicle, also ended ones."""
    return [_parse_link(row) for row in await _fetch_rows(connection, LIST_LINKS, [vehicle_id])]


async def save_vehicle(
    connection: Connection, vehicle: Vehicle, links: tuple[VehicleLink, ...], *, revision: int
) -> None:
    """Write a vehicle with `revision`, and its new or changed `links`."""
    groups = vehicle.state.groups
    vendor = groups.get("vendor")
    await connection.execute(
        SAVE,
        {
            "id": vehicle.id,
            "user_id": vehicle.user_id,
            "vendor": vendor if isinstance(vendor, str) else "UNKNOWN",
            "revision": revision,
            "groups": Jsonb(groups),
            "versions": Jsonb({"groups": vehicle.state.versions, "leaves": vehicle.state.leaves}),
            "corrected": Jsonb(vehicle.corrected.overlay),
            "corrections": list(vehicle.corrected.names),
            "correction_memory": Jsonb(vehicle.corrected.memory),
            "held_since": vehicle.corrected.held_since,
            "review_at": vehicle.corrected.review_at,
            "smart_charging": _serialize_smart_charging(vehicle.smart_charging),
            "last_known": Jsonb(asdict(vehicle.last_known)),
            "link_state": vehicle.link_state,
            "link_since": vehicle.link_since,
            "broken_at": vehicle.broken_at,
            "vin_hash": vehicle.vin_hash,
            "gone_at": vehicle.gone_at,
            "gone_reason": vehicle.gone_reason,
            "enode_vehicle_ids": [link.enode_vehicle_id for link in links],
            "vehicle_ids": [link.vehicle_id for link in links],
            "linked_ats": [link.linked_at for link in links],
            "seen_ats": [link.seen_at for link in links],
            "ended_ats": [link.ended_at for link in links],
        },
    )


async def _fetch_rows(connection: Connection, statement: LiteralString, parameters: list[object]) -> list[DictRow]:
    return await fetch_all(connection, statement, parameters, dict_row)


def _parse_vehicle(row: DictRow) -> Vehicle:
    versions = row["versions"]
    return Vehicle(
        id=row["id"],
        user_id=row["user_id"],
        revision=row["revision"],
        state=discard_future_versions(
            VehicleState(
                groups=row["vehicle_cache"], versions=versions.get("groups", {}), leaves=versions.get("leaves", {})
            ),
            row["read_at"],
        ),
        corrected=CorrectionOverlay(
            overlay=row["corrected"],
            names=tuple(row["corrections"]),
            memory=row["correction_memory"],
            held_since=row["held_since"],
            review_at=row["review_at"],
        ),
        smart_charging=_parse_smart_charging(row["smart_charging"], row["read_at"]),
        last_known=ChargeFlags(**row["last_known"]),
        link_state=row["link_state"],
        link_since=cap_reported_time(row["link_since"], row["read_at"]),
        broken_at=row["broken_at"] and cap_reported_time(row["broken_at"], row["read_at"]),
        vin_hash=row["vin_hash"],
        gone_at=row["gone_at"],
        gone_reason=row["gone_reason"],
        ledger=row["ledger"],
    )


def _serialize_smart_charging(smart: SmartCharging | None) -> Jsonb | None:
    if smart is None:
        return None
    since = smart.since and smart.since.isoformat()
    stored = {"state": smart.state, "since": since, "as_of": smart.as_of.isoformat()}
    return Jsonb({**stored, "plan": smart.plan, "is_overridden": smart.is_overridden})


def _parse_smart_charging(stored: JsonObject | None, read_at: datetime) -> SmartCharging | None:
    if stored is None:
        return None
    as_of = cap_reported_time(datetime.fromisoformat(stored["as_of"]), read_at)
    return SmartCharging(
        state=stored["state"],
        since=parse_datetime(stored, "since"),
        as_of=as_of,
        plan=stored.get("plan"),
        is_overridden=stored.get("is_overridden") is True,
    )


def _parse_link(row: DictRow) -> VehicleLink:
    return VehicleLink(
        enode_vehicle_id=row["enode_vehicle_id"],
        vehicle_id=row["vehicle_id"],
        linked_at=row["linked_at"],
        seen_at=row["seen_at"],
        ended_at=row["ended_at"],
    )
