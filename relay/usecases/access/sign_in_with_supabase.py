"""People sign in: Supabase Auth finds out who they are, once, and our own tables say whether they may come in.

A link by mail (or a provider's page) ends at /auth/callback. The usual wording of Supabase's mails brings a code, good
only with the PKCE verifier that lies with the attempt of that very browser: a program that follows the links in mails
signs nobody in. The other wording (`token_hash`) signs in whoever has it, so it waits for a press of a button.
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Literal
from uuid import UUID

from relay.gateways.supabase import (
    LinkKind,
    Provider,
    SupabaseAuth,
    SupabaseError,
    SupabaseRateLimited,
    SupabaseRefused,
    SupabaseUser,
)
from relay.identity.invitations import find_invitation, redeem_invitation
from relay.identity.sign_in_attempts import (
    NewSignInAttempt,
    SignInAttempt,
    create_sign_in_attempt,
    end_sign_in_attempt,
    find_sign_in_attempt,
    list_verifiers,
    store_verified_identity,
    store_verifier,
)
from relay.identity.users import NewUser, create_user_from_supabase, find_user_by_supabase_id, update_email
from relay.identity.web_sessions import create_web_session
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime, SupabaseSignIn

log = logging.getLogger(__name__)

CALLBACK_PATH = "/auth/callback"
SIGN_OUT_TIMEOUT_SECONDS = 3.0
_IPV6_PREFIX_BITS = 64
"""Bits of an IPv6 address that a household shares."""

type SignInStatus = Literal["signed-in", "register", "closed", "leaving", "dead", "elsewhere", "locked", "unconfirmed"]
"""How it ended: with a session; with an invitation still wanted; registration is closed; the account is being deleted;
link or code no good (any more); begun in another browser; locked out at Supabase; the provider has not seen to it that
the address is this person's."""

STATUS_BY_ERROR_CODE: Mapping[str, SignInStatus] = {
    "flow_state_expired": "dead",
    "flow_state_not_found": "dead",
    "otp_expired": "dead",
    "provider_email_needs_verification": "unconfirmed",
    "signup_disabled": "closed",
    "user_banned": "locked",
}
"""How it ended, by Supabase's own name for why."""

_WRONG_VERIFIER_CODE = "bad_code_verifier"
# No mail, and nobody but the person can do anything about it. All else is a setting of the project.
_EXPECTED_ERROR_CODES = frozenset({"otp_disabled", "validation_failed", "email_address_invalid"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInOutcome:
    """How a sign-in ended. With `session`, the browser is to hold it and goes on to `next_path`."""

    status: SignInStatus
    session: str | None = None
    next_path: str = "/home"
    # The attempt that goes on, where this browser had begun none.
    attempt: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInRequest:
    """Who wants to sign in, from where, and what was filled in."""

    client_address: str
    next_path: str
    invitation_id: UUID | None = None
    accepts_terms: bool = False


def require_supabase_sign_in(runtime: Runtime) -> SupabaseSignIn:
    """How people come in here. Raises Problem 404 on a relay of one's own: these pages are not there."""
    if runtime.supabase_sign_in is None:
        raise Problem(404, "not-found", "This relay has one owner, who signs in by a link.")
    return runtime.supabase_sign_in


async def begin_sign_in(
    runtime: Runtime, sign_in_request: SignInRequest, email: str | None = None, *, previous_token: str | None = None
) -> str:
    """Note that a sign-in begins, whoever it is; returns what the browser's cookie is to hold. Raises Problem 429.

    `before` is what it held so far: who asks again too soon gets no second mail, and must come in by the first.
    """
    beginning = NewSignInAttempt(
        source_hash=_keyed_hash(runtime, "source", normalize_client_address(sign_in_request.client_address)),
        address_hash=None if email is None else _keyed_hash(runtime, "address", email.strip().lower()),
        next_path=sign_in_request.next_path,
        invitation_id=sign_in_request.invitation_id,
        accepts_terms=sign_in_request.accepts_terms,
        previous_token=previous_token,
    )
    async with runtime.pool.connection() as connection:
        return await create_sign_in_attempt(connection, beginning)


async def send_sign_in_link(runtime: Runtime, attempt_token: str, email: str, *, invited: bool) -> None:
    """Have Supabase mail a link, after the answer has left.

    So neither how long it takes nor how it ends tells anybody whether the address is known.
    """
    people = require_supabase_sign_in(runtime)
    try:
        await people.supabase.auth.send_sign_in_link(
            email,
            redirect_to=runtime.public_url + CALLBACK_PATH,
            should_create_user=people.registration == "open" or invited,
            store_verifier=partial(_save_verifier, runtime, attempt_token),
        )
    except SupabaseRefused as refused:
        level = logging.INFO if refused.code in _EXPECTED_ERROR_CODES else logging.WARNING
        log.log(level, "no sign-in link was sent: %s", refused.code)
    except SupabaseError as error:
        log.warning("no sign-in link was sent: %s", error)


async def get_provider_url(runtime: Runtime, attempt_token: str, provider: Provider) -> str:
    """Where the browser goes to sign in with this provider."""
    auth = require_supabase_sign_in(runtime).supabase.auth
    return await auth.get_provider_url(
        provider,
        redirect_to=runtime.public_url + CALLBACK_PATH,
        store_verifier=partial(_save_verifier, runtime, attempt_token),
    )


async def finish_sign_in_with_code(
    runtime: Runtime, attempt_token: str | None, code: str, *, language: str
) -> SignInOutcome:
    """The browser came back with a code. Raises Problem 503 when Supabase does not answer, 429."""
    attempt = await _find_open_attempt(runtime, attempt_token)
    if attempt is None or not list_verifiers(attempt):
        return SignInOutcome(status="elsewhere")
    try:
        access_token = await _exchange_code(
            require_supabase_sign_in(runtime).supabase.auth, code, list_verifiers(attempt)
        )
    except SupabaseRefused as refused:
        return SignInOutcome(status=STATUS_BY_ERROR_CODE.get(refused.code, "dead"))
    except SupabaseError as error:
        raise _build_supabase_problem(error) from None
    return await _sign_in_with_access_token(runtime, attempt, access_token, language)


async def finish_sign_in_with_link(
    runtime: Runtime, attempt_token: str | None, link: tuple[str, LinkKind], *, language: str, client_address: str
) -> SignInOutcome:
    """The button was pressed under a link's token. Raises Problem 503 when Supabase does not answer, 429."""
    auth = require_supabase_sign_in(runtime).supabase.auth
    attempt, fresh = await _find_open_attempt(runtime, attempt_token), None
    if attempt is None:
        # Begun on another device, as with a telephone that reads the mail. What comes next is kept for this browser.
        fresh = await begin_sign_in(runtime, SignInRequest(client_address=client_address, next_path="/home"))
        attempt = await _find_open_attempt(runtime, fresh)
        assert attempt is not None  # noqa: S101 - just made
    try:
        access_token = await auth.exchange_link_token(*link)
    except SupabaseRefused as refused:
        return SignInOutcome(status=STATUS_BY_ERROR_CODE.get(refused.code, "dead"))
    except SupabaseError as error:
        raise _build_supabase_problem(error) from None
    return replace(await _sign_in_with_access_token(runtime, attempt, access_token, language), attempt=fresh)


async def has_open_attempt(runtime: Runtime, attempt_token: str | None) -> bool:
    """Whether this browser has begun a sign-in that is still under way."""
    return await _find_open_attempt(runtime, attempt_token) is not None


async def find_invitation_id(runtime: Runtime, code: str) -> UUID | None:
    """The invitation that this code is of, if it still lets somebody in."""
    async with runtime.pool.connection() as connection:
        return await find_invitation(connection, code)


async def find_verified_attempt(runtime: Runtime, attempt_token: str | None) -> SignInAttempt | None:
    """The attempt of this browser, if Supabase has said who it is and only something of ours is wanted."""
    attempt = await _find_open_attempt(runtime, attempt_token)
    return attempt if attempt is not None and attempt.supabase_id is not None else None


async def register_user(
    runtime: Runtime, attempt: SignInAttempt, invitation_id: UUID | None, *, language: str
) -> SignInOutcome:
    """Somebody whom Supabase has vouched for brings the invitation that was missing, and agrees to the terms."""
    assert attempt.supabase_id is not None  # noqa: S101 - `vouched` gave it
    person = SupabaseUser(supabase_id=attempt.supabase_id, email=attempt.email or None, name=attempt.name)
    async with runtime.pool.connection() as connection, connection.transaction():
        admission = _SignInContext(attempt=attempt, invitation_id=invitation_id, accepts_terms=True, language=language)
        return await _sign_in_or_register(connection, require_supabase_sign_in(runtime), person, admission)


def normalize_client_address(client_address: str) -> str:
    """What counts as one place: an IPv4 address, or the network of an IPv6 one."""
    try:
        address = ip_address(client_address)
    except ValueError:
        return client_address
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, _IPV6_PREFIX_BITS), strict=False))


@dataclass(frozen=True, kw_only=True, slots=True)
class _SignInContext:
    attempt: SignInAttempt
    invitation_id: UUID | None
    accepts_terms: bool
    language: str


async def _exchange_code(auth: SupabaseAuth, code: str, verifiers: Sequence[str]) -> str:
    """The access token, by the first of the verifiers that is the code's: a wrong one does not spend the code."""
    *others, last = verifiers
    for verifier in others:
        try:
            return await auth.exchange_code(code, verifier)
        except SupabaseRefused as refused:
            if refused.code != _WRONG_VERIFIER_CODE:
                raise
    return await auth.exchange_code(code, last)


async def _sign_in_with_access_token(
    runtime: Runtime, attempt: SignInAttempt, access_token: str, language: str
) -> SignInOutcome:
    """The token is looked at once. Neither it nor its session outlives this call."""
    people = require_supabase_sign_in(runtime)
    try:
        person = await people.supabase.token_verifier.verify(access_token)
    except SupabaseError as error:
        raise _build_supabase_problem(error) from None
    try:
        async with asyncio.timeout(SIGN_OUT_TIMEOUT_SECONDS):
            await people.supabase.auth.end_supabase_session(access_token)
    except (SupabaseError, TimeoutError) as error:
        log.info("a session at Supabase ends by itself only: %s", error)
    if person is None:
        log.error("Supabase gave a token that proves nothing: see that SUPABASE_URL is its issuer, and its keys ES256")
        return SignInOutcome(status="dead")
    admission = _SignInContext(
        attempt=attempt,
        invitation_id=attempt.invitation_id,
        accepts_terms=attempt.accepts_terms,
        language=language,
    )
    async with runtime.pool.connection() as connection, connection.transaction():
        return await _sign_in_or_register(connection, people, person, admission)


async def _sign_in_or_register(
    connection: Connection, sign_in: SupabaseSignIn, supabase_user: SupabaseUser, context: _SignInContext
) -> SignInOutcome:
    attempt = context.attempt
    known = await find_user_by_supabase_id(connection, supabase_user.supabase_id)
    if known is not None and known.is_closed:
        await end_sign_in_attempt(connection, attempt)
        return SignInOutcome(status="leaving")
    if known is not None:
        user_id = known.id
        if supabase_user.email is not None:
            await update_email(connection, user_id, supabase_user.email)
    else:
        refused = await _check_registration(connection, sign_in, supabase_user, context)
        if refused is not None:
            return refused
        user_id = await create_user_from_supabase(
            connection,
            NewUser(
                supabase_id=supabase_user.supabase_id,
                email=supabase_user.email,
                name=supabase_user.name,
                language=context.language,
                invitation_id=context.invitation_id,
                is_approved=not sign_in.requires_approval,
                accepts_terms=context.accepts_terms,
            ),
        )
    session = await create_web_session(connection, user_id, "supabase")
    await end_sign_in_attempt(connection, attempt)
    return SignInOutcome(status="signed-in", session=session, next_path=attempt.next_path)


async def _check_registration(
    connection: Connection, sign_in: SupabaseSignIn, supabase_user: SupabaseUser, context: _SignInContext
) -> SignInOutcome | None:
    """Why no account is made for somebody new; None when one may be. Uses the invitation up."""
    if sign_in.registration == "closed":
        await end_sign_in_attempt(connection, context.attempt)
        return SignInOutcome(status="closed")
    if sign_in.registration == "open":
        return None
    invitation_id = context.invitation_id
    if invitation_id is not None and await redeem_invitation(connection, invitation_id):
        return None
    await store_verified_identity(
        connection, context.attempt, supabase_user.supabase_id, email=supabase_user.email or "", name=supabase_user.name
    )
    return SignInOutcome(status="register")


async def _find_open_attempt(runtime: Runtime, attempt_token: str | None) -> SignInAttempt | None:
    if attempt_token is None:
        return None
    async with runtime.pool.connection() as connection:
        return await find_sign_in_attempt(connection, attempt_token)


async def _save_verifier(runtime: Runtime, attempt_token: str, verifier: str) -> None:
    async with runtime.pool.connection() as connection:
        await store_verifier(connection, attempt_token, verifier)


def _keyed_hash(runtime: Runtime, purpose: str, value: str) -> bytes:
    return hmac.new(
        runtime.secret_key, f"sign-in {purpose} {value}".encode(errors="surrogatepass"), hashlib.sha256
    ).digest()


def _build_supabase_problem(error: SupabaseError) -> Problem:
    log.warning("somebody could not sign in: %s", error)
    if isinstance(error, SupabaseRateLimited):
        return Problem(
            429,
            "too-many-requests",
            "Supabase, who says who you are, lets nobody in for a moment. Try the same link again in a minute.",
            headers={"Retry-After": "60"},
        )
    return Problem(
        503, "unavailable", "Supabase, who says who you are, does not answer.", headers={"Retry-After": "10"}
    )
