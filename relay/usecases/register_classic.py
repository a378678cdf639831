"""A classic client says where it can be told: by its webhook's id and the address of its Home Assistant."""

import re
from uuid import UUID

from relay.delivery.endpoints import Endpoint, find_classic_endpoints, put_classic, remove_classic
from relay.identity.models import Caller
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.authorize import require_installation
from relay.usecases.register_endpoint import require_reachable
from relay.usecases.runtime import Runtime

WEBHOOK_ID = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
CAR = """
select v.id from vehicles v where v.user_id = %(user_id)s and v.gone_at is null and (v.id::text = %(vehicle)s
    or v.id = (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = %(vehicle)s))
"""


async def register_classic(
    runtime: Runtime, caller: Caller, *, webhook_id: str, external_url: str, vehicle_id: str | None = None
) -> None:
    """Tell this webhook of the car with this id (ours or Enode's), or of all cars.

    The latest registration of a webhook id, and of a car, wins. To be called without a connection in hand: the address
    is looked up in DNS. Raises Problem: 403 `plan-required`, 404 for no car of the caller's, 422 `invalid-request` or
    `endpoint-refused`, 429 `too-many-requests`.
    """
    runtime.bursts.take(caller.holder)
    if caller.plan not in runtime.plans.push:
        raise Problem(403, "plan-required", "Pro tier required: the plan does not include live updates.")
    if not WEBHOOK_ID.fullmatch(webhook_id):
        raise Problem(422, "invalid-request", "A webhook id has 1 to 255 letters, digits, - and _.")
    if "?" in external_url:
        raise Problem(422, "invalid-request", "The address of a Home Assistant has no query.")
    # NUL is the one character that PostgreSQL takes in no text.
    vehicle_id = vehicle_id and vehicle_id.replace("\0", "")
    url = f"{external_url.rstrip('/')}/api/webhook/{webhook_id}"
    await require_reachable(runtime.outbound, url)
    async with runtime.pool.connection() as connection:
        await put_classic(
            connection,
            user_id=caller.user_id,
            credential_id=require_installation(caller),
            url=url,
            webhook_id=webhook_id,
            configured_id=vehicle_id or None,
            vehicle_id=await _car(connection, caller, vehicle_id) if vehicle_id else None,
        )
    runtime.feed_waker.wake([caller.user_id])


async def unregister_classic(runtime: Runtime, caller: Caller, webhook_id: str | None = None) -> int:
    """End the account's classic endpoint with this webhook id, or all of them; returns how many there were."""
    async with runtime.pool.connection() as connection:
        return await remove_classic(connection, caller.user_id, webhook_id)


async def find_classic(runtime: Runtime, caller: Caller) -> list[Endpoint]:
    """The account's classic endpoints, oldest first."""
    async with runtime.pool.connection() as connection:
        return await find_classic_endpoints(connection, caller.user_id)


async def _car(connection: Connection, caller: Caller, vehicle_id: str) -> UUID:
    found = await connection.execute(CAR, {"user_id": caller.user_id, "vehicle": vehicle_id})
    row = await found.fetchone()
    if row is None:
        raise Problem(404, "not-found", "No such vehicle.")
    return UUID(str(row[0]))
