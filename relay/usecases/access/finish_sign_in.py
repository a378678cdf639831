"""Finish a sign-in with Supabase: exchange a code or a link's token, verify the user, create a web session.

Emailed links and providers lead back to `CALLBACK_PATH`. With Supabase's default email template the link brings a code.
A code works only with the PKCE verifier of the browser that began the sign-in, so mail scanners that open links can't
sign in. With the `token_hash` template the link alone signs in, so the page asks for a button press first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from relay.gateways.supabase import (
    LinkKind,
    SupabaseAuth,
    SupabaseClient,
    SupabaseError,
    SupabaseMisconfigured,
    SupabaseRateLimited,
    SupabaseRefused,
    SupabaseUnavailable,
    SupabaseUser,
)
from relay.identity.sign_in_attempts import (
    SignInAttempt,
    list_verifiers,
    mark_exchange_unanswered,
    was_exchange_unanswered,
)
from relay.identity.supabase_identities import set_token_problem
from relay.kit.problems import Problem
from relay.usecases.access.begin_sign_in import SignInRequest, begin_sign_in, find_open_attempt
from relay.usecases.access.compare_identities import block_identity
from relay.usecases.access.register_user import sign_in_verified_user
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.access.sign_in_outcome import STATUS_BY_ERROR_CODE, SignInOutcome, SignInStatus
from relay.usecases.calls.runtime import Runtime

log = logging.getLogger(__name__)

SIGN_OUT_TIMEOUT_SECONDS = 3.0
NO_KEY_CAUSE = "the project publishes no ES256 key: under JWT keys, migrate to signing keys of type ECC (P-256)"
_WRONG_VERIFIER_CODE = "bad_code_verifier"
_BANNED_CODE, _DELETED_CODE = "user_banned", "user_not_found"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Exchange:
    """The exchange of a code or a link's token (`secret`) for an access token, for the browser of this client."""

    secret: str = field(repr=False)
    run: Callable[[], Awaitable[str]]
    language: str
    client_address: str


async def finish_sign_in_with_code(
    runtime: Runtime, attempt_token: str | None, code: str, *, language: str, client_address: str
) -> SignInOutcome:
    """Sign in with the code that the browser brought back. Raises Problem 503 if Supabase is unavailable, 429."""
    attempt = await find_open_attempt(runtime, attempt_token)
    if attempt is None or not list_verifiers(attempt):
        return SignInOutcome(status="other_browser")
    auth = require_supabase_sign_in(runtime).supabase.auth.for_client(client_address)
    run = partial(_exchange_code, auth, code, list_verifiers(attempt))
    exchange = _Exchange(secret=code, run=run, language=language, client_address=client_address)
    return await _finish_sign_in(runtime, attempt, exchange)


async def finish_sign_in_with_link(
    runtime: Runtime, attempt_token: str | None, link: tuple[str, LinkKind], *, language: str, client_address: str
) -> SignInOutcome:
    """Sign in with a link's token after the button press. Raises Problem 503 if Supabase is unavailable, 429.

    The sign-in may have begun on another device, such as when a phone reads the email. Then this browser gets an
    attempt of its own, returned in the outcome, so that it can go on to register.
    """
    auth = require_supabase_sign_in(runtime).supabase.auth.for_client(client_address)
    attempt, new_token = await find_open_attempt(runtime, attempt_token), None
    if attempt is None:
        new_token = await begin_sign_in(runtime, SignInRequest(client_address=client_address, next_path="/home"))
        attempt = await find_open_attempt(runtime, new_token)
        assert attempt is not None  # noqa: S101 - created above
    run = partial(auth.exchange_link_token, *link)
    exchange = _Exchange(secret=link[0], run=run, language=language, client_address=client_address)
    return replace(await _finish_sign_in(runtime, attempt, exchange), attempt=new_token)


async def end_foreign_session(runtime: Runtime, access_token: str, *, client_address: str) -> bool:
    """End a session that Supabase began without the relay, such as that of a confirmation link.

    False if the project didn't sign this token for a user. A session that can't be ended now will expire.
    """
    supabase = require_supabase_sign_in(runtime).supabase
    try:
        async with asyncio.timeout(SIGN_OUT_TIMEOUT_SECONDS):
            if await supabase.token_verifier.verify(access_token) is None:
                return False
            await supabase.auth.for_client(client_address).end_supabase_session(access_token)
    except (SupabaseError, TimeoutError) as error:
        log.info("supabase session not ended, it will expire error=%s", error)
    return True


async def _exchange_code(auth: SupabaseAuth, code: str, verifiers: Sequence[str]) -> str:
    """The access token for the code, with the first verifier that fits. A wrong verifier does not use up the code."""
    *others, last = verifiers
    for verifier in others:
        try:
            return await auth.exchange_code(code, verifier)
        except SupabaseRefused as error:
            if error.code != _WRONG_VERIFIER_CODE:
                raise
    return await auth.exchange_code(code, last)


async def _finish_sign_in(runtime: Runtime, attempt: SignInAttempt, exchange: _Exchange) -> SignInOutcome:
    supabase = require_supabase_sign_in(runtime).supabase
    try:
        await _require_signing_keys(supabase)
    except SupabaseMisconfigured as error:
        return await _report_misconfiguration(runtime, error)
    except SupabaseError as error:
        raise _build_supabase_problem(error) from None
    try:
        access_token = await exchange.run()
        supabase_user = await supabase.token_verifier.verify_fresh(access_token)
    except SupabaseRefused as error:
        return await _describe_refusal(runtime, error, exchange.secret)
    except SupabaseMisconfigured as error:
        return await _report_misconfiguration(runtime, error)
    except SupabaseError as error:
        if isinstance(error, SupabaseUnavailable):
            async with runtime.pool.connection() as connection:
                await mark_exchange_unanswered(connection, attempt, exchange.secret)
        raise _build_supabase_problem(error) from None
    async with runtime.pool.connection() as connection:
        await set_token_problem(connection, None)
    auth = supabase.auth.for_client(exchange.client_address)
    refusal = await _end_supabase_session(runtime, auth, access_token, supabase_user)
    if refusal is not None:
        return SignInOutcome(status=refusal)
    return await sign_in_verified_user(
        runtime, attempt, supabase_user, language=exchange.language, client_address=exchange.client_address
    )


async def _require_signing_keys(supabase: SupabaseClient) -> None:
    """Make sure that a token can be verified, before the exchange uses up the code or link."""
    operation = "exchange a code or link"
    try:
        has_any = await supabase.signing_keys.has_any()
    except SupabaseUnavailable:
        raise SupabaseUnavailable(operation, "not tried, because the signing keys can't be fetched") from None
    if not has_any:
        raise SupabaseMisconfigured(operation, NO_KEY_CAUSE)


async def _report_misconfiguration(runtime: Runtime, error: SupabaseMisconfigured) -> SignInOutcome:
    """Report the error to the operator, in the log and in `evconduit doctor`. The user can only wait."""
    log.error("sign-in is set up wrongly cause=%r", error.cause)
    async with runtime.pool.connection() as connection:
        await set_token_problem(connection, error.cause)
    return SignInOutcome(status="misconfigured")


async def _describe_refusal(runtime: Runtime, error: SupabaseRefused, secret: str) -> SignInOutcome:
    status: SignInStatus = STATUS_BY_ERROR_CODE.get(error.code, "invalid_link")
    if status == "invalid_link":
        async with runtime.pool.connection() as connection:
            if await was_exchange_unanswered(connection, secret):
                status = "unanswered"
    return SignInOutcome(status=status)


async def _end_supabase_session(
    runtime: Runtime, auth: SupabaseAuth, access_token: str, supabase_user: SupabaseUser
) -> SignInStatus | None:
    """End the session at Supabase. Returns why the user can't sign in: banned or deleted since the link was sent."""
    try:
        async with asyncio.timeout(SIGN_OUT_TIMEOUT_SECONDS):
            await auth.end_supabase_session(access_token)
    except SupabaseRefused as error:
        if error.code == _BANNED_CODE:
            await block_identity(runtime, supabase_user.supabase_id, "banned")
            return "banned"
        if error.code == _DELETED_CODE:
            await block_identity(runtime, supabase_user.supabase_id, "deleted")
            return "invalid_link"
        log.info("supabase session not ended, it will expire error=%s", error)
    except (SupabaseError, TimeoutError) as error:
        log.info("supabase session not ended, it will expire error=%s", error)
    return None


def _build_supabase_problem(error: SupabaseError) -> Problem:
    log.warning("sign-in failed error=%s", error)
    if isinstance(error, SupabaseRateLimited):
        return Problem(
            429,
            "too-many-requests",
            "Supabase, which verifies sign-ins, is limiting requests. Try the same link again in a minute.",
            headers={"Retry-After": "60"},
        )
    return Problem(
        503,
        "unavailable",
        "Supabase, which verifies sign-ins, isn't responding. Reload this page in a moment.",
        headers={"Retry-After": "10"},
    )
