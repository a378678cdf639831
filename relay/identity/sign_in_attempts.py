"""Sign-in attempts: one row each, found by the hash of the browser's cookie, and counted for rate limits."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.identity.credentials import generate_secret, hash_secret
from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.kit.stored_times import is_recent

PREFIX = "evt_"
LIFETIME = timedelta(hours=1)
RATE_LIMIT_WINDOW = timedelta(minutes=15)
MAX_STARTS_PER_ADDRESS, MAX_STARTS_PER_SOURCE = 5, 30
"""The maximum number of attempts in a window from one network (a household, an office): for one email address, and for
all. What other networks do doesn't count: else a stranger could shut the address's owner out.
"""
MAX_TRIES = 5
"""How often one attempt may return with a code or a link. The limit per network is MAX_STARTS_PER_SOURCE."""

LOCK: LiteralString = "select pg_advisory_xact_lock(hashtext('evconduit sign-in'))"
"""Taken before counting, so that simultaneous requests can't exceed a limit together."""
_CHECK_LIMITS: LiteralString = f"""
select count(*) filter (where address_hash = %(address_hash)s) < %(by_address)s
       and count(*) < %(by_source)s
from sign_in_attempts where source_hash = %(source_hash)s and {is_recent("created_at", "%(window)s")}
"""  # noqa: S608 - our own constant
_INSERT: LiteralString = """
with old as (delete from sign_in_attempts where expires_at < now()),
before as (
    select array_remove(code_verifier || earlier_verifiers, null) as verifiers from sign_in_attempts
    where token_hash = %(before)s and address_hash = %(address_hash)s and expires_at > now() and next_path <> ''
)
insert into sign_in_attempts (token_hash, address_hash, source_hash, invitation_id, accepted_terms_at, next_path,
                              expires_at, earlier_verifiers)
values (%(token)s, %(address_hash)s, %(source_hash)s, %(invitation_id)s,
        case when %(accepts_terms)s then now() end, %(next_path)s, now() + %(lifetime)s,
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
# The row is kept, without its data, because the rate limits count it.
_END: LiteralString = """
update sign_in_attempts set code_verifier = null, earlier_verifiers = '{}', supabase_id = null, email = null,
       name = null, next_path = ''
where token_hash = %s
"""

_MARK_UNANSWERED: LiteralString = "update sign_in_attempts set unanswered_hash = %s where token_hash = %s"
_WAS_UNANSWERED: LiteralString = """
select exists (select from sign_in_attempts where unanswered_hash = %s and expires_at > now())
"""
# Also true for an unknown attempt: completing it fails with a better error.
_COUNT_TRY: LiteralString = f"""
with tried as (
    update sign_in_attempts a set tries = tries + 1
    where token_hash = %(token)s and tries < %(tries)s
      and (select coalesce(sum(s.tries), 0) from sign_in_attempts s
           where s.source_hash = a.source_hash and {is_recent("s.created_at", "%(window)s")}) < %(by_source)s
    returning 1
)
select exists (select from tried) or not exists (select from sign_in_attempts where token_hash = %(token)s)
"""  # noqa: S608 - our own constant


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSignInAttempt:
    """The data that a sign-in attempt starts with. The hashes are keyed: they serve to count, not to identify users."""

    source_hash: bytes
    next_path: str
    address_hash: bytes | None = None
    invitation_id: UUID | None = None
    accepts_terms: bool = False
    # The cookie that this browser had from an earlier attempt.
    previous_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInAttempt:
    """A pending sign-in of one browser. Once `supabase_id` is set, Supabase has verified the user's identity."""

    token_hash: bytes = field(repr=False)
    code_verifier: str | None = field(repr=False)
    # From earlier attempts of this browser for the same address.
    earlier_verifiers: list[str] = field(repr=False)
    invitation_id: UUID | None
    accepts_terms: bool
    next_path: str
    supabase_id: UUID | None
    email: str = field(repr=False)
    name: str = field(repr=False)


async def create_sign_in_attempt(connection: Connection, new_attempt: NewSignInAttempt) -> str:
    """Store a new attempt and return the value of the browser's cookie. Raises Problem 429."""
    token = generate_secret(PREFIX)
    parameters = {
        "token": hash_secret(token),
        "before": None if new_attempt.previous_token is None else hash_secret(new_attempt.previous_token),
        "address_hash": new_attempt.address_hash,
        "source_hash": new_attempt.source_hash,
        "invitation_id": new_attempt.invitation_id,
        "accepts_terms": new_attempt.accepts_terms,
        "next_path": new_attempt.next_path,
        "lifetime": LIFETIME,
        "window": RATE_LIMIT_WINDOW,
        "by_address": MAX_STARTS_PER_ADDRESS,
        "by_source": MAX_STARTS_PER_SOURCE,
    }
    async with connection.transaction():
        await connection.execute(LOCK)
        if not await fetch_one(connection, _CHECK_LIMITS, parameters, scalar_row):
            raise _create_too_many_requests_problem(
                "There were too many sign-ins for this address or from your network."
            )
        await connection.execute(_INSERT, parameters)
    return token


def list_verifiers(attempt: SignInAttempt) -> list[str]:
    """Return the PKCE verifiers that may belong to a code that this browser presents, the most likely first."""
    current = [] if attempt.code_verifier is None else [attempt.code_verifier]
    return current + attempt.earlier_verifiers


async def store_verifier(connection: Connection, token: str, verifier: str) -> None:
    """Store the PKCE verifier of this attempt."""
    await connection.execute(_STORE_VERIFIER, [verifier, hash_secret(token)])


async def find_sign_in_attempt(connection: Connection, token: str) -> SignInAttempt | None:
    """Find this browser's attempt; None if it has ended or expired."""
    return await fetch_one(connection, _FIND, [hash_secret(token)], class_row(SignInAttempt))


async def store_verified_identity(
    connection: Connection, attempt: SignInAttempt, supabase_id: UUID, *, email: str, name: str
) -> None:
    """Store the verified identity while the user still has to enter an invitation code or accept the terms."""
    await connection.execute(_STORE_IDENTITY, [supabase_id, email, name, attempt.token_hash])


async def end_sign_in_attempt(connection: Connection, attempt: SignInAttempt) -> None:
    """End the attempt and erase its personal data; its row remains for the rate limits."""
    await connection.execute(_END, [attempt.token_hash])


async def mark_exchange_unanswered(connection: Connection, attempt: SignInAttempt, secret: str) -> None:
    """Record that the exchange of this code or link got no answer: Supabase may have used it up all the same."""
    await connection.execute(_MARK_UNANSWERED, [hash_secret(secret), attempt.token_hash])


async def was_exchange_unanswered(connection: Connection, secret: str) -> bool:
    """Return whether an earlier exchange of this code or link, in any browser, got no answer."""
    return bool(await fetch_one(connection, _WAS_UNANSWERED, [hash_secret(secret)], scalar_row))


async def count_sign_in_try(connection: Connection, token: str) -> None:
    """Count one return of the browser, before Supabase verifies it. Raises Problem 429 above the limits.

    Supabase limits requests by IP address, and sees all of the relay's users at one: no user may exhaust that limit.
    """
    parameters = {
        "token": hash_secret(token),
        "tries": MAX_TRIES,
        "window": RATE_LIMIT_WINDOW,
        "by_source": MAX_STARTS_PER_SOURCE,
    }
    if not await fetch_one(connection, _COUNT_TRY, parameters, scalar_row):
        raise _create_too_many_requests_problem("There were too many sign-in attempts.")


def _create_too_many_requests_problem(reason: str) -> Problem:
    seconds = int(RATE_LIMIT_WINDOW.total_seconds())
    detail = f"{reason} Try again in {seconds // 60} minutes."
    return Problem(429, "too-many-requests", detail, headers={"Retry-After": str(seconds)})
