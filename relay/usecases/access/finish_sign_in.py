"""Finish a sign-in with Supabase: exchange a code or a link's token, verify the user, create a web session.

Emailed links and providers lead back to `CALLBACK_PATH`. With Supabase's default email template the link brings a code.
A code works only with the PKCE verifier of the browser that began the sign-in, so mail scanners that open links can't
sign in. With the `token_hash` template the link alone signs in, so the page asks for a button press first.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from relay.gateways.supabase import (
    LinkKind,
    SupabaseAuth,
    SupabaseError,
    SupabaseRateLimited,
    SupabaseRefused,
    SupabaseUser,
)
from relay.identity.sign_in_attempts import SignInAttempt, list_verifiers
from relay.kit.problems import Problem
from relay.usecases.access.begin_sign_in import SignInRequest, begin_sign_in, find_open_attempt
from relay.usecases.access.register_user import SignInContext, sign_in_or_register
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.access.sign_in_outcome import STATUS_BY_ERROR_CODE, SignInOutcome
from relay.usecases.calls.runtime import Runtime

log = logging.getLogger(__name__)

SIGN_OUT_TIMEOUT_SECONDS = 3.0
ISSUER_HINT = "SUPABASE_URL must be the token's issuer, and the signing keys must be ES256"
_WRONG_VERIFIER_CODE = "bad_code_verifier"


async def finish_sign_in_with_code(
    runtime: Runtime, attempt_token: str | None, code: str, *, language: str
) -> SignInOutcome:
    """Sign in with the code that the browser brought back. Raises Problem 503 if Supabase is unavailable, 429."""
    attempt = await find_open_attempt(runtime, attempt_token)
    if attempt is None or not list_verifiers(attempt):
        return SignInOutcome(status="other_browser")
    auth = require_supabase_sign_in(runtime).supabase.auth
    try:
        access_token = await _exchange_code(auth, code, list_verifiers(attempt))
    except SupabaseRefused as error:
        return SignInOutcome(status=STATUS_BY_ERROR_CODE.get(error.code, "invalid_link"))
    except SupabaseError as error:
        raise _build_supabase_problem(error) from None
    return await _sign_in_with_access_token(runtime, attempt, access_token, language)


async def finish_sign_in_with_link(
    runtime: Runtime, attempt_token: str | None, link: tuple[str, LinkKind], *, language: str, client_address: str
) -> SignInOutcome:
    """Sign in with a link's token after the button press. Raises Problem 503 if Supabase is unavailable, 429.

    The sign-in may have begun on another device, such as when a phone reads the email. Then this browser gets an
    attempt of its own, returned in the outcome, so that it can go on to register.
    """
    auth = require_supabase_sign_in(runtime).supabase.auth
    attempt, new_token = await find_open_attempt(runtime, attempt_token), None
    if attempt is None:
        new_token = await begin_sign_in(runtime, SignInRequest(client_address=client_address, next_path="/home"))
        attempt = await find_open_attempt(runtime, new_token)
        assert attempt is not None  # noqa: S101 - created above
    try:
        access_token = await auth.exchange_link_token(*link)
    except SupabaseRefused as error:
        return SignInOutcome(status=STATUS_BY_ERROR_CODE.get(error.code, "invalid_link"))
    except SupabaseError as error:
        raise _build_supabase_problem(error) from None
    return replace(await _sign_in_with_access_token(runtime, attempt, access_token, language), attempt=new_token)


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


async def _sign_in_with_access_token(
    runtime: Runtime, attempt: SignInAttempt, access_token: str, language: str
) -> SignInOutcome:
    """Verify the token, end its session at Supabase, and sign the user in here. The token is not stored."""
    sign_in = require_supabase_sign_in(runtime)
    supabase_user = await _verify_and_end_session(runtime, access_token)
    if supabase_user is None:
        log.error("supabase access token rejected hint=%r", ISSUER_HINT)
        return SignInOutcome(status="invalid_link")
    context = SignInContext(
        attempt=attempt,
        invitation_id=attempt.invitation_id,
        accepts_terms=attempt.accepts_terms,
        language=language,
    )
    async with runtime.pool.connection() as connection, connection.transaction():
        return await sign_in_or_register(connection, sign_in, supabase_user, context)


async def _verify_and_end_session(runtime: Runtime, access_token: str) -> SupabaseUser | None:
    supabase = require_supabase_sign_in(runtime).supabase
    try:
        supabase_user = await supabase.token_verifier.verify(access_token)
    except SupabaseError as error:
        raise _build_supabase_problem(error) from None
    try:
        async with asyncio.timeout(SIGN_OUT_TIMEOUT_SECONDS):
            await supabase.auth.end_supabase_session(access_token)
    except (SupabaseError, TimeoutError) as error:
        log.info("supabase session not ended, it will expire error=%s", error)
    return supabase_user


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
        "Supabase, which verifies sign-ins, isn't responding. Try again in a moment.",
        headers={"Retry-After": "10"},
    )
