"""Sign in a user whom Supabase has verified, and create the account if registration allows it."""

import logging
from dataclasses import dataclass, replace
from uuid import UUID

from relay.gateways.supabase import SupabaseError, SupabaseUser
from relay.identity.invitations import find_invitation, redeem_invitation
from relay.identity.sign_in_attempts import SignInAttempt, end_sign_in_attempt, store_verified_identity
from relay.identity.sign_in_emails import record_sign_in_network
from relay.identity.supabase_identities import set_identity_state
from relay.identity.users import NewUser, create_user_from_supabase, find_user_by_supabase_id, update_email
from relay.identity.web_sessions import create_web_session
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.kit.security_events import SecurityEvent, log_security_event
from relay.usecases.access.begin_sign_in import compute_address_hash, compute_source_hash, find_open_attempt
from relay.usecases.access.former_account import claim_former_account
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.access.sign_in_outcome import SignInOutcome
from relay.usecases.calls.runtime import Runtime, SupabaseSignIn

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInContext:
    """The attempt, and what a new account takes from it or from the registration form."""

    attempt: SignInAttempt
    invitation_id: UUID | None
    accepts_terms: bool
    language: str
    # Keyed hash of the network from which the browser signs in.
    source_hash: bytes
    # Keyed hash of the user's email address, if they have one.
    address_hash: bytes | None


async def find_invitation_id(runtime: Runtime, code: str) -> UUID | None:
    """Id of the invitation with this code, if it is still valid."""
    async with runtime.pool.connection() as connection:
        return await find_invitation(connection, code)


async def find_verified_attempt(runtime: Runtime, attempt_token: str | None) -> SignInAttempt | None:
    """This browser's attempt, if Supabase has verified the user and only the registration is missing."""
    attempt = await find_open_attempt(runtime, attempt_token)
    return attempt if attempt is not None and attempt.supabase_id is not None else None


async def register_user(
    runtime: Runtime, attempt: SignInAttempt, invitation_id: UUID | None, *, language: str, client_address: str
) -> SignInOutcome:
    """Create the account of a verified attempt and sign in. Call it once the user has accepted the terms."""
    assert attempt.supabase_id is not None  # noqa: S101 - from find_verified_attempt
    supabase_user = SupabaseUser(supabase_id=attempt.supabase_id, email=attempt.email or None, name=attempt.name)
    accepted = replace(attempt, invitation_id=invitation_id, accepts_terms=True)
    return await sign_in_verified_user(
        runtime, accepted, supabase_user, language=language, client_address=client_address
    )


async def sign_in_verified_user(
    runtime: Runtime, attempt: SignInAttempt, supabase_user: SupabaseUser, *, language: str, client_address: str
) -> SignInOutcome:
    """Sign in a user whom Supabase has verified, or register them as far as their attempt allows.

    Raises Problem 503 if Supabase can't tell whether the address belongs to a former user.
    """
    try:
        is_former = await claim_former_account(runtime, supabase_user)
    except SupabaseError as error:
        log.warning("sign-in failed error=%s", error)
        detail = "Supabase, which verifies sign-ins, isn't responding. Request a new link in a moment."
        raise Problem(503, "unavailable", detail, headers={"Retry-After": "10"}) from None
    context = SignInContext(
        attempt=attempt,
        invitation_id=attempt.invitation_id,
        accepts_terms=attempt.accepts_terms,
        language=language,
        source_hash=compute_source_hash(runtime, client_address),
        address_hash=None if supabase_user.email is None else compute_address_hash(runtime, supabase_user.email),
    )
    async with runtime.pool.connection() as connection, connection.transaction():
        if is_former:
            await end_sign_in_attempt(connection, attempt)
            return SignInOutcome(status="account_on_hold")
        outcome = await sign_in_or_register(connection, require_supabase_sign_in(runtime), supabase_user, context)
    if outcome.user_id is not None:
        log_security_event(SecurityEvent.SIGNED_IN, method="supabase", account=outcome.user_id)
    return outcome


async def sign_in_or_register(
    connection: Connection, sign_in: SupabaseSignIn, supabase_user: SupabaseUser, context: SignInContext
) -> SignInOutcome:
    """Create a web session for the verified user, and first the account if there is none. Call it in a transaction."""
    attempt = context.attempt
    user = await find_user_by_supabase_id(connection, supabase_user.supabase_id)
    if user is not None and user.is_closed:
        await end_sign_in_attempt(connection, attempt)
        return SignInOutcome(status="being_deleted")
    if user is not None:
        user_id = user.id
        # Supabase has just signed this user in, so a ban is over.
        await set_identity_state(connection, supabase_user.supabase_id, "active")
        if supabase_user.email is not None:
            await update_email(connection, user_id, supabase_user.email)
    else:
        refusal = await _check_registration(connection, sign_in, supabase_user, context)
        if refusal is not None:
            return refusal
        user_id = await create_user_from_supabase(connection, _build_new_user(sign_in, supabase_user, context))
    if context.address_hash is not None:
        await record_sign_in_network(
            connection, user_id, address_hash=context.address_hash, source_hash=context.source_hash
        )
    session = await create_web_session(connection, user_id, "supabase")
    await end_sign_in_attempt(connection, attempt)
    return SignInOutcome(status="signed_in", session=session, user_id=user_id, next_path=attempt.next_path)


def _build_new_user(sign_in: SupabaseSignIn, supabase_user: SupabaseUser, context: SignInContext) -> NewUser:
    return NewUser(
        supabase_id=supabase_user.supabase_id,
        email=supabase_user.email,
        name=supabase_user.name,
        language=context.language,
        invitation_id=context.invitation_id,
        is_approved=not sign_in.requires_approval,
        accepts_terms=context.accepts_terms,
    )


async def _check_registration(
    connection: Connection, sign_in: SupabaseSignIn, supabase_user: SupabaseUser, context: SignInContext
) -> SignInOutcome | None:
    """The outcome if no account may be created; None if one may be. Redeems the invitation."""
    if sign_in.registration == "closed":
        await end_sign_in_attempt(connection, context.attempt)
        return SignInOutcome(status="registration_closed")
    if sign_in.registration == "open":
        return None
    invitation_id = context.invitation_id
    if invitation_id is not None and await redeem_invitation(connection, invitation_id):
        return None
    await store_verified_identity(
        connection, context.attempt, supabase_user.supabase_id, email=supabase_user.email or "", name=supabase_user.name
    )
    return SignInOutcome(status="registration_required")
