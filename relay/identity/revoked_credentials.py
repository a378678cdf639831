"""Report the use of a revoked credential: a client that wasn't updated, or somebody who has a copy."""

import time
from typing import LiteralString
from uuid import UUID

from psycopg.rows import tuple_row

from relay.identity.credentials import Credential, CredentialKind
from relay.kit.database import Connection, fetch_one
from relay.kit.security_events import SecurityEvent, log_security_event

REPORT_INTERVAL_SECONDS = 3600.0
"""A client that goes on calling is reported once in this time by each process."""
MAX_REMEMBERED = 10_000

_FIND_REVOKED: dict[CredentialKind, LiteralString] = {
    "key": "select 'key', id from api_keys where key_hash = %s and revoked_at is not null",
    "access": """
        select 'oauth', g.id from oauth_tokens t join oauth_grants g on g.id = t.grant_id
        where t.access_hash = %s and g.revoked_at is not null
    """,
}

_reported_at: dict[UUID, float] = {}
"""When each credential was last reported by this process; the most recent one is last."""


async def report_if_revoked(connection: Connection, credential: Credential) -> None:
    """Log a security event if this refused credential is a revoked one. Costs a query, so call it for refusals only."""
    statement = _FIND_REVOKED.get(credential.kind)
    row = None if statement is None else await fetch_one(connection, statement, [credential.lookup], tuple_row)
    if row is not None:
        report_revoked_use(kind=row[0], credential_id=row[1])


def report_revoked_use(*, kind: str, credential_id: UUID) -> None:
    """Log that this revoked credential was used, unless that was logged within REPORT_INTERVAL_SECONDS."""
    now = time.monotonic()
    reported_at = _reported_at.get(credential_id)
    if reported_at is not None and now - reported_at < REPORT_INTERVAL_SECONDS:
        return
    _reported_at.pop(credential_id, None)
    _reported_at[credential_id] = now
    if len(_reported_at) > MAX_REMEMBERED:
        del _reported_at[next(iter(_reported_at))]
    log_security_event(SecurityEvent.REVOKED_CREDENTIAL_USED, kind=kind, credential=credential_id)
