"""Begin a sign-in with Supabase: record the attempt, then have a link emailed or find a provider's URL."""

import hashlib
import hmac
import logging
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay.gateways.supabase import (
    Provider,
    SupabaseError,
    SupabaseMailQuotaExhausted,
    SupabaseMisconfigured,
    SupabaseRefused,
    SupabaseUnavailable,
)
from relay.identity.sign_in_attempts import (
    NewSignInAttempt,
    SignInAttempt,
    create_sign_in_attempt,
    find_sign_in_attempt,
    store_verifier,
)
from relay.identity.sign_in_emails import (
    is_mail_quota_exhausted,
    release_sign_in_email,
    reserve_sign_in_email,
    set_mail_quota_exhausted,
)
from relay.kit.client_network import get_client_network
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.calls.runtime import Runtime

log = logging.getLogger(__name__)

CALLBACK_PATH = "/auth/callback"
QUOTA_HINT = "in Supabase, set up your own SMTP server and raise the email limit"
# Error codes that the user's input causes. All others point to a setting of the Supabase project.
_EXPECTED_ERROR_CODES = frozenset({"otp_disabled", "validation_failed", "email_address_invalid"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInRequest:
    """A request to sign in: the client's address, the path to open afterwards, and the fields of the form."""

    client_address: str
    next_path: str
    invitation_id: UUID | None = None
    accepts_terms: bool = False


async def begin_sign_in(
    runtime: Runtime, sign_in_request: SignInRequest, email: str | None = None, *, previous_token: str | None = None
) -> str:
    """Record a sign-in attempt and return the token for the browser's cookie. Raises Problem 429.

    `previous_token` is that cookie's value so far. Supabase emails an address at most once a minute, so after a second
    request the first email's link must still work: its verifiers are copied to the new attempt.
    """
    attempt = NewSignInAttempt(
        source_hash=compute_source_hash(runtime, sign_in_request.client_address),
        address_hash=None if email is None else compute_address_hash(runtime, email),
        next_path=sign_in_request.next_path,
        invitation_id=sign_in_request.invitation_id,
        accepts_terms=sign_in_request.accepts_terms,
        previous_token=previous_token,
    )
    async with runtime.pool.connection() as connection:
        return await create_sign_in_attempt(connection, attempt)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailReservation:
    """Whether the attempt's link is emailed, and whether the project can send emails at all this hour."""

    is_granted: bool
    is_quota_exhausted: bool


async def reserve_email(runtime: Runtime, attempt_token: str) -> EmailReservation:
    """Decide whether this attempt sends an email: not if it would make another network's new link invalid."""
    async with runtime.pool.connection() as connection:
        return EmailReservation(
            is_granted=await reserve_sign_in_email(connection, attempt_token),
            is_quota_exhausted=await is_mail_quota_exhausted(connection),
        )


async def send_sign_in_link(
    runtime: Runtime, attempt_token: str, email: str, *, invited: bool, client_address: str
) -> None:
    """Have Supabase email a link. Call it after the response was sent.

    Then neither the response time nor the result reveals whether the address has an account.
    """
    sign_in = require_supabase_sign_in(runtime)
    try:
        await sign_in.supabase.auth.for_client(client_address).send_sign_in_link(
            email,
            redirect_to=runtime.public_url + CALLBACK_PATH,
            should_create_user=sign_in.registration == "open" or invited,
            store_verifier=partial(_save_verifier, runtime, attempt_token),
        )
    except SupabaseError as error:
        _log_unsent_link(error)
        await _record_unsent_link(runtime, attempt_token, error)
        return
    async with runtime.pool.connection() as connection:
        await set_mail_quota_exhausted(connection, is_exhausted=False)


def _log_unsent_link(error: SupabaseError) -> None:
    if isinstance(error, SupabaseMailQuotaExhausted):
        log.error("sign-in link not sent: supabase email quota exhausted error=%s hint=%r", error, QUOTA_HINT)
    elif isinstance(error, SupabaseMisconfigured):
        log.error("sign-in link not sent: sign-in is set up wrongly cause=%r", error.cause)
    elif isinstance(error, SupabaseRefused):
        level = logging.INFO if error.code in _EXPECTED_ERROR_CODES else logging.WARNING
        log.log(level, "sign-in link not sent code=%s", error.code)
    else:
        log.warning("sign-in link not sent error=%s", error)


async def _record_unsent_link(runtime: Runtime, attempt_token: str, error: SupabaseError) -> None:
    async with runtime.pool.connection() as connection:
        # Without an answer the email may have been sent, so its link stays protected.
        if not isinstance(error, SupabaseUnavailable):
            await release_sign_in_email(connection, attempt_token)
        if isinstance(error, SupabaseMailQuotaExhausted):
            await set_mail_quota_exhausted(connection, is_exhausted=True)


async def get_provider_url(runtime: Runtime, attempt_token: str, provider: Provider) -> str:
    """URL at which the browser signs in with this provider."""
    auth = require_supabase_sign_in(runtime).supabase.auth
    return await auth.get_provider_url(
        provider,
        redirect_to=runtime.public_url + CALLBACK_PATH,
        store_verifier=partial(_save_verifier, runtime, attempt_token),
    )


async def find_open_attempt(runtime: Runtime, attempt_token: str | None) -> SignInAttempt | None:
    """The unfinished, unexpired sign-in attempt with this token."""
    if attempt_token is None:
        return None
    async with runtime.pool.connection() as connection:
        return await find_sign_in_attempt(connection, attempt_token)


def compute_source_hash(runtime: Runtime, client_address: str) -> bytes:
    """Return the keyed hash of the client's network, which counts as one client."""
    return _compute_keyed_hash(runtime, "source", get_client_network(client_address))


def compute_address_hash(runtime: Runtime, email: str) -> bytes:
    """Return the keyed hash of an email address."""
    return _compute_keyed_hash(runtime, "address", email.strip().lower())


async def _save_verifier(runtime: Runtime, attempt_token: str, verifier: str) -> None:
    async with runtime.pool.connection() as connection:
        await store_verifier(connection, attempt_token, verifier)


def _compute_keyed_hash(runtime: Runtime, purpose: str, value: str) -> bytes:
    return hmac.new(
        runtime.secret_key, f"sign-in {purpose} {value}".encode(errors="surrogatepass"), hashlib.sha256
    ).digest()
