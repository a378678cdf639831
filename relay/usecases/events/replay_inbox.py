"""Replay inbox events: queue them for processing again, after a bug was fixed or because they were set aside.

Replayed events take the same path as new ones and duplicate nothing: newer state wins, and a transition is unique by
its event. Transitions that result from a replay are kept as history and never delivered as live.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.bus.waker import INBOX_CHANNEL
from relay.inbox.models import InboxEvent
from relay.inbox.parser import parse_delivery
from relay.inbox.repository import UNSTORABLE_ERRORS
from relay.kit.clock_skew import cap_reported_column
from relay.kit.database import Connection, fetch_all, fetch_one

BATCH_SIZE = 500
"""Rows per transaction. Longer transactions would block the inbox workers."""

# A parameter that is null does not filter.
LIST_EVENT_IDS: LiteralString = """
select id from webhook_logs
where state <> 'pending' and (%(ids)s::bigint[] is null or id = any (%(ids)s))
  and (%(user_id)s::uuid is null or user_id = %(user_id)s)
  and (%(since)s::timestamptz is null or created_at >= %(since)s)
  and (%(until)s::timestamptz is null or created_at < %(until)s)
  and (%(state)s::text is null or state = %(state)s)
order by id
"""
LIST_ROWS: LiteralString = """
select id, account_id, source, created_at, payload is not null as is_parsed, raw from webhook_logs where id = any (%s)
"""
REQUEUE: LiteralString = """
update webhook_logs set state = 'pending', attempts = 0, reason = null, settled_at = null, next_try_at = now(),
    replayed_at = now()
where id = any (%s) and state <> 'pending' and payload is not null
returning user_id
"""
# An event that is stored already stays unchanged. The arrival time is the body's, because a replay must not count as a
# sign that Enode's webhook works.
INSERT_EVENT: LiteralString = f"""
insert into webhook_logs (account_id, source, digest, event, version, user_id, enode_vehicle_id, payload, event_at,
                          created_at, replayed_at)
select %s, %s, %s, %s, %s, %s, %s, %s::jsonb, {cap_reported_column("item.event_at", "item.created_at")},
       item.created_at, now()
from (select %s::timestamptz, %s::timestamptz) as item (event_at, created_at)
on conflict (account_id, digest) do nothing returning id
"""  # noqa: S608 - our own constant
MARK_BODY_PARSED: LiteralString = "update webhook_logs set state = 'done', reason = 'replayed' where id = %s"
LIST_MISSING_IDS: LiteralString = """
select requested.id from unnest(%s::bigint[]) as requested (id)
where not exists (select from webhook_logs w where w.id = requested.id)
"""
NOTIFY: LiteralString = "select pg_notify(%s, %s)"
COUNT_PENDING: LiteralString = "select count(*) from webhook_logs where id = any (%s) and state = 'pending'"


@dataclass(frozen=True, kw_only=True, slots=True)
class EventFilter:
    """Selects inbox rows. None does not filter. `since` (inclusive) and `until` (exclusive) are times of arrival."""

    ids: Sequence[int] | None = None
    user_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _InboxRow:
    id: int
    account_id: str
    source: str
    created_at: datetime
    # True for an event, False for a raw body that could not be parsed.
    is_parsed: bool
    raw: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayProgress:
    """Progress of a replay: rows done of all rows, events queued again, and raw bodies that still can't be parsed."""

    done: int
    total: int
    pending_ids: tuple[int, ...] = ()
    unreadable: int = 0


async def list_event_ids(connection: Connection, event_filter: EventFilter) -> list[int]:
    """List the ids of the selected rows, oldest first, without those that are pending already."""
    parameters = {
        "ids": None if event_filter.ids is None else list(event_filter.ids),
        "user_id": event_filter.user_id,
        "since": event_filter.since,
        "until": event_filter.until,
        "state": event_filter.state,
    }
    return await fetch_all(connection, LIST_EVENT_IDS, parameters, scalar_row)


async def list_missing_ids(connection: Connection, ids: Sequence[int]) -> list[int]:
    """List those of `ids` that are not in the inbox."""
    return await fetch_all(connection, LIST_MISSING_IDS, [list(ids)], scalar_row)


async def replay_events(connection: Connection, ids: Sequence[int]) -> AsyncIterator[ReplayProgress]:
    """Queue the rows again in batches, committing each. The inbox workers of the running relay process them.

    Needs a connection in autocommit mode.
    """
    pending_ids: list[int] = []
    unreadable = 0
    for start in range(0, len(ids), BATCH_SIZE):
        batch = list(ids[start : start + BATCH_SIZE])
        async with connection.transaction():
            rows = await fetch_all(connection, LIST_ROWS, [batch], class_row(_InboxRow))
            event_ids = [row.id for row in rows if row.is_parsed]
            await connection.execute(REQUEUE, [event_ids])
            pending_ids += event_ids
            for row in rows:
                if not row.is_parsed:
                    new_ids, is_readable = await _reparse_body(connection, row)
                    pending_ids += new_ids
                    unreadable += not is_readable
        # A payload without user ids means that any user may have events.
        await connection.execute(NOTIFY, [INBOX_CHANNEL, "replay -"])
        done = min(start + BATCH_SIZE, len(ids))
        yield ReplayProgress(done=done, total=len(ids), pending_ids=tuple(pending_ids), unreadable=unreadable)


async def count_pending(connection: Connection, ids: Sequence[int]) -> int:
    """Count those of `ids` that are still to be processed."""
    count: int | None = await fetch_one(connection, COUNT_PENDING, [list(ids)], scalar_row)
    return count or 0


async def _reparse_body(connection: Connection, row: _InboxRow) -> tuple[list[int], bool]:
    """Store the events of a raw body; return the ids of the new ones, and whether the whole body could be parsed."""
    delivery = parse_delivery(row.raw or b"")
    new_ids = []
    is_readable = not delivery.set_aside
    for event in delivery.events:
        try:
            new_id = await _insert_event(connection, row, event)
        except UNSTORABLE_ERRORS:
            is_readable = False
        else:
            new_ids += [] if new_id is None else [new_id]
    if is_readable:
        await connection.execute(MARK_BODY_PARSED, [row.id])
    return new_ids, is_readable


async def _insert_event(connection: Connection, row: _InboxRow, event: InboxEvent) -> int | None:
    """Store the event and return its id; None if it is stored already. Raises one of UNSTORABLE_ERRORS."""
    origin = (row.account_id, row.source)
    identity = (event.digest, event.name, event.version, event.user_id, event.enode_vehicle_id)
    parameters = [*origin, *identity, event.payload, event.created_at, row.created_at]
    async with connection.transaction():
        event_id: int | None = await fetch_one(connection, INSERT_EVENT, parameters, scalar_row)
    return event_id
