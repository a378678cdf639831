"""Register, unregister and list the webhooks of classic clients, which are endpoints of kind `classic`."""

import re
from uuid import UUID

from relay.delivery.classic_repository import (
    delete_classic_endpoints,
    list_classic_endpoints,
    upsert_classic_endpoint,
)
from relay.delivery.models import Endpoint
from relay.identity.models import Caller
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.kit.sanitize import strip_nul
from relay.usecases.calls.authorize import require_installation_id
from relay.usecases.calls.runtime import Runtime
from relay.usecases.endpoints.register_endpoint import require_allowed_url
from relay.vehicles.lookup import find_linked_vehicle

WEBHOOK_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)


async def register_classic_webhook(
    runtime: Runtime, caller: Caller, *, webhook_id: str, external_url: str, vehicle_id: str | None = None
) -> None:
    """Register a webhook for the vehicle with this id (ours or Enode's), or for all vehicles.

    Of one installation, the latest registration of a webhook id, and of a vehicle, wins. Don't hold a database
    connection while calling this, because it resolves the URL's host name. Raises Problem: 403 `plan-required`, 404
    for an unknown vehicle, 422 `invalid-request` or `endpoint-refused`, 429 `too-many-requests`.
    """
    credential_id = require_installation_id(caller)
    runtime.rate_limiter.check(caller.rate_limit_key)
    if caller.plan not in runtime.plans.push_plans:
        raise Problem(403, "plan-required", "Pro tier required: the plan does not include live updates.")
    if not WEBHOOK_ID_PATTERN.fullmatch(webhook_id):
        raise Problem(422, "invalid-request", "A webhook id has 1 to 255 letters, digits, hyphens and underscores.")
    if "?" in external_url:
        detail = "The external URL can't have a query. Use an address such as https://home.example.org."
        raise Problem(422, "invalid-request", detail)
    vehicle_id = vehicle_id and strip_nul(vehicle_id)
    url = f"{external_url.rstrip('/')}/api/webhook/{webhook_id}"
    await require_allowed_url(runtime.outbound, url)
    async with runtime.pool.connection() as connection:
        await upsert_classic_endpoint(
            connection,
            user_id=caller.user_id,
            credential_id=credential_id,
            url=url,
            webhook_id=webhook_id,
            configured_id=vehicle_id or None,
            vehicle_id=await _get_vehicle_id(connection, caller, vehicle_id) if vehicle_id else None,
        )
    runtime.feed_waker.wake([caller.user_id])


async def unregister_classic_webhooks(runtime: Runtime, caller: Caller, webhook_id: str | None = None) -> int:
    """Delete the installation's classic endpoint with this webhook id, or all of its own; returns their number."""
    async with runtime.pool.connection() as connection:
        return await delete_classic_endpoints(connection, require_installation_id(caller), webhook_id)


async def list_classic_webhooks(runtime: Runtime, caller: Caller) -> list[Endpoint]:
    """The installation's classic endpoints, oldest first."""
    async with runtime.pool.connection() as connection:
        return await list_classic_endpoints(connection, require_installation_id(caller))


async def _get_vehicle_id(connection: Connection, caller: Caller, vehicle_id: str) -> UUID:
    resolved_id = await find_linked_vehicle(connection, caller.user_id, vehicle_id)
    if resolved_id is None:
        raise Problem(404, "not-found", "No such vehicle.")
    return resolved_id
