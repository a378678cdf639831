"""Delete expired OAuth data: used codes, replaced token pairs, grants of installations inactive for a year."""

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
# Here and below, `offset 0` makes the planner look up a few rows by index; without it, it reads the whole token table.
_DELETE_REVOKED_PAIRS: LiteralString = """
delete from oauth_tokens where id = any (array(
    select t.id from oauth_grants g
    cross join lateral (select t.id from oauth_tokens t where t.grant_id = g.id offset 0) t
    where g.revoked_at < %s limit %s))
"""
# Pairs that replaced another one long ago, where the replaced pair still has its row.
_WITH_OLD_SUCCESSORS: LiteralString = """
with s as materialized (
    select id, replaces, used_at from oauth_tokens
    where replaces is not null and used_at < %s order by used_at limit %s
)
"""
# ruff: disable[S608] - joined from our own literals only
_DELETE_OVERTAKEN_TWINS: LiteralString = f"""
{_WITH_OLD_SUCCESSORS}
delete from oauth_tokens where id = any (array(
    select t.id from s
    cross join lateral (select id, used_at from oauth_tokens t where t.replaces = s.replaces offset 0) t
    where t.used_at is null or (s.used_at, s.id) < (t.used_at, t.id)))
"""
# The oldest pair of a chain goes first: if its successor were deleted before it, it would no longer count as replaced
# and would become valid again. The other twins of its successor go before it: without it they would no longer count as
# twins and would become valid again, too.
_DELETE_REPLACED_PAIRS: LiteralString = f"""
{_WITH_OLD_SUCCESSORS}
delete from oauth_tokens where id = any (array(
    select t.id from s
    cross join lateral (select id, replaces from oauth_tokens t where t.id = s.replaces offset 0) t
    cross join lateral (select count(*) as successors from oauth_tokens n where n.replaces = t.id offset 0) n
    where t.replaces is null and n.successors = 1))
"""
# ruff: enable[S608]

MAX_ROUNDS = 200
"""The maximum number of batches per statement in one run. The next run deletes the rest."""


async def prune_oauth(connection: Connection, now: datetime, *, batch_size: int) -> int:
    """Delete expired rows in batches of `batch_size` and return how many were deleted. Usable tokens are kept."""
    inactive_since, dead_since = now - INACTIVITY_LIMIT, now - DEAD_TOKEN_RETENTION
    await _run_in_batches(connection, [_REVOKE_INACTIVE_GRANTS], [inactive_since, inactive_since, batch_size])
    deleted = await _run_in_batches(connection, [_DELETE_EXPIRED_CODES], [now - USED_CODE_RETENTION, batch_size])
    deleted += await _run_in_batches(connection, [_DELETE_REVOKED_PAIRS], [dead_since, batch_size])
    # Alternate the two statements: deleting twins makes a replaced pair deletable.
    return deleted + await _run_in_batches(
        connection, [_DELETE_OVERTAKEN_TWINS, _DELETE_REPLACED_PAIRS], [dead_since, batch_size]
    )


async def _run_in_batches(
    connection: Connection, statements: list[LiteralString], parameters: list[datetime | int]
) -> int:
    changed = 0
    for _ in range(MAX_ROUNDS):
        batch_changed = sum([(await connection.execute(statement, parameters)).rowcount for statement in statements])
        if not batch_changed:
            break
        changed += batch_changed
    return changed
