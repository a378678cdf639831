"""Recognize a former user: a new identity at Supabase with the address of an account whose own identity was deleted.

Deleting a user in Supabase's dashboard leaves the account here, with its cars and installations. The same person then
gets another id when they sign in again. The operator decides whether the account is theirs: an address may have passed
to somebody else.
"""

import logging

from relay.gateways.supabase import SupabaseUser
from relay.identity.supabase_identities import has_account, list_accounts_with_address, store_claim
from relay.usecases.access.compare_identities import block_identity
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.calls.runtime import Runtime

log = logging.getLogger(__name__)


async def claim_former_account(runtime: Runtime, supabase_user: SupabaseUser) -> bool:
    """Store the claim for the operator if this user has the address of a former one. Raises SupabaseError."""
    if supabase_user.email is None:
        return False
    async with runtime.pool.connection() as connection:
        if await has_account(connection, supabase_user.supabase_id):
            return False
        candidates = await list_accounts_with_address(connection, supabase_user.email, supabase_user.supabase_id)
    admin = require_supabase_sign_in(runtime).supabase.admin
    for candidate in candidates:
        if await admin.get_identity_state(candidate.supabase_id) != "deleted":
            continue  # somebody else, who had this address before
        await block_identity(runtime, candidate.supabase_id, "deleted")
        async with runtime.pool.connection() as connection:
            await store_claim(connection, candidate.user_id, supabase_user.supabase_id)
        log.warning(
            "sign-in waits for the operator: a new identity has the address of an account whose identity was deleted "
            "user=%s hint=%r",
            candidate.user_id,
            f"evconduit user reconnect --user {candidate.user_id}",
        )
        return True
    return False
