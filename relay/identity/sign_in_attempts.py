"""Sign-ins that have begun: a row each, found by the hash of what the browser's cookie holds, and counted."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.identity.credentials import generate_secret, hash_secret
from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem

PREFIX = "evt_"
LIFETIME = timedelta(hours=1)
RATE_LIMIT_WINDOW = timedelta(minutes=15)
MAX_STARTS_PER_ADDRESS, MAX_STARTS_PER_SOURCE = 5, 30
"""So many sign-ins may begin in a window for one address, and from one place (a household, an office)."""
MAX_TRIES = 5
"""So often one sign-in may come back with a code or a link; and from one place as often as one may begin."""

_LOCK: LiteralString = "select pg_advisory_xact_lock(hashtext('evconduit sign-in'))"
_CHECK_LIMITS: LiteralString = """
select count(*) filter (where address_hash = %(address_hash)s) < %(by_address)s
       and count(*) filter (where source_hash = %(source_hash)s) < %(by_source)s
from sign_in_attempts
where (address_hash = %(address_hash)s or source_hash = %(source_hash)s) and created_at > now() - %(window)s
"""
_INSERT: LiteralString = """
with old as (delete from sign_in_attempts where expires_at < now()),
before as (
    select array_remove(code_verifier || earlier_verifiers, null) as verifiers from sign_in_attempts
    where token_hash = %(before)s and address_hash = %(address_hash)s and expires_at > now() and next_path <> ''
)
insert into sign_in_attempts (token_hash, address_hash, source_hash, invitation_id, accepted_terms_at, next_path,
                              expires_at, earlier_verifiers)
values (%(token)s, %(address_hash)s, %(source_hash)s, %(invitation_id)s,
        case when %(accepts_terms)s then now() end, %(next_path)s, now() + %(lives)s,
        coalesce((select verifiers[:%(by_address)s] from before), '{}'))
"""
_STORE_VERIFIER: LiteralString = "update sign_in_attempts set code_verifier = %s where token_hash = %s"
_FIND: LiteralString = """
select token_hash, code_verifier, earlier_verifiers, invitation_id, accepted_terms_at is not null as accepts_terms,
       next_path, supabase_id, coalesce(email, '') as email, coalesce(name, '') as name
from sign_in_attempts where token_hash = %s and expires_at > now() and next_path <> ''
"""
_STORE_IDENTITY: LiteralString = """
update sign_in_attempts set code_verifier = null, earlier_verifiers = '{}', supabase_id = %s, email = %s, name = %s
where token_hash = %s
"""
# The row goes on being counted, and is good for nothing else.
_END: LiteralString = """
update sign_in_attempts set code_verifier = null, earlier_verifiers = '{}', supabase_id = null, email = null,
       name = null, next_path = ''
where token_hash = %s
"""


# True for a sign-in that nobody has begun, too: who finishes it finds out.
_COUNT_TRY: LiteralString = """
with tried as (
    update sign_in_attempts a set tries = tries + 1
    where token_hash = %(token)s and tries < %(tries)s
      and (select sum(s.tries) from sign_in_attempts s
           where s.source_hash = a.source_hash and s.created_at > now() - %(window)s) < %(by_source)s
    returning 1
)
select exists (select from tried) or not exists (select from sign_in_attempts where token_hash = %(token)s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSignInAttempt:
    """What is known when a sign-in begins. Hashes are keyed: they are to count by, not to find anybody."""

    source_hash: bytes
    next_path: str
    address_hash: bytes | None = None
    invitation_id: UUID | None = None
    accepts_terms: bool = False
    # What this browser's cookie held so far.
    previous_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInAttempt:
    """A sign-in that is under way in one browser. With a `supabase_id`, Supabase has said who it is."""

    token_hash: bytes = field(repr=False)
    code_verifier: str | None = field(repr=False)
    # Of what this browser had asked for before, for the same address.
    earlier_verifiers: list[str] = field(repr=False)
    invitation_id: UUID | None
    accepts_terms: bool
    next_path: str
    supabase_id: UUID | None
    email: str = field(repr=False)
    name: str = field(repr=False)


async def create_sign_in_attempt(connection: Connection, new_attempt: NewSignInAttempt) -> str:
    """Note that a sign-in begins; returns what the browser's cookie is to hold. Raises Problem 429."""
    token = generate_secret(PREFIX)
    parameters = {
        "token": hash_secret(token),
        "before": None if new_attempt.previous_token is None else hash_secret(new_attempt.previous_token),
        "address_hash": new_attempt.address_hash,
        "source_hash": new_attempt.source_hash,
        "invitation_id": new_attempt.invitation_id,
        "accepts_terms": new_attempt.accepts_terms,
        "next_path": new_attempt.next_path,
        "lives": LIFETIME,
        "window": RATE_LIMIT_WINDOW,
        "by_address": MAX_STARTS_PER_ADDRESS,
        "by_source": MAX_STARTS_PER_SOURCE,
    }
    async with connection.transaction():
        await connection.execute(_LOCK)
        row = await (await connection.execute(_CHECK_LIMITS, parameters)).fetchone()
        if row is None or not row[0]:
            raise _build_too_many_requests("Too many sign-ins were begun for this address, or from where you are.")
        await connection.execute(_INSERT, parameters)
    return token


def list_verifiers(attempt: SignInAttempt) -> list[str]:
    """What may go with a code that comes back to this browser, the likeliest first."""
    newest = [] if attempt.code_verifier is None else [attempt.code_verifier]
    return newest + attempt.earlier_verifiers


async def store_verifier(connection: Connection, token: str, verifier: str) -> None:
    """Put the PKCE verifier of this sign-in where the browser's return will find it."""
    await connection.execute(_STORE_VERIFIER, [verifier, hash_secret(token)])


async def find_sign_in_attempt(connection: Connection, token: str) -> SignInAttempt | None:
    """The sign-in that this browser has begun, unless it is over or too old."""
    return await fetch_one(connection, _FIND, [hash_secret(token)], class_row(SignInAttempt))


async def store_verified_identity(
    connection: Connection, attempt: SignInAttempt, supabase_id: UUID, *, email: str, name: str
) -> None:
    """Remember who it is while something of ours is still wanted: an invitation, an agreement."""
    await connection.execute(_STORE_IDENTITY, [supabase_id, email, name, attempt.token_hash])


async def end_sign_in_attempt(connection: Connection, attempt: SignInAttempt) -> None:
    """This sign-in is over; nothing in its row is of use to anybody any more."""
    await connection.execute(_END, [attempt.token_hash])


async def count_sign_in_try(connection: Connection, token: str) -> None:
    """This sign-in comes back, and Supabase will be asked what that is worth. Raises Problem 429 when that is enough.

    Supabase counts what all people ask of it by one address, the relay's: nobody may use that up for the others.
    """
    parameters = {
        "token": hash_secret(token),
        "tries": MAX_TRIES,
        "window": RATE_LIMIT_WINDOW,
        "by_source": MAX_STARTS_PER_SOURCE,
    }
    row = await (await connection.execute(_COUNT_TRY, parameters)).fetchone()
    if row is None or not row[0]:
        raise _build_too_many_requests("This was tried too often.")


def _build_too_many_requests(reason: str) -> Problem:
    words = f"{reason} Wait a quarter of an hour."
    return Problem(
        429, "too-many-requests", words, headers={"Retry-After": str(int(RATE_LIMIT_WINDOW.total_seconds()))}
    )
