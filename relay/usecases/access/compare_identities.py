"""Compare accounts with the users of Supabase: those banned or deleted there lose their access here.

Supabase doesn't notify the relay of bans and deletions. The leader checks often enough that they apply within an hour.
"""

import asyncio
import logging
from uuid import UUID

import psycopg

from relay.gateways.supabase import IdentityState, SupabaseAdmin, SupabaseError, SupabaseMisconfigured
from relay.identity.supabase_identities import LinkedIdentity, list_linked_identities, set_identity_state
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.calls.runtime import Runtime

log = logging.getLogger(__name__)

COMPARE_INTERVAL_SECONDS = 1800.0
"""Half an hour: a comparison that fails once is repeated before the hour is over."""
RETRY_INTERVAL_SECONDS = 300.0
MIN_UNKNOWN_PROJECT = 5
"""From this number on, a project that knows none of the accounts is taken for another project, not for an empty one."""


async def block_identity(runtime: Runtime, supabase_id: UUID, state: IdentityState) -> None:
    """End the account's web sessions and streams and disable its keys; "active" enables what a ban had disabled."""
    async with runtime.pool.connection() as connection, connection.transaction():
        user_id = await set_identity_state(connection, supabase_id, state)
    if user_id is None:
        return
    log.warning("supabase identity changed user=%s state=%s", user_id, state)
    if state != "active":
        runtime.hub.close_user_streams(user_id)


async def run_comparison_loop(runtime: Runtime) -> None:
    """Compare every COMPARE_INTERVAL_SECONDS until cancelled."""
    while True:
        interval = COMPARE_INTERVAL_SECONDS
        try:
            await compare_identities(runtime)
        except SupabaseMisconfigured as error:
            log.error("accounts not compared with supabase: set up wrongly cause=%r", error.cause)  # noqa: TRY400 - the cause says it all
        except (SupabaseError, psycopg.Error) as error:
            log.warning("accounts not compared with supabase error=%s", type(error).__name__)
            interval = RETRY_INTERVAL_SECONDS
        await asyncio.sleep(interval)


async def compare_identities(runtime: Runtime) -> int:
    """Apply the current states and return how many changed. Raises SupabaseError, and nothing is changed then."""
    async with runtime.pool.connection() as connection:
        linked = await list_linked_identities(connection)
    changed = [
        (identity, state)
        for identity, state in await _list_states(require_supabase_sign_in(runtime).supabase.admin, linked)
        if state != identity.state
    ]
    deleted_count = sum(state == "deleted" for _, state in changed)
    if deleted_count == len(linked) >= MIN_UNKNOWN_PROJECT:
        raise SupabaseMisconfigured("list the users", "the project has none of the accounts: check SUPABASE_URL")
    for identity, state in changed:
        await block_identity(runtime, identity.supabase_id, state)
    return len(changed)


async def _list_states(
    admin: SupabaseAdmin, linked: list[LinkedIdentity]
) -> list[tuple[LinkedIdentity, IdentityState]]:
    missing = {identity.supabase_id: identity for identity in linked}
    states: list[tuple[LinkedIdentity, IdentityState]] = []
    if not missing:
        return states
    async for page in admin.list_identity_states():
        states += [(missing.pop(supabase_id), state) for supabase_id, state in page.items() if supabase_id in missing]
        if not missing:
            return states
    # A deletion during the listing moves users to a page that was read already, so each one is looked up again.
    for supabase_id, identity in missing.items():
        states.append((identity, await admin.get_identity_state(supabase_id)))
    return states
