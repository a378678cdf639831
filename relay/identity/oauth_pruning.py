"""What of OAuth has served its time: codes, dead pairs of tokens, installations that nobody heard of for a year."""

from datetime import datetime
from typing import LiteralString

from relay.identity.oauth import REPLAY_SEEN, REUSE_SEEN, SILENT_FOR
from relay.kit.database import Connection

_CODES: LiteralString = """
delete from oauth_codes where code_hash in (select code_hash from oauth_codes where expires_at < %s limit %s)
"""
_SILENT: LiteralString = """
update oauth_grants g set revoked_at = now()
where g.id in (
    select g.id from oauth_grants g
    where g.revoked_at is null and g.created_at < %s
      and not exists (select from oauth_tokens t where t.grant_id = g.id and t.created_at >= %s) limit %s)
"""
_REVOKED: LiteralString = """
delete from oauth_tokens where id in (
    select t.id from oauth_tokens t join oauth_grants g on g.id = t.grant_id where g.revoked_at < %s limit %s)
"""
# Twins before what they replaced: without it they would not be known as twins, and rise from the dead.
_OVERTAKEN: LiteralString = """
delete from oauth_tokens where id in (
    select t.id from oauth_tokens t
    where exists (select from oauth_tokens s where s.replaces = t.replaces and s.used_at < %s
                  and (t.used_at is null or (s.used_at, s.id) < (t.used_at, t.id)))
    limit %s)
"""
# The oldest of a chain first: a pair whose successor is forgotten before it would not be known as replaced, and rise.
_REPLACED: LiteralString = """
delete from oauth_tokens where id in (
    select t.id from oauth_tokens t
    where t.replaces is null and exists (select from oauth_tokens n where n.replaces = t.id and n.used_at < %s)
    limit %s)
"""


async def prune_oauth(connection: Connection, now: datetime, *, at_once: int) -> int:
    """Delete in short statements of `at_once` rows; returns how many rows that were. What can still be used stays."""
    silent_since, dead_since = now - SILENT_FOR, now - REUSE_SEEN
    await _all(connection, _SILENT, [silent_since, silent_since], at_once)
    gone = await _all(connection, _CODES, [now - REPLAY_SEEN], at_once)
    for statement in (_REVOKED, _OVERTAKEN, _REPLACED):
        gone += await _all(connection, statement, [dead_since], at_once)
    return gone


async def _all(connection: Connection, statement: LiteralString, before: list[datetime], at_once: int) -> int:
    gone = 0
    # Until nothing is found: what goes first may be what kept the next one.
    while rows := (await connection.execute(statement, [*before, at_once])).rowcount:
        gone += rows
    return gone
