"""Identify a vehicle by any of its ids: ours, or one that Enode ever gave it. Free, so it also works at 429."""

from typing import Any, LiteralString, TypedDict

from fastapi import APIRouter
from psycopg.rows import dict_row

from relay.kit.database import fetch_one
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency
from relay.vehicles.display_name import select_display_members
from relay.vehicles.lookup import ENODE_IDS, IS_SERVED, MATCHES_ID, build_lookup_parameters
from relay.vehicles.records import LinkRecord, list_former_ids, render_link_record

IDENTIFY: LiteralString = f"""
select v.id, v.link_state, v.link_since, v.vehicle_cache, {ENODE_IDS} as enode_ids
from vehicles v where v.user_id = %(user_id)s and {IS_SERVED} and {MATCHES_ID}
"""  # noqa: S608 - our own constants

router = APIRouter(prefix="/api/ha/v2")


class VehicleIdentityRecord(TypedDict):
    """A vehicle without its state: the members that a VehicleRecord has of the same name, of `vehicle` the names."""

    id: str
    former_ids: list[str]
    link: LinkRecord
    vehicle: dict[str, Any]


@router.get("/vehicles/{vehicle_id}", response_model=None, responses={200: {"model": VehicleIdentityRecord}})
async def get_vehicle_identity(
    vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency
) -> VehicleIdentityRecord:
    """Get which vehicle an id means, also one that Enode gave it before it was linked again. Costs no call."""
    async with runtime.pool.connection() as connection:
        caller = (await authenticate_caller(connection, authorization, scope="read")).caller
        runtime.rate_limiter.check(caller.rate_limit_key)
        row = await fetch_one(connection, IDENTIFY, build_lookup_parameters(caller.user_id, vehicle_id), dict_row)
    if row is None:
        raise Problem(404, "not-found", "No such vehicle.")
    vehicle = {"id": row["vehicle_cache"].get("id"), **select_display_members(row["vehicle_cache"])}
    return {
        "id": str(row["id"]),
        "former_ids": list_former_ids(row["enode_ids"], vehicle),
        "link": render_link_record(row),
        "vehicle": vehicle,
    }
