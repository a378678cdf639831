"""Endpoints of the integration (`kind` v2) in the database: one per credential."""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.delivery.models import Endpoint, EndpointTarget
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.throttle import interval_has_passed

ENDPOINT_COLUMNS: LiteralString = """
e.id, e.url, e.salt, e.off_at, e.failing_since, e.last_success_at, e.last_failure, e.next_try_at, e.webhook_id,
e.configured_id, e.vehicle_id, (f.epoch, f.seq) is distinct from (e.epoch, e.seq) as pending
"""
"""What an Endpoint is made of, from `endpoints e` and its user's `feeds f`."""

# ruff: disable[S608] - composed from the constant above
FIND: LiteralString = f"""
select {ENDPOINT_COLUMNS} from endpoints e join feeds f using (user_id) where e.kind = 'v2' and e.credential_id = %s
"""
# Switches the endpoint on again, whatever its state was. The cursor stays: it is the same Home Assistant, perhaps at
# another address. A new endpoint's first snapshot replays the transitions since its registration: a stream may have
# ended before it delivered them, and the client resumes after the snapshot.
UPSERT: LiteralString = f"""
with e as (
    insert into endpoints (user_id, credential_id, kind, url, first_epoch, first_seq)
    select %(user_id)s, %(credential_id)s, 'v2', %(url)s, f.epoch, f.seq from feeds f where f.user_id = %(user_id)s
    on conflict (credential_id) where kind = 'v2' do update
    set url = excluded.url, failures = 0, failing_since = null, last_failure = null, off_at = null, slow = false,
        next_try_at = now(), leased_until = null, lease_token = null
    returning *
)
select {ENDPOINT_COLUMNS} from e join feeds f using (user_id)
"""
# ruff: enable[S608]
DELETE: LiteralString = "delete from endpoints where kind = 'v2' and credential_id = %s"
DELETE_ORPHANED: LiteralString = """
delete from endpoints e
where not exists (select from credentials k where k.id = e.credential_id and k.revoked_at is null)
"""
CLAIM_TEST: LiteralString = f"""
update endpoints set tested_at = clock_timestamp()
where kind = 'v2' and credential_id = %(credential_id)s and {interval_has_passed("tested_at")} returning id, url, salt
"""  # noqa: S608 - our own constant
IS_TARGET_CURRENT: LiteralString = """
select exists (
    select from endpoints e join users u on u.id = e.user_id join credentials k on k.id = e.credential_id
    where e.id = %s and e.url = %s and u.closed_at is null and u.disabled_at is null and k.revoked_at is null)
"""
MARK_REACHABLE: LiteralString = """
update endpoints set failures = 0, failing_since = null, off_at = null, slow = false, last_success_at = now(),
    next_try_at = now()
where id = %s
"""


async def upsert_endpoint(connection: Connection, *, user_id: UUID, credential_id: UUID, url: str) -> Endpoint:
    """Create the credential's endpoint, or give it this URL and switch it on."""
    parameters = {"user_id": user_id, "credential_id": credential_id, "url": url}
    [endpoint] = await fetch_all(connection, UPSERT, parameters, class_row(Endpoint))
    return endpoint


async def find_endpoint(connection: Connection, credential_id: UUID) -> Endpoint | None:
    """Return the credential's endpoint."""
    return await fetch_one(connection, FIND, [credential_id], class_row(Endpoint))


async def delete_endpoint(connection: Connection, credential_id: UUID) -> bool:
    """Delete the credential's endpoint; False when there was none."""
    return (await connection.execute(DELETE, [credential_id])).rowcount > 0


async def delete_orphaned_endpoints(connection: Connection) -> int:
    """Delete the endpoints of either kind whose credential is revoked; returns how many were deleted.

    No client can see or change them any more.
    """
    return (await connection.execute(DELETE_ORPHANED)).rowcount


async def claim_test_message(
    connection: Connection, credential_id: UUID, *, min_interval: timedelta
) -> EndpointTarget | None:
    """Claim the right to send one test message to the credential's endpoint.

    None when the last test was less than `min_interval` ago, or when there is no endpoint.
    """
    parameters = {"credential_id": credential_id, "interval": min_interval}
    return await fetch_one(connection, CLAIM_TEST, parameters, class_row(EndpointTarget))


async def is_target_current(connection: Connection, target: EndpointTarget) -> bool:
    """Return whether the endpoint still exists at this address, and its credential and account are still valid."""
    return bool(await fetch_one(connection, IS_TARGET_CURRENT, [target.id, target.url], scalar_row))


async def mark_reachable(connection: Connection, endpoint_id: UUID) -> None:
    """Switch the endpoint on and make it due at once, because a test message has reached it."""
    await connection.execute(MARK_REACHABLE, [endpoint_id])
