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
    Person,
    Provider,
    SupabaseAuth,
    SupabaseBusy,
    SupabaseError,
    SupabaseRefused,
)
from relay.identity.attempts import (
    Attempt,
    Beginning,
    begin_attempt,
    end_attempt,
    find_attempt,
    keep_verifier,
    verifiers_of,
    vouch_for,
)
from relay.identity.invitations import find_invitation, use_invitation
from relay.identity.people import NewPerson, add_person, find_person, note_address
from relay.identity.sessions import open_session
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.runtime import People, Runtime

log = logging.getLogger(__name__)

CALLBACK = "/auth/callback"
FORGET_SECONDS = 3.0
_HOUSEHOLD = 64
"""Bits of an IPv6 address that a household shares."""

type Ending = Literal["signed-in", "register", "closed", "leaving", "dead", "elsewhere", "locked", "unconfirmed"]
"""How it ended: with a session; with an invitation still wanted; registration is closed; the account is being deleted;
link or code no good (any more); begun in another browser; locked out at Supabase; the provider has not seen to it that
the address is this person's."""

REFUSED: Mapping[str, Ending] = {
    "flow_state_expired": "dead",
    "flow_state_not_found": "dead",
    "otp_expired": "dead",
    "provider_email_needs_verification": "unconfirmed",
    "signup_disabled": "closed",
    "user_banned": "locked",
}
"""How it ended, by Supabase's own name for why."""

_WRONG_VERIFIER = "bad_code_verifier"
# No mail, and nobody but the person can do anything about it. All else is a setting of the project.
_NO_NEWS = frozenset({"otp_disabled", "validation_failed", "email_address_invalid"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a sign-in ended. With `session`, the browser is to hold it and goes on to `next_path`."""

    ending: Ending
    session: str | None = None
    next_path: str = "/home"
    # The attempt that goes on, where this browser had begun none.
    attempt: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Who wants to sign in, from where, and what was filled in."""

    source: str
    next_path: str
    invitation_id: UUID | None = None
    accepts_terms: bool = False


def people_of(runtime: Runtime) -> People:
    """How people come in here. Raises Problem 404 on a relay of one's own: these pages are not there."""
    if runtime.people is None:
        raise Problem(404, "not-found", "This relay has one owner, who signs in by a link.")
    return runtime.people


async def begin(runtime: Runtime, wish: Wish, email: str | None = None, *, before: str | None = None) -> str:
    """Note that a sign-in begins, whoever it is; returns what the browser's cookie is to hold. Raises Problem 429.

    `before` is what it held so far: who asks again too soon gets no second mail, and must come in by the first.
    """
    beginning = Beginning(
        source_hash=_keyed(runtime, "source", household(wish.source)),
        address_hash=None if email is None else _keyed(runtime, "address", email.strip().lower()),
        next_path=wish.next_path,
        invitation_id=wish.invitation_id,
        accepts_terms=wish.accepts_terms,
        before=before,
    )
    async with runtime.pool.connection() as connection:
        return await begin_attempt(connection, beginning)


async def send_link(runtime: Runtime, token: str, email: str, *, invited: bool) -> None:
    """Have Supabase mail a link, after the answer has left.

    So neither how long it takes nor how it ends tells anybody whether the address is known.
    """
    people = people_of(runtime)
    try:
        await people.supabase.auth.send_link(
            email,
            back_to=runtime.public_url + CALLBACK,
            may_create=people.registration == "open" or invited,
            keep=partial(_keep, runtime, token),
        )
    except SupabaseRefused as refused:
        level = logging.INFO if refused.code in _NO_NEWS else logging.WARNING
        log.log(level, "no sign-in link was sent: %s", refused.code)
    except SupabaseError as error:
        log.warning("no sign-in link was sent: %s", error)


async def provider_url(runtime: Runtime, token: str, provider: Provider) -> str:
    """Where the browser goes to sign in with this provider."""
    auth = people_of(runtime).supabase.auth
    return await auth.provider_url(provider, back_to=runtime.public_url + CALLBACK, keep=partial(_keep, runtime, token))


async def finish_with_code(runtime: Runtime, token: str | None, code: str, *, language: str) -> Outcome:
    """The browser came back with a code. Raises Problem 503 when Supabase does not answer, 429."""
    attempt = await _attempt(runtime, token)
    if attempt is None or not verifiers_of(attempt):
        return Outcome(ending="elsewhere")
    try:
        access_token = await _exchange(people_of(runtime).supabase.auth, code, verifiers_of(attempt))
    except SupabaseRefused as refused:
        return Outcome(ending=REFUSED.get(refused.code, "dead"))
    except SupabaseError as error:
        raise _away(error) from None
    return await _enter(runtime, attempt, access_token, language)


async def finish_with_link(
    runtime: Runtime, token: str | None, link: tuple[str, LinkKind], *, language: str, source: str
) -> Outcome:
    """The button was pressed under a link's token. Raises Problem 503 when Supabase does not answer, 429."""
    auth = people_of(runtime).supabase.auth
    attempt, fresh = await _attempt(runtime, token), None
    if attempt is None:
        # Begun on another device, as with a telephone that reads the mail. What comes next is kept for this browser.
        fresh = await begin(runtime, Wish(source=source, next_path="/home"))
        attempt = await _attempt(runtime, fresh)
        assert attempt is not None  # noqa: S101 - just made
    try:
        access_token = await auth.follow(*link)
    except SupabaseRefused as refused:
        return Outcome(ending=REFUSED.get(refused.code, "dead"))
    except SupabaseError as error:
        raise _away(error) from None
    return replace(await _enter(runtime, attempt, access_token, language), attempt=fresh)


async def has_begun(runtime: Runtime, token: str | None) -> bool:
    """Whether this browser has begun a sign-in that is still under way."""
    return await _attempt(runtime, token) is not None


async def invitation_of(runtime: Runtime, code: str) -> UUID | None:
    """The invitation that this code is of, if it still lets somebody in."""
    async with runtime.pool.connection() as connection:
        return await find_invitation(connection, code)


async def vouched(runtime: Runtime, token: str | None) -> Attempt | None:
    """The attempt of this browser, if Supabase has said who it is and only something of ours is wanted."""
    attempt = await _attempt(runtime, token)
    return attempt if attempt is not None and attempt.supabase_id is not None else None


async def register(runtime: Runtime, attempt: Attempt, invitation_id: UUID | None, *, language: str) -> Outcome:
    """Somebody whom Supabase has vouched for brings the invitation that was missing, and agrees to the terms."""
    assert attempt.supabase_id is not None  # noqa: S101 - `vouched` gave it
    person = Person(supabase_id=attempt.supabase_id, email=attempt.email or None, name=attempt.name)
    async with runtime.pool.connection() as connection, connection.transaction():
        admission = _Admission(attempt=attempt, invitation_id=invitation_id, accepts_terms=True, language=language)
        return await _admit(connection, people_of(runtime), person, admission)


def household(source: str) -> str:
    """What counts as one place: an IPv4 address, or the network of an IPv6 one."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, _HOUSEHOLD), strict=False))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Admission:
    attempt: Attempt
    invitation_id: UUID | None
    accepts_terms: bool
    language: str


async def _exchange(auth: SupabaseAuth, code: str, verifiers: Sequence[str]) -> str:
    """The access token, by the first of the verifiers that is the code's: a wrong one does not spend the code."""
    *others, last = verifiers
    for verifier in others:
        try:
            return await auth.exchange(code, verifier)
        except SupabaseRefused as refused:
            if refused.code != _WRONG_VERIFIER:
                raise
    return await auth.exchange(code, last)


async def _enter(runtime: Runtime, attempt: Attempt, access_token: str, language: str) -> Outcome:
    """The token is looked at once. Neither it nor its session outlives this call."""
    people = people_of(runtime)
    try:
        person = await people.supabase.tokens.person(access_token)
    except SupabaseError as error:
        raise _away(error) from None
    try:
        async with asyncio.timeout(FORGET_SECONDS):
            await people.supabase.auth.forget_session(access_token)
    except (SupabaseError, TimeoutError) as error:
        log.info("a session at Supabase ends by itself only: %s", error)
    if person is None:
        log.error("Supabase gave a token that proves nothing: see that SUPABASE_URL is its issuer, and its keys ES256")
        return Outcome(ending="dead")
    admission = _Admission(
        attempt=attempt,
        invitation_id=attempt.invitation_id,
        accepts_terms=attempt.accepts_terms,
        language=language,
    )
    async with runtime.pool.connection() as connection, connection.transaction():
        return await _admit(connection, people, person, admission)


async def _admit(connection: Connection, people: People, person: Person, admission: _Admission) -> Outcome:
    attempt = admission.attempt
    known = await find_person(connection, person.supabase_id)
    if known is not None and known.is_closed:
        await end_attempt(connection, attempt)
        return Outcome(ending="leaving")
    if known is not None:
        user_id = known.id
        if person.email is not None:
            await note_address(connection, user_id, person.email)
    else:
        refused = await _refusal(connection, people, person, admission)
        if refused is not None:
            return refused
        user_id = await add_person(
            connection,
            NewPerson(
                supabase_id=person.supabase_id,
                email=person.email,
                name=person.name,
                language=admission.language,
                invitation_id=admission.invitation_id,
                approved=not people.approval,
                accepts_terms=admission.accepts_terms,
            ),
        )
    session = await open_session(connection, user_id, "supabase")
    await end_attempt(connection, attempt)
    return Outcome(ending="signed-in", session=session, next_path=attempt.next_path)


async def _refusal(connection: Connection, people: People, person: Person, admission: _Admission) -> Outcome | None:
    """Why no account is made for somebody new; None when one may be. Uses the invitation up."""
    if people.registration == "closed":
        await end_attempt(connection, admission.attempt)
        return Outcome(ending="closed")
    if people.registration == "open":
        return None
    invitation_id = admission.invitation_id
    if invitation_id is not None and await use_invitation(connection, invitation_id):
        return None
    await vouch_for(connection, admission.attempt, person.supabase_id, email=person.email or "", name=person.name)
    return Outcome(ending="register")


async def _attempt(runtime: Runtime, token: str | None) -> Attempt | None:
    if token is None:
        return None
    async with runtime.pool.connection() as connection:
        return await find_attempt(connection, token)


async def _keep(runtime: Runtime, token: str, verifier: str) -> None:
    async with runtime.pool.connection() as connection:
        await keep_verifier(connection, token, verifier)


def _keyed(runtime: Runtime, what: str, value: str) -> bytes:
    return hmac.new(runtime.key, f"sign-in {what} {value}".encode(errors="surrogatepass"), hashlib.sha256).digest()


def _away(error: SupabaseError) -> Problem:
    log.warning("somebody could not sign in: %s", error)
    if isinstance(error, SupabaseBusy):
        return Problem(
            429,
            "too-many-requests",
            "Supabase, who says who you are, lets nobody in for a moment. Try the same link again in a minute.",
            headers={"Retry-After": "60"},
        )
    return Problem(
        503, "unavailable", "Supabase, who says who you are, does not answer.", headers={"Retry-After": "10"}
    )
