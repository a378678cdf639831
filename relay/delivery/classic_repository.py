"""Endpoints of classic clients (`kind` classic) in the database: several per credential, each with its own webhook id.

A credential sees and changes only its own: with one, another's vehicle data could be redirected.
"""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.delivery.models import Endpoint, EndpointTarget
from relay.delivery.repository import ENDPOINT_COLUMNS
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.throttle import interval_has_passed

MAX_CLASSIC_ENDPOINTS = 20
"""Classic endpoints of one credential; registering another one deletes the oldest."""

LIST: LiteralString = f"""
select {ENDPOINT_COLUMNS} from endpoints e join feeds f using (user_id)
where e.kind = 'classic' and e.credential_id = %s order by e.created_at, e.id
"""  # noqa: S608 - composed from a constant
FIND_NEWEST: LiteralString = """
select id, url, salt from endpoints
where kind = 'classic' and credential_id = %s order by created_at desc, id desc limit 1
"""
# A webhook that is registered for another vehicle starts without a cursor: the old one is the other vehicle's.
UPSERT: LiteralString = """
insert into endpoints as old (user_id, credential_id, kind, url, webhook_id, configured_id, vehicle_id)
values (%(user_id)s, %(credential_id)s, 'classic', %(url)s, %(webhook_id)s, %(configured_id)s, %(vehicle_id)s)
on conflict (credential_id, webhook_id) where kind = 'classic' do update
set url = excluded.url, configured_id = excluded.configured_id, vehicle_id = excluded.vehicle_id,
    failures = 0, failing_since = null, last_failure = null, off_at = null, slow = false, next_try_at = now(),
    leased_until = null, lease_token = null,
    epoch = case when old.vehicle_id is not distinct from excluded.vehicle_id then old.epoch end,
    seq = case when old.vehicle_id is not distinct from excluded.vehicle_id then old.seq end
"""
# Deletes the credential's earlier registration for the same vehicle, and its oldest ones beyond the limit.
DELETE_SUPERSEDED: LiteralString = """
delete from endpoints where kind = 'classic' and credential_id = %(credential_id)s and webhook_id <> %(webhook_id)s
and (vehicle_id = %(vehicle_id)s or id in (
    select id from endpoints
    where kind = 'classic' and credential_id = %(credential_id)s and webhook_id <> %(webhook_id)s
    order by created_at desc, id offset %(others)s))
"""
DELETE: LiteralString = """
delete from endpoints where kind = 'classic' and credential_id = %s and webhook_id = coalesce(%s, webhook_id)
"""
CLAIM_TEST: LiteralString = f"""
update endpoints set tested_at = clock_timestamp() where id = %(id)s and {interval_has_passed("tested_at")}
"""  # noqa: S608 - our own constant


async def upsert_classic_endpoint(  # noqa: PLR0913 - the columns
    connection: Connection,
    *,
    user_id: UUID,
    credential_id: UUID,
    url: str,
    webhook_id: str,
    configured_id: str | None,
    vehicle_id: UUID | None,
) -> None:
    """Create or renew the credential's endpoint with this webhook id, and delete another one for the same vehicle.

    `configured_id` is the vehicle's id as the client knows it; `vehicle_id` None means all vehicles.
    """
    parameters = {
        "user_id": user_id,
        "credential_id": credential_id,
        "url": url,
        "webhook_id": webhook_id,
        "configured_id": configured_id,
        "vehicle_id": vehicle_id,
        "others": MAX_CLASSIC_ENDPOINTS - 1,
    }
    async with connection.transaction():
        # Serializes a user's registrations: concurrent ones would each delete only what they see themselves.
        await connection.execute("select from users where id = %(user_id)s for no key update", parameters)
        await connection.execute(DELETE_SUPERSEDED, parameters)
        await connection.execute(UPSERT, parameters)


async def list_classic_endpoints(connection: Connection, credential_id: UUID) -> list[Endpoint]:
    """Return the credential's classic endpoints, oldest first."""
    return await fetch_all(connection, LIST, [credential_id], class_row(Endpoint))


async def delete_classic_endpoints(connection: Connection, credential_id: UUID, webhook_id: str | None) -> int:
    """Delete the credential's classic endpoint with this webhook id, or all of them; returns how many were deleted."""
    return (await connection.execute(DELETE, [credential_id, webhook_id])).rowcount


async def find_newest_classic_endpoint(connection: Connection, credential_id: UUID) -> EndpointTarget | None:
    """Return the credential's classic endpoint that was registered last."""
    return await fetch_one(connection, FIND_NEWEST, [credential_id], class_row(EndpointTarget))


async def claim_classic_test(connection: Connection, endpoint_id: UUID, *, min_interval: timedelta) -> bool:
    """Claim the right to send one test message; False when the last one was less than `min_interval` ago."""
    parameters = {"id": endpoint_id, "interval": min_interval}
    return (await connection.execute(CLAIM_TEST, parameters)).rowcount > 0
