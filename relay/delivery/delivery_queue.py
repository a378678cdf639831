"""The table `endpoints` as the delivery queue: lease due endpoints to one process, then record the outcome.

An endpoint is due when its user's feed has moved past its cursor and its `next_try_at` has come. Its user, its
credential and the plan must allow delivery, and no stream may be open in its place.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.delivery.models import EndpointKind
from relay.delivery.retry import INITIAL_DELAYS, MAX_HOURLY_DELAY, MAX_PROBE_INTERVAL, RetryPlan
from relay.delivery.stream_lease import IS_FREE_OF_STREAMS
from relay.feed.cursor import REPLAY_WINDOW, Cursor
from relay.feed.delivery_switch import DELIVERY_PAUSED
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.outbound import OutboundFailure
from relay.kit.stored_times import format_interval, is_due, select_delay

LEASE_DURATION = timedelta(seconds=60)
"""Several times what one delivery may take. If a process dies, its leased endpoints wait until the lease runs out."""

# ruff: disable[S608] - composed from constants

MAX_TRY_AHEAD: LiteralString = f"""
case when e.off_at is not null then {format_interval(MAX_PROBE_INTERVAL)}
     else {select_delay("e.failures", (*INITIAL_DELAYS, MAX_HOURLY_DELAY))} end
"""
"""How far ahead `next_try_at` of an endpoint `e` can be."""

# Subqueries for each row: with joins the planner may begin with all users. The conditions are evaluated again under the
# row's lock, so only one of several processes gets the row.
_FROM_DUE_ENDPOINTS: LiteralString = f"""
from endpoints e
where {is_due("e.next_try_at", MAX_TRY_AHEAD)}
  and (e.leased_until is null or {is_due("e.leased_until", format_interval(LEASE_DURATION))})
  and {IS_FREE_OF_STREAMS}
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
update endpoints e set leased_until = now() + %(lease)s, lease_token = gen_random_uuid(),
    first_epoch = case when e.epoch is null then coalesce(e.first_epoch, f.epoch) end,
    first_seq = case when e.epoch is null then coalesce(e.first_seq, f.seq) end
from feeds f where f.user_id = e.user_id and e.id in (select id from quick union all select id from slow)
returning e.id, e.lease_token as token, e.user_id, e.credential_id, e.kind, e.url, e.salt, e.configured_id,
    e.vehicle_id, e.epoch, e.seq, e.first_epoch, e.first_seq, e.failures, e.failing_since, e.off_at, e.slow,
    now() as leased_at,
    f.epoch as feed_epoch, e.epoch is distinct from f.epoch or e.seq > f.seq as has_invalid_cursor, exists (
        select from transitions t
        where t.user_id = e.user_id and t.seq > e.seq and t.created_at < now() - %(replayed)s) as has_stale_cursor
"""


# Two statements: a single one in which naming users is optional would scan the whole table in both cases.
LEASE_DUE: LiteralString = _build_lease_statement("")
LEASE_DUE_OF_USERS: LiteralString = _build_lease_statement("and e.user_id = any (%(users)s)")
_CLEAR_LEASE: LiteralString = "leased_until = null, lease_token = null"
# Returns whether the feed is already ahead again: a hint that came meanwhile found the endpoint leased.
ADVANCE_CURSOR: LiteralString = f"""
update endpoints e set {_CLEAR_LEASE}, epoch = %(epoch)s, seq = %(seq)s, slow = %(slow)s, next_try_at = now(),
    failures = case when %(delivered)s then 0 else failures end,
    failing_since = case when %(delivered)s then null else failing_since end,
    off_at = case when %(delivered)s then null else off_at end,
    last_success_at = case when %(delivered)s then now() else last_success_at end
from feeds f where f.user_id = e.user_id and e.id = %(id)s and e.lease_token = %(token)s
returning (f.epoch, f.seq) is distinct from (e.epoch, e.seq)
"""
RECORD_FAILURE: LiteralString = f"""
update endpoints set {_CLEAR_LEASE}, failures = failures + 1, failing_since = coalesce(failing_since, now()),
    last_failure = %(failure)s, slow = %(slow)s, next_try_at = now() + %(delay)s,
    off_at = case when %(off)s then coalesce(off_at, now()) end
where id = %(id)s and lease_token = %(token)s
"""
# False once the endpoint was deleted or registered again, or its credential or account has ended.
IS_LEASE_VALID: LiteralString = """
select exists (
    select from endpoints e join users u on u.id = e.user_id join credentials k on k.id = e.credential_id
    where e.id = %s and e.lease_token = %s
      and u.closed_at is null and u.disabled_at is null and k.revoked_at is null)
"""
RELEASE: LiteralString = f"update endpoints set {_CLEAR_LEASE} where id = %s and lease_token = %s"
# ruff: enable[S608]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryLease:
    """An endpoint that only this process may POST to until the lease runs out."""

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
    # Until the first acknowledgement: where the feed was when the first delivery began.
    first_epoch: str | None
    first_seq: int | None
    failures: int
    failing_since: datetime | None
    off_at: datetime | None
    slow: bool
    leased_at: datetime
    feed_epoch: str
    # There is no cursor, or the feed can't have issued it: the database has been restored since.
    has_invalid_cursor: bool
    # Some of the transitions after the cursor are older than REPLAY_WINDOW.
    has_stale_cursor: bool

    @property
    def cursor(self) -> Cursor | None:
        """How far the endpoint has received the feed; None before the first delivery."""
        return None if self.epoch is None or self.seq is None else Cursor(epoch=self.epoch, seq=self.seq)

    @property
    def replay_cursor(self) -> Cursor | None:
        """The position after which the endpoint may have missed transitions.

        Before the first acknowledgement it is where the first delivery began: that one may have arrived all the same.
        """
        if self.first_epoch is None or self.first_seq is None:
            return self.cursor
        return Cursor(epoch=self.first_epoch, seq=self.first_seq)


async def lease_due_endpoints(
    connection: Connection, user_ids: list[UUID] | None, plans: Collection[str], *, quick_slots: int, slow_slots: int
) -> list[DeliveryLease]:
    """Lease due endpoints of these users (None: of all users) whose plan is one of `plans`.

    At most `quick_slots` of them are quick and healthy, and at most `slow_slots` are slow or failing.
    """
    parameters = {
        "users": user_ids,
        "quick": quick_slots,
        "slow": slow_slots,
        "lease": LEASE_DURATION,
        "plans": list(plans),
        "replayed": REPLAY_WINDOW,
    }
    statement = LEASE_DUE if user_ids is None else LEASE_DUE_OF_USERS
    return await fetch_all(connection, statement, parameters, class_row(DeliveryLease))


async def advance_cursor(
    connection: Connection, lease: DeliveryLease, cursor: Cursor, *, delivered: bool, slow: bool
) -> bool:
    """Move the endpoint's cursor and release the lease; True when there is already more to deliver.

    `delivered` False: there was nothing to send up to `cursor`. Changes nothing when the lease has been lost.
    """
    parameters = {
        "id": lease.id,
        "token": lease.token,
        "epoch": cursor.epoch,
        "seq": cursor.seq,
        "delivered": delivered,
        "slow": slow,
    }
    return bool(await fetch_one(connection, ADVANCE_CURSOR, parameters, scalar_row))


async def record_failure(
    connection: Connection, lease: DeliveryLease, failure: OutboundFailure, retry_plan: RetryPlan, *, slow: bool
) -> None:
    """Store a failed attempt and when to retry, and release the lease. Changes nothing when it has been lost."""
    parameters = {
        "id": lease.id,
        "token": lease.token,
        "failure": failure,
        "delay": retry_plan.delay,
        "off": retry_plan.is_off,
        "slow": slow,
    }
    await connection.execute(RECORD_FAILURE, parameters)


async def is_lease_valid(connection: Connection, lease: DeliveryLease) -> bool:
    """Return whether this process may still POST to the leased endpoint, at the address in the lease."""
    return bool(await fetch_one(connection, IS_LEASE_VALID, [lease.id, lease.token], scalar_row))


async def release_lease(connection: Connection, lease: DeliveryLease) -> None:
    """Release the lease without an outcome, so that another process may deliver at once."""
    await connection.execute(RELEASE, [lease.id, lease.token])
