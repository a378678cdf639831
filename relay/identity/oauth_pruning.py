"""What of OAuth has served its time: codes, dead pairs of tokens, installations that nobody heard of for a year."""

from datetime import datetime
from typing import LiteralString

from relay.identity.oauth import DEAD_TOKEN_RETENTION, INACTIVITY_LIMIT, USED_CODE_RETENTION
from relay.kit.database import Connection

_DELETE_EXPIRED_CODES: LiteralString = """
delete from oauth_codes where code_hash in (select code_hash from oauth_codes where expires_at < %s limit %s)
"""
_REVOKE_INACTIVE_GRANTS: LiteralString = """
update oauth_grants g set revoked_at = now()
where g.id = any (array(
    select g.id from oauth_grants g
    where g.revoked_at is null and g.created_at < %s
      and not exists (select from oauth_tokens t where t.grant_id = g.id and t.created_at >= %s) limit %s))
"""
# Here and below `offset 0` keeps the planner at looking up a few rows by their index: it would rather read all tokens.
_DELETE_REVOKED_PAIRS: LiteralString = """
delete from oauth_tokens where id = any (array(
    select t.id from oauth_grants g
    cross join lateral (select t.id from oauth_tokens t where t.grant_id = g.id offset 0) t
    where g.revoked_at < %s limit %s))
"""
# Pairs that took another's place long ago, and of which that other is still there.
_WITH_OLD_SUCCESSORS: LiteralString = """
with s as materialized (
    select id, replaces, used_at from oauth_tokens
    where replaces is not null and used_at < %s order by used_at limit %s
)
"""
# ruff: disable[S608] - joined from literals of ours only
_DELETE_OVERTAKEN_TWINS: LiteralString = f"""
{_WITH_OLD_SUCCESSORS}
delete from oauth_tokens where id = any (array(
    select t.id from s
    cross join lateral (select id, used_at from oauth_tokens t where t.replaces = s.replaces offset 0) t
    where t.used_at is null or (s.used_at, s.id) < (t.used_at, t.id)))
"""
# The oldest of a chain first: a pair whose successor is forgotten before it would not be known as replaced, and rise.
# And after its twins: without it they would not be known as twins, and rise, too.
_DELETE_REPLACED_PAIRS: LiteralString = f"""
{_WITH_OLD_SUCCESSORS}
delete from oauth_tokens where id = any (array(
    select t.id from s
    cross join lateral (select id, replaces from oauth_tokens t where t.id = s.replaces offset 0) t
    cross join lateral (select count(*) as answers from oauth_tokens n where n.replaces = t.id offset 0) n
    where t.replaces is null and n.answers = 1))
"""
# ruff: enable[S608]

MAX_ROUNDS = 200
"""So often each is repeated in one run; what is left then has time until the next."""


async def prune_oauth(connection: Connection, now: datetime, *, batch_size: int) -> int:
    """Delete in short statements of `at_once` rows; returns how many rows that were. What can still be used stays."""
    silent_since, dead_since = now - INACTIVITY_LIMIT, now - DEAD_TOKEN_RETENTION
    await _run_in_batches(connection, [_REVOKE_INACTIVE_GRANTS], [silent_since, silent_since, batch_size])
    deleted = await _run_in_batches(connection, [_DELETE_EXPIRED_CODES], [now - USED_CODE_RETENTION, batch_size])
    deleted += await _run_in_batches(connection, [_DELETE_REVOKED_PAIRS], [dead_since, batch_size])
    # By turns: what goes first is what kept the next one.
    return deleted + await _run_in_batches(
        connection, [_DELETE_OVERTAKEN_TWINS, _DELETE_REPLACED_PAIRS], [dead_since, batch_size]
    )


async def _run_in_batches(
    connection: Connection, statements: list[LiteralString], parameters: list[datetime | int]
) -> int:
    changed = 0
    for _ in range(MAX_ROUNDS):
        rows = sum([(await connection.execute(it, parameters)).rowcount for it in statements])
        if not rows:
            break
        changed += rows
    return changed
