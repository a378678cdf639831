"""The table of endpoints as a queue: who is due is leased to one process, and given back with what came of it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.delivery.endpoints import EndpointKind
from relay.delivery.retry import RetryPlan
from relay.feed.messages import Cursor
from relay.kit.database import Connection, fetch_all
from relay.kit.outbound import OutboundFailure
from relay.usecases.calls.pause_switches import DELIVERY_PAUSED
from relay.usecases.feed.reader import REPLAY_WINDOW

LEASE_DURATION = timedelta(seconds=60)
"""Several times what one delivery may take; who died holding it delays an endpoint for so long."""

# ruff: disable[S608] - put together from constants of ours only

# Asked of each row by itself: as joins these would tempt the planner to begin with all users. Repeated under the row's
# lock, so that of several processes one gets it.
_FROM_DUE_ENDPOINTS: LiteralString = f"""
from endpoints e
where e.next_try_at <= now() and (e.leased_until is null or e.leased_until < now())
  and (e.streaming_until is null or e.streaming_until < now())
  and (select (f.epoch, f.seq) is distinct from (e.epoch, e.seq) from feeds f where f.user_id = e.user_id)
  and (select u.closed_at is null and u.disabled_at is null and u.plan = any (%(plans)s)
       from users u where u.id = e.user_id)
  and (select k.revoked_at is null and 'read' = any (k.scopes) from credentials k where k.id = e.credential_id)
  and not {DELIVERY_PAUSED}
"""


def _build_lease_statement(user_condition: LiteralString) -> LiteralString:
    return f"""
with quick as (
    select e.id {_FROM_DUE_ENDPOINTS} {user_condition} and not e.slow and e.failures = 0
    order by e.next_try_at limit %(quick)s for update of e skip locked
), slow as (
    select e.id {_FROM_DUE_ENDPOINTS} {user_condition} and (e.slow or e.failures > 0)
    order by e.next_try_at limit %(slow)s for update of e skip locked
)
update endpoints e set leased_until = now() + %(lease)s, lease_token = gen_random_uuid()
from feeds f where f.user_id = e.user_id and e.id in (select id from quick union all select id from slow)
returning e.id, e.lease_token as token, e.user_id, e.credential_id, e.kind, e.url, e.salt, e.configured_id,
    e.vehicle_id, e.epoch, e.seq, e.failures, e.failing_since, e.off_at, e.slow, now() as taken_at,
    f.epoch as feed_epoch, e.epoch is distinct from f.epoch or e.seq > f.seq as is_foreign, exists (
        select from transitions t
        where t.user_id = e.user_id and t.seq > e.seq and t.created_at < now() - %(replayed)s) as is_stale
"""


# Two statements: one that may or may not name users would look through the whole table for either.
LEASE_DUE: LiteralString = _build_lease_statement("")
LEASE_DUE_OF_USERS: LiteralString = _build_lease_statement("and e.user_id = any (%(users)s)")
_CLEAR_LEASE: LiteralString = "leased_until = null, lease_token = null"
# Says whether there is news again already: who hinted meanwhile found the endpoint leased.
ADVANCE_CURSOR: LiteralString = f"""
update endpoints e set {_CLEAR_LEASE}, epoch = %(epoch)s, seq = %(seq)s, slow = %(slow)s, next_try_at = now(),
    failures = case when %(told)s then 0 else failures end,
    failing_since = case when %(told)s then null else failing_since end,
    off_at = case when %(told)s then null else off_at end,
    last_success_at = case when %(told)s then now() else last_success_at end
from feeds f where f.user_id = e.user_id and e.id = %(id)s and e.lease_token = %(token)s
returning (f.epoch, f.seq) is distinct from (e.epoch, e.seq)
"""
RECORD_FAILURE: LiteralString = f"""
update endpoints set {_CLEAR_LEASE}, failures = failures + 1, failing_since = coalesce(failing_since, now()),
    last_failure = %(failure)s, slow = %(slow)s, next_try_at = now() + %(wait)s,
    off_at = case when %(off)s then coalesce(off_at, now()) end
where id = %(id)s and lease_token = %(token)s
"""
RELEASE_LEASE: LiteralString = f"update endpoints set {_CLEAR_LEASE} where id = %s and lease_token = %s"
# ruff: enable[S608]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """An endpoint that this process alone may POST to until the lease runs out."""

    id: UUID
    token: UUID
    user_id: UUID
    credential_id: UUID
    kind: EndpointKind
    url: str = field(repr=False)
    salt: bytes = field(repr=False)
    configured_id: str | None
    vehicle_id: UUID | None
    epoch: str | None
    seq: int | None
    failures: int
    failing_since: datetime | None
    off_at: datetime | None
    slow: bool
    taken_at: datetime
    feed_epoch: str
    # There is no cursor, or it is of another past of the database.
    is_foreign: bool
    # What was missed is in part too old to be told again.
    is_stale: bool

    @property
    def cursor(self) -> Cursor | None:
        """How far the endpoint was told."""
        return None if self.epoch is None or self.seq is None else Cursor(epoch=self.epoch, seq=self.seq)


async def lease_due_endpoints(
    connection: Connection, user_ids: list[UUID] | None, plans: Collection[str], *, quick_slots: int, slow_slots: int
) -> list[Lease]:
    """Lease endpoints of these users (None: of anybody) that are due, so many healthy ones, so many others.

    Only users whose plan is one of `plans`: the others are not told.
    """
    asked: dict[str, Any] = {"users": user_ids, "quick": quick_slots, "slow": slow_slots, "lease": LEASE_DURATION}
    asked |= {"plans": list(plans), "replayed": REPLAY_WINDOW}
    return await fetch_all(connection, LEASE_DUE if user_ids is None else LEASE_DUE_OF_USERS, asked, class_row(Lease))


async def advance_cursor(connection: Connection, lease: Lease, cursor: Cursor, *, delivered: bool, slow: bool) -> bool:
    """Told up to `cursor`, or there was nothing to tell. True when there is more. A lost lease changes nothing."""
    now = {
        "id": lease.id,
        "token": lease.token,
        "epoch": cursor.epoch,
        "seq": cursor.seq,
        "told": delivered,
        "slow": slow,
    }
    row = await (await connection.execute(ADVANCE_CURSOR, now)).fetchone()
    return bool(row and row[0])


async def record_failure(
    connection: Connection, lease: Lease, failure: OutboundFailure, retry_plan: RetryPlan, *, slow: bool
) -> None:
    """It failed; `then` says when it is due again."""
    now = {
        "id": lease.id,
        "token": lease.token,
        "failure": failure,
        "wait": retry_plan.delay,
        "off": retry_plan.is_off,
        "slow": slow,
    }
    await connection.execute(RECORD_FAILURE, now)


async def release_lease(connection: Connection, lease: Lease) -> None:
    """Let somebody else try."""
    await connection.execute(RELEASE_LEASE, [lease.id, lease.token])
