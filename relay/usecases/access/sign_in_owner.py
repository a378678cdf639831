"""Sign in the owner of a self-hosted relay, with a one-time link that the operator prints or through ingress."""

from typing import LiteralString

from psycopg.rows import class_row

from relay.gateways.enode.languages import match_language
from relay.identity.sign_in_links import get_or_create_owner, redeem_sign_in_link
from relay.identity.web_sessions import SignedInUser, create_web_session
from relay.kit.database import Connection, fetch_one
from relay.kit.security_events import SecurityEvent, log_security_event
from relay.usecases.calls.runtime import Runtime

_FIND_OWNER: LiteralString = """
select id as user_id, email, name, role, plan, language, true as is_approved, true as has_accepted_terms,
       disabled_at is not null as is_disabled, true as is_fresh
from users where id = %s
"""


async def sign_in_by_link(runtime: Runtime, token: str, *, language: str) -> str | None:
    """Redeem the one-time link and return a session token for the browser's cookie; None if the link is invalid.

    `language` (BCP 47) is used if the link creates the owner's account.
    """
    async with runtime.pool.connection() as connection, connection.transaction():
        user_id = await redeem_sign_in_link(connection, token, language=match_language(language))
        if user_id is None:
            return None
        session = await create_web_session(connection, user_id, "link")
    log_security_event(SecurityEvent.SIGNED_IN, method="link", account=user_id)
    return session


async def get_signed_in_owner(connection: Connection) -> SignedInUser | None:
    """The owner, created if missing. Call it for requests through ingress: Home Assistant has authenticated those."""
    async with connection.transaction():
        user_id = await get_or_create_owner(connection)
    return await fetch_one(connection, _FIND_OWNER, [user_id], class_row(SignedInUser))
