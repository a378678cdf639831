"""Events put through the drain once more: after a mistake of ours was mended, or because they were set aside.

The same code acts on them, so nothing is doubled: a newer state stands, a transition is unique by its event. What
comes of a replay is history. It is never told as if it happened now.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import errors
from psycopg.rows import class_row, scalar_row

from relay.bus.waker import INBOX_CHANNEL
from relay.inbox.models import InboxEvent
from relay.inbox.parser import parse_delivery
from relay.kit.database import Connection, fetch_all

BATCH_SIZE = 500
"""Rows of one transaction: a long one would hold up the drain."""

# Parameters that are not given choose everything.
LIST_EVENT_IDS: LiteralString = """
select id from webhook_logs
where state <> 'pending' and (%(ids)s::bigint[] is null or id = any (%(ids)s))
  and (%(user_id)s::uuid is null or user_id = %(user_id)s)
  and (%(since)s::timestamptz is null or created_at >= %(since)s)
  and (%(until)s::timestamptz is null or created_at < %(until)s)
  and (%(state)s::text is null or state = %(state)s)
order by id
"""
SELECT_ROWS: LiteralString = """
select id, account_id, source, created_at, payload is not null as whole, raw from webhook_logs where id = any (%s)
"""
REQUEUE: LiteralString = """
update webhook_logs set state = 'pending', attempts = 0, reason = null, settled_at = null, next_try_at = now(),
    replayed_at = now()
where id = any (%s) and state <> 'pending' and payload is not null
returning user_id
"""
# What is known already stays as it is. It arrived when the body did: a replay is no sign of life from Enode.
INSERT_EVENT: LiteralString = """
insert into webhook_logs (account_id, source, digest, event, version, user_id, enode_vehicle_id, payload, event_at,
                          created_at, replayed_at)
values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, now())
on conflict (account_id, digest) do nothing returning id
"""
MARK_BODY_PARSED: LiteralString = "update webhook_logs set state = 'done', reason = 'replayed' where id = %s"
LIST_MISSING_IDS: LiteralString = """
select it.id from unnest(%s::bigint[]) as it (id) where not exists (select from webhook_logs w where w.id = it.id)
"""
NOTIFY: LiteralString = "select pg_notify(%s, %s)"
COUNT_PENDING: LiteralString = "select count(*) from webhook_logs where id = any (%s) and state = 'pending'"


@dataclass(frozen=True, kw_only=True, slots=True)
class EventFilter:
    """Which rows of the inbox. What is None chooses all; `until` is exclusive, both are times of arrival."""

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
    # An event that was stored as such; else a body that was kept as it came.
    whole: bool
    raw: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayProgress:
    """How far a replay got: rows gone through of all, events that wait for the drain again, bodies still not read."""

    done: int
    total: int
    pending_ids: tuple[int, ...] = ()
    unreadable: int = 0


async def list_event_ids(connection: Connection, event_filter: EventFilter) -> list[int]:
    """Ids of the rows chosen, oldest first. Those that wait for the drain anyway are left out."""
    parameters = {
        "ids": None if event_filter.ids is None else list(event_filter.ids),
        "user_id": event_filter.user_id,
        "since": event_filter.since,
        "until": event_filter.until,
        "state": event_filter.state,
    }
    return await fetch_all(connection, LIST_EVENT_IDS, parameters, scalar_row)


async def list_missing_ids(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Those of these that the inbox does not have."""
    return await fetch_all(connection, LIST_MISSING_IDS, [list(ids)], scalar_row)


async def replay_events(connection: Connection, ids: Sequence[int]) -> AsyncIterator[ReplayProgress]:
    """Put rows into the queue again, a few at a time, each few committed. The drain does the rest, wherever it runs.

    Wants a connection in autocommit mode.
    """
    waiting: list[int] = []
    unreadable = 0
    for start in range(0, len(ids), BATCH_SIZE):
        some = list(ids[start : start + BATCH_SIZE])
        async with connection.transaction():
            rows = await fetch_all(connection, SELECT_ROWS, [some], class_row(_InboxRow))
            whole = [row.id for row in rows if row.whole]
            await connection.execute(REQUEUE, [whole])
            waiting += whole
            for row in rows:
                if not row.whole:
                    found, readable = await _reparse_body(connection, row)
                    waiting += found
                    unreadable += not readable
        # No name that can be read: anybody may have news.
        await connection.execute(NOTIFY, [INBOX_CHANNEL, "replay -"])
        done = min(start + BATCH_SIZE, len(ids))
        yield ReplayProgress(done=done, total=len(ids), pending_ids=tuple(waiting), unreadable=unreadable)


async def count_pending(connection: Connection, ids: Sequence[int]) -> int:
    """How many of these still wait for the drain."""
    row = await (await connection.execute(COUNT_PENDING, [list(ids)])).fetchone()
    return int(str(row[0])) if row else 0


async def _reparse_body(connection: Connection, row: _InboxRow) -> tuple[list[int], bool]:
    """The events in a raw body that are not known yet, and whether the body is understood now."""
    delivery = parse_delivery(row.raw or b"")
    found = [new for event in delivery.events if (new := await _insert_event(connection, row, event)) is not None]
    if delivery.set_aside is None:
        await connection.execute(MARK_BODY_PARSED, [row.id])
    return found, delivery.set_aside is None


async def _insert_event(connection: Connection, row: _InboxRow, event: InboxEvent) -> int | None:
    about = (event.digest, event.name, event.version, event.user_id, event.enode_vehicle_id)
    owner = (row.account_id, row.source)
    try:
        async with connection.transaction():
            parameters = [*owner, *about, event.payload, event.created_at, row.created_at]
            new = await (await connection.execute(INSERT_EVENT, parameters)).fetchone()
    except errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex:
        return None  # what the database refused, it still refuses; the raw body stays
    return int(str(new[0])) if new else None
