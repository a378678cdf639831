"""Store Enode's events in `webhook_logs`, each once."""

from collections.abc import Iterator
from itertools import chain
from typing import LiteralString
from uuid import UUID

from psycopg import errors

from relay.inbox.models import EnodeDelivery, InboxEvent, InboxSource, SetAsideBody
from relay.kit.clock_skew import cap_reported_column
from relay.kit.database import Connection

UNSTORABLE_ERRORS = (errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex)
"""Errors of a value that the database will never accept, for example jsonb that is nested thousands deep."""

type Row = tuple[object, ...]

# An event from the future would be newer than every later one: its time is capped, its payload unchanged.
_CAPPED_EVENT_TIME: LiteralString = cap_reported_column("event_at")

# Ids follow the order of the delivery: of two events with the same time, the one with the higher id is newer.
INSERT_ROWS: LiteralString = f"""
insert into webhook_logs (account_id, source, digest, event, version, user_id, enode_vehicle_id, payload, raw, event_at,
                          state, reason, settled_at)
select %s, %s, digest, event, version, user_id, enode_vehicle_id, payload::jsonb, raw, {_CAPPED_EVENT_TIME},
       state, reason, case when state = 'set_aside' then now() end
from unnest(%s::bytea[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[],
            %s::text[], %s::text[])
     with ordinality
     as item (digest, event, version, user_id, enode_vehicle_id, payload, raw, event_at, state, reason, ordinal)
order by ordinal
on conflict (account_id, digest) do nothing
returning user_id
"""  # noqa: S608 - our own constant

# Most deliveries are one event. Without arrays, one costs database and relay a fifth less.
INSERT_ROW: LiteralString = f"""
insert into webhook_logs (account_id, source, digest, event, version, user_id, enode_vehicle_id, payload, raw, event_at,
                          state, reason, settled_at)
select %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, {_CAPPED_EVENT_TIME}, %s, %s, null
from (select %s::timestamptz) as item (event_at)
on conflict (account_id, digest) do nothing
returning user_id
"""  # noqa: S608 - our own constant


async def store_delivery(
    connection: Connection, account_id: str, source: InboxSource, delivery: EnodeDelivery
) -> list[UUID | None]:
    """Store the new events of a delivery in one statement; returns the user id (or None) of each new row.

    Raises one of UNSTORABLE_ERRORS, with nothing stored, if the database can't hold one of the payloads.
    """
    rows = list(_build_rows(delivery))
    if not rows:
        return []
    if len(rows) == 1 and not delivery.set_aside:
        *values, event_at, state, reason = rows[0]
        cursor = await connection.execute(INSERT_ROW, [account_id, source, *values, state, reason, event_at])
    else:
        columns = [list(column) for column in zip(*rows, strict=True)]
        cursor = await connection.execute(INSERT_ROWS, [account_id, source, *columns])
    return [UUID(str(row[0])) if row[0] else None for row in await cursor.fetchall()]


def _build_rows(delivery: EnodeDelivery) -> Iterator[Row]:
    return chain(map(_build_event_row, delivery.events), map(_build_set_aside_row, delivery.set_aside))


def _build_event_row(event: InboxEvent) -> Row:
    ids = (event.user_id, event.enode_vehicle_id)
    return (event.digest, event.name, event.version, *ids, event.payload, None, event.created_at, "pending", None)


def _build_set_aside_row(body: SetAsideBody) -> Row:
    return (body.digest, None, None, None, None, None, body.raw, None, "set_aside", body.reason)
