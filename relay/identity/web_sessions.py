"""Web sessions of signed-in browsers: one row each, found by the hash of the browser's cookie."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.identity.credentials import generate_secret, hash_secret
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.stored_times import format_interval, is_before, is_recent

PREFIX = "evs_"
LIFETIME = timedelta(days=30)
"""How long a browser stays signed in after its last visit."""
MAX_AGE = timedelta(days=90)
"""When a session ends in any case, so that a stolen cookie that is kept in use doesn't last."""
FRESH_FOR = timedelta(minutes=15)
"""How long a sign-in counts as recent, for actions that change what opens the account or delete it."""
LINK_FRESH_FOR = timedelta(minutes=60)
"""The same for a self-hosted owner's link, for which somebody has to go to the relay's machine."""

MAX_LISTED = 50
"""A browser that loses its cookie leaves a session behind, so a user can have any number."""

type SignInMethod = Literal["link", "supabase"]

_INSERT: LiteralString = """
insert into web_sessions (token_hash, user_id, began_by, expires_at) values (%s, %s, %s, now() + %s)
"""
# `seen_at` is updated at most once an hour, so that most page views write nothing.
_FIND: LiteralString = f"""
with seen as (
    update web_sessions set seen_at = now(),
        expires_at = least(now() + %(lifetime)s, created_at + {format_interval(MAX_AGE)})
    where token_hash = %(token)s and expires_at > now() and {is_before("seen_at", "interval '1 hour'")}
)
select u.id as user_id, u.email, u.name, u.role, u.plan, u.language, u.approved_at is not null as is_approved,
       u.accepted_terms_at is not null as has_accepted_terms, u.disabled_at is not null as is_disabled,
       case s.began_by when 'link' then {is_recent("s.created_at", format_interval(LINK_FRESH_FOR))}
            else {is_recent("s.created_at", format_interval(FRESH_FOR))} end as is_fresh
from web_sessions s join users u on u.id = s.user_id
where s.token_hash = %(token)s and s.expires_at > now() and s.created_at > now() - {format_interval(MAX_AGE)}
      and u.closed_at is null
"""  # noqa: S608 - our own constant
_LIST: LiteralString = f"""
select id, browser, began_by, created_at, seen_at, coalesce(token_hash = %(token)s, false) as is_current
from web_sessions
where user_id = %(user_id)s and expires_at > now() and created_at > now() - {format_interval(MAX_AGE)}
order by is_current desc, seen_at desc, id
limit {MAX_LISTED}
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedInUser:
    """The signed-in user, with the current values of their row in `users`. `is_fresh`: the sign-in is recent."""

    user_id: UUID
    email: str | None
    name: str
    role: str
    plan: str
    language: str
    is_approved: bool
    has_accepted_terms: bool
    is_disabled: bool
    is_fresh: bool

    @property
    def title(self) -> str:
        """The account's name on a page."""
        return self.name or self.email or "EVConduit"


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSession:
    """One signed-in browser. `browser` is its name, empty if unknown; `is_current`: the list is shown in it."""

    id: UUID
    browser: str
    began_by: SignInMethod
    created_at: datetime
    seen_at: datetime
    is_current: bool


async def create_web_session(connection: Connection, user_id: UUID, began_by: SignInMethod) -> str:
    """Create a session and return the value of its cookie, always a new one: this prevents session fixation."""
    token = generate_secret(PREFIX)
    await connection.execute(_INSERT, [hash_secret(token), user_id, began_by, LIFETIME])
    return token


async def find_web_session(connection: Connection, token: str) -> SignedInUser | None:
    """Find the user of a session; None if it is unknown, has expired or ended, or the account is closed."""
    return await fetch_one(
        connection, _FIND, {"token": hash_secret(token), "lifetime": LIFETIME}, class_row(SignedInUser)
    )


async def set_browser_name(connection: Connection, token: str, browser: str) -> None:
    """Store the name of a session's browser."""
    await connection.execute(
        "update web_sessions set browser = %s where token_hash = %s", [browser, hash_secret(token)]
    )


async def list_web_sessions(connection: Connection, user_id: UUID, token: str | None) -> list[WebSession]:
    """List the user's sessions, at most MAX_LISTED: the one with this token first, then the last used ones."""
    parameters = {"user_id": user_id, "token": None if token is None else hash_secret(token)}
    return await fetch_all(connection, _LIST, parameters, class_row(WebSession))


async def end_listed_session(connection: Connection, user_id: UUID, session_id: UUID) -> bool:
    """End one of the user's sessions; False if the user has none with this id."""
    statement = "delete from web_sessions where id = %s and user_id = %s"
    return (await connection.execute(statement, [session_id, user_id])).rowcount > 0


async def end_web_session(connection: Connection, token: str) -> None:
    """End one browser's session."""
    await connection.execute("delete from web_sessions where token_hash = %s", [hash_secret(token)])


async def end_user_web_sessions(connection: Connection, user_id: UUID) -> None:
    """End the sessions of all the user's browsers."""
    await connection.execute("delete from web_sessions where user_id = %s", [user_id])
