"""Events put through the drain once more: after a mistake of ours was mended, or because they were set aside.

The same code acts on them, so nothing is doubled: a newer state stands, a transition is unique by its event. What
comes of a replay is history. It is never told as if it happened now.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import errors
from psycopg.rows import class_row

from relay.delivery.wake import INBOX
from relay.inbox.events import read_delivery
from relay.inbox.models import Event
from relay.kit.database import SyncConnection

AT_ONCE = 500
"""Rows of one transaction: a long one would hold up the drain."""

# Parameters that are not given choose everything.
CHOOSE: LiteralString = """
select id from webhook_logs
where state <> 'pending' and (%(ids)s::bigint[] is null or id = any (%(ids)s))
  and (%(user_id)s::uuid is null or user_id = %(user_id)s)
  and (%(since)s::timestamptz is null or created_at >= %(since)s)
  and (%(until)s::timestamptz is null or created_at < %(until)s)
  and (%(state)s::text is null or state = %(state)s)
order by id
"""
ROWS: LiteralString = """
select id, account_id, source, created_at, payload is not null as whole, raw from webhook_logs where id = any (%s)
"""
AGAIN: LiteralString = """
update webhook_logs set state = 'pending', attempts = 0, reason = null, settled_at = null, next_try_at = now(),
    replayed_at = now()
where id = any (%s) and state <> 'pending' and payload is not null
returning user_id
"""
# What is known already stays as it is. It arrived when the body did: a replay is no sign of life from Enode.
FOUND: LiteralString = """
insert into webhook_logs (account_id, source, digest, event, version, user_id, enode_vehicle_id, payload, event_at,
                          created_at, replayed_at)
values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, now())
on conflict (account_id, digest) do nothing returning id
"""
UNDERSTOOD: LiteralString = "update webhook_logs set state = 'done', reason = 'replayed' where id = %s"
MISSING: LiteralString = """
select it.id from unnest(%s::bigint[]) as it (id) where not exists (select from webhook_logs w where w.id = it.id)
"""
WAKE: LiteralString = "select pg_notify(%s, %s)"
LEFT: LiteralString = "select count(*) from webhook_logs where id = any (%s) and state = 'pending'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which rows of the inbox. What is None chooses all; `until` is exclusive, both are times of arrival."""

    ids: Sequence[int] | None = None
    user_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    id: int
    account_id: str
    source: str
    created_at: datetime
    # An event that was stored as such; else a body that was kept as it came.
    whole: bool
    raw: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a replay got: rows gone through of all, events that wait for the drain again, bodies still not read."""

    done: int
    total: int
    waiting: tuple[int, ...] = ()
    unreadable: int = 0


def choose(connection: SyncConnection, choice: Choice) -> list[int]:
    """Ids of the rows chosen, oldest first. Those that wait for the drain anyway are left out."""
    parameters = {
        "ids": None if choice.ids is None else list(choice.ids),
        "user_id": choice.user_id,
        "since": choice.since,
        "until": choice.until,
        "state": choice.state,
    }
    return [int(str(row[0])) for row in connection.execute(CHOOSE, parameters).fetchall()]


def missing(connection: SyncConnection, ids: Sequence[int]) -> list[int]:
    """Those of these that the inbox does not have."""
    return [int(str(row[0])) for row in connection.execute(MISSING, [list(ids)]).fetchall()]


def replay(connection: SyncConnection, ids: Sequence[int]) -> Iterator[Progress]:
    """Put rows into the queue again, a few at a time, each few committed. The drain does the rest, wherever it runs.

    Wants a connection in autocommit mode.
    """
    waiting: list[int] = []
    unreadable = 0
    for start in range(0, len(ids), AT_ONCE):
        some = list(ids[start : start + AT_ONCE])
        with connection.transaction(), connection.cursor(row_factory=class_row(_Row)) as cursor:
            rows = cursor.execute(ROWS, [some]).fetchall()
            whole = [row.id for row in rows if row.whole]
            connection.execute(AGAIN, [whole])
            waiting += whole
            for row in rows:
                if not row.whole:
                    found, readable = _parse_anew(connection, row)
                    waiting += found
                    unreadable += not readable
        # No name that can be read: anybody may have news.
        connection.execute(WAKE, [INBOX, "replay -"])
        done = min(start + AT_ONCE, len(ids))
        yield Progress(done=done, total=len(ids), waiting=tuple(waiting), unreadable=unreadable)


def left(connection: SyncConnection, ids: Sequence[int]) -> int:
    """How many of these still wait for the drain."""
    row = connection.execute(LEFT, [list(ids)]).fetchone()
    return int(str(row[0])) if row else 0


def _parse_anew(connection: SyncConnection, row: _Row) -> tuple[list[int], bool]:
    """The events in a raw body that are not known yet, and whether the body is understood now."""
    delivery = read_delivery(row.raw or b"")
    found = [new for event in delivery.events if (new := _store(connection, row, event)) is not None]
    if delivery.set_aside is None:
        connection.execute(UNDERSTOOD, [row.id])
    return found, delivery.set_aside is None


def _store(connection: SyncConnection, row: _Row, event: Event) -> int | None:
    about = (event.digest, event.name, event.version, event.user_id, event.enode_vehicle_id)
    owner = (row.account_id, row.source)
    try:
        with connection.transaction():
            new = connection.execute(
                FOUND, [*owner, *about, event.payload, event.created_at, row.created_at]
            ).fetchone()
    except errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex:
        return None  # what the database refused, it still refuses; the raw body stays
    return int(str(new[0])) if new else None
