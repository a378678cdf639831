"""The inbox as a queue: list or claim pending events, and record the outcomes of processing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.inbox.models import EventOutcome, StoredEvent
from relay.kit.clock_skew import cap_reported_column
from relay.kit.database import Connection, fetch_all
from relay.kit.stored_times import is_due, select_delay

BATCH_SIZE = 100
"""The most events of one user that one transaction processes."""

RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
"""Delays between the attempts at an event. After the last attempt the event is set aside."""
MAX_TRY_AHEAD: LiteralString = select_delay("attempts", RETRY_DELAYS)
"""How far ahead `next_try_at` of a pending event can be."""
IS_EVENT_DUE: LiteralString = is_due("w.next_try_at", MAX_TRY_AHEAD)
"""The condition that a pending event `w` is to be processed now."""

_EVENT_COLUMNS: LiteralString = (
    # Capped here as well: rows of earlier releases have the times that Enode sent.
    "id, account_id, event, user_id, enode_vehicle_id, "
    f"{cap_reported_column('event_at', 'least(created_at, now())')} as event_at, attempts, payload, replayed_at"
)

LIST_DUE_EVENTS_OF_USER: LiteralString = f"""
select {_EVENT_COLUMNS} from webhook_logs w
where state = 'pending' and user_id = %s and {IS_EVENT_DUE}
order by w.event_at, id limit {BATCH_SIZE}
"""  # noqa: S608 - only the constants above
CLAIM_DUE_EVENTS_WITHOUT_USER: LiteralString = f"""
select {_EVENT_COLUMNS} from webhook_logs w
where state = 'pending' and user_id is null and {IS_EVENT_DUE}
order by w.event_at, id limit {BATCH_SIZE} for update skip locked
"""  # noqa: S608 - only the constants above

RECORD_OUTCOMES = """
update webhook_logs w
set state = outcome.state, attempts = outcome.attempts, reason = outcome.reason,
    next_try_at = now() + outcome.retry_in,
    settled_at = case when outcome.state <> 'pending' then now() end
from unnest(%s::bigint[], %s::text[], %s::smallint[], %s::text[], %s::interval[])
     as outcome (id, state, attempts, reason, retry_in)
where w.id = outcome.id
"""

LIST_USERS_WITH_DUE_EVENTS: LiteralString = f"""
with waiting as (
    select distinct user_id from webhook_logs w
    where state = 'pending' and user_id is not null and {IS_EVENT_DUE} limit 1000
)
select w.user_id, u.id is not null from waiting w left join users u on u.id = w.user_id and u.closed_at is null
"""  # noqa: S608 - only the constant above


@dataclass(frozen=True, kw_only=True, slots=True)
class UsersWithDueEvents:
    """Ids of users with due events: users of this relay, and ids that are unknown or belong to closed accounts."""

    user_ids: list[UUID]
    unknown_user_ids: list[UUID]


async def list_due_events_of_user(connection: Connection, user_id: UUID) -> list[StoredEvent]:
    """List the oldest due events of a user. The caller must hold the lock of the user's feed."""
    return await _fetch_events(connection, LIST_DUE_EVENTS_OF_USER, [user_id])


async def claim_due_events_without_user(connection: Connection) -> list[StoredEvent]:
    """Lock and return the oldest due events that name no user, except those that another process has locked."""
    return await _fetch_events(connection, CLAIM_DUE_EVENTS_WITHOUT_USER, [])


async def list_users_with_due_events(connection: Connection) -> UsersWithDueEvents:
    """List users with due events, at most 1,000 at once."""
    rows = await (await connection.execute(LIST_USERS_WITH_DUE_EVENTS)).fetchall()
    users = [(UUID(str(user_id)), is_known) for user_id, is_known in rows]
    return UsersWithDueEvents(
        user_ids=[user_id for user_id, is_known in users if is_known],
        unknown_user_ids=[user_id for user_id, is_known in users if not is_known],
    )


async def ignore_events(connection: Connection, user_ids: Sequence[UUID], reason: str) -> None:
    """Mark all pending events of these users as ignored, for `reason`."""
    await connection.execute(
        "update webhook_logs set state = 'ignored', reason = %s, settled_at = now() "
        "where state = 'pending' and user_id = any (%s)",
        [reason, list(user_ids)],
    )


async def record_outcomes(connection: Connection, outcomes: Sequence[EventOutcome]) -> None:
    """Store the outcomes of processed events."""
    if not outcomes:
        return
    await connection.execute(
        RECORD_OUTCOMES,
        [
            [outcome.event_id for outcome in outcomes],
            [outcome.state for outcome in outcomes],
            [outcome.attempts for outcome in outcomes],
            [outcome.reason for outcome in outcomes],
            [outcome.retry_in for outcome in outcomes],
        ],
    )


async def _fetch_events(
    connection: Connection, statement: LiteralString, parameters: list[object]
) -> list[StoredEvent]:
    rows = await fetch_all(connection, statement, parameters, dict_row)
    return [
        StoredEvent(
            id=row["id"],
            account_id=row["account_id"],
            name=row["event"],
            user_id=row["user_id"],
            enode_vehicle_id=row["enode_vehicle_id"],
            created_at=row["event_at"],
            attempts=row["attempts"],
            payload=row["payload"],
            replayed=row["replayed_at"] is not None,
        )
        for row in rows
    ]
