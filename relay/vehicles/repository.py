"""Cars and their links in the database. Whoever calls these holds the lock on the user's feed."""

from dataclasses import asdict
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from relay.gateways.enode.fields import moment
from relay.kit.database import Connection
from relay.vehicles.models import Charge, Corrected, Json, Link, SmartCharging, State, Vehicle

_VEHICLE: LiteralString = """
v.id, v.user_id, v.revision, v.vehicle_cache, v.versions, v.corrected, v.corrections,
v.correction_memory, v.smart_charging, v.last_known, v.link_state, v.link_since, v.broken_at,
v.vin_hash, v.gone_at, v.gone_reason,
(select to_jsonb(e) - 'base' from vehicle_energy e where e.vehicle_id = v.id) as ledger
"""
_LINK: LiteralString = "l.enode_vehicle_id, l.vehicle_id, l.linked_at, l.seen_at, l.ended_at"

# Put together from the constants above.
LINKED: LiteralString = f"""
select {_VEHICLE}, {_LINK} from vehicle_links l join vehicles v on v.id = l.vehicle_id where l.enode_vehicle_id = %s
"""  # noqa: S608 - our own constants
BY_VIN: LiteralString = f"select {_VEHICLE} from vehicles v where v.user_id = %s and v.vin_hash = %s"  # noqa: S608 - our own constants
OF_VENDOR: LiteralString = f"""
select {_VEHICLE} from vehicles v where v.user_id = %s and v.vendor = %s and v.gone_at is null order by v.id
"""  # noqa: S608 - our own constants
# Those that are served when there is not room for all come first: the user's choice, then who is served, then who was
# there first.
IN_ORDER: LiteralString = f"""
select {_VEHICLE} from vehicles v where v.user_id = %s and v.gone_at is null
order by v.chosen_at is null, v.link_state = 'over_limit', v.created_at, v.id
"""  # noqa: S608 - our own constants
LINKS: LiteralString = f"select {_LINK} from vehicle_links l where l.vehicle_id = %s"  # noqa: S608 - our own constants

# A car and the links that changed with it: one round trip.
SAVE = """
with car as (
    insert into vehicles as v (id, user_id, vendor, revision, vehicle_cache, versions, corrected, corrections,
                               correction_memory, smart_charging, last_known, link_state, link_since, broken_at,
                               vin_hash, gone_at, gone_reason)
    values (%(id)s, %(user_id)s, %(vendor)s, %(revision)s, %(groups)s, %(versions)s, %(corrected)s, %(corrections)s,
            %(correction_memory)s, %(smart_charging)s, %(last_known)s, %(link_state)s, %(link_since)s, %(broken_at)s,
            %(vin_hash)s, %(gone_at)s, %(gone_reason)s)
    on conflict (id) do update set (vendor, revision, vehicle_cache, versions, corrected, corrections,
                                    correction_memory, smart_charging, last_known, link_state, link_since, broken_at,
                                    vin_hash, gone_at, gone_reason, updated_at)
        = (excluded.vendor, excluded.revision, excluded.vehicle_cache, excluded.versions, excluded.corrected,
           excluded.corrections, excluded.correction_memory, excluded.smart_charging, excluded.last_known,
           excluded.link_state, excluded.link_since, excluded.broken_at, excluded.vin_hash, excluded.gone_at,
           excluded.gone_reason, now())
)
insert into vehicle_links (enode_vehicle_id, vehicle_id, linked_at, seen_at, ended_at)
select * from unnest(%(enode_vehicle_ids)s::text[], %(vehicle_ids)s::uuid[], %(linked_ats)s::timestamptz[],
                     %(seen_ats)s::timestamptz[], %(ended_ats)s::timestamptz[])
on conflict (enode_vehicle_id) do update
set vehicle_id = excluded.vehicle_id, seen_at = excluded.seen_at, ended_at = excluded.ended_at
"""


async def find_linked(connection: Connection, enode_vehicle_id: str) -> tuple[Vehicle, Link] | None:
    """The car that this Enode vehicle is or was, and its link."""
    rows = await _fetch(connection, LINKED, [enode_vehicle_id])
    return (_vehicle(rows[0]), _link(rows[0])) if rows else None


async def find_by_vin(connection: Connection, user_id: UUID, vin: bytes) -> Vehicle | None:
    """The user's car with this VIN hash, gone ones too."""
    rows = await _fetch(connection, BY_VIN, [user_id, vin])
    return _vehicle(rows[0]) if rows else None


async def find_of_vendor(connection: Connection, user_id: UUID, vendor: str) -> list[Vehicle]:
    """The user's cars of a vendor that are there."""
    return [_vehicle(row) for row in await _fetch(connection, OF_VENDOR, [user_id, vendor])]


async def find_in_order(connection: Connection, user_id: UUID) -> list[Vehicle]:
    """The user's cars that are there, first those that are to be served before the others."""
    return [_vehicle(row) for row in await _fetch(connection, IN_ORDER, [user_id])]


async def links_of(connection: Connection, vehicle_id: UUID) -> list[Link]:
    """All links of a car, ended ones too."""
    return [_link(row) for row in await _fetch(connection, LINKS, [vehicle_id])]


async def save(connection: Connection, vehicle: Vehicle, links: tuple[Link, ...], *, revision: int) -> None:
    """Write a car as it is now, with `revision`, and these links of it or that have come to it."""
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
            "smart_charging": _smart_charging_row(vehicle.smart_charging),
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


async def _fetch(connection: Connection, statement: LiteralString, parameters: list[object]) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


def _vehicle(row: DictRow) -> Vehicle:
    versions = row["versions"]
    return Vehicle(
        id=row["id"],
        user_id=row["user_id"],
        revision=row["revision"],
        state=State(
            groups=row["vehicle_cache"], versions=versions.get("groups", {}), leaves=versions.get("leaves", {})
        ),
        corrected=Corrected(overlay=row["corrected"], names=tuple(row["corrections"]), memory=row["correction_memory"]),
        smart_charging=_smart_charging(row["smart_charging"]),
        last_known=Charge(**row["last_known"]),
        link_state=row["link_state"],
        link_since=row["link_since"],
        broken_at=row["broken_at"],
        vin_hash=row["vin_hash"],
        gone_at=row["gone_at"],
        gone_reason=row["gone_reason"],
        ledger=row["ledger"],
    )


def _smart_charging_row(smart: SmartCharging | None) -> Jsonb | None:
    if smart is None:
        return None
    since = smart.since and smart.since.isoformat()
    return Jsonb({"state": smart.state, "since": since, "as_of": smart.as_of.isoformat()})


def _smart_charging(kept: Json | None) -> SmartCharging | None:
    if kept is None:
        return None
    as_of = datetime.fromisoformat(kept["as_of"])
    return SmartCharging(state=kept["state"], since=moment(kept, "since"), as_of=as_of)


def _link(row: DictRow) -> Link:
    return Link(
        enode_vehicle_id=row["enode_vehicle_id"],
        vehicle_id=row["vehicle_id"],
        linked_at=row["linked_at"],
        seen_at=row["seen_at"],
        ended_at=row["ended_at"],
    )
