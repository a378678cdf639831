"""Store Enode's events in `webhook_logs`, each once."""

from collections.abc import Iterator
from itertools import chain
from uuid import UUID

from psycopg import errors

from relay.inbox.models import EnodeDelivery, InboxEvent, InboxSource, SetAsideBody
from relay.kit.database import Connection

UNSTORABLE_ERRORS = (errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex)
"""Errors of a value that the database will never accept, for example jsonb that is nested thousands deep."""

type Row = tuple[object, ...]

# Ids follow the order of the delivery: of two events with the same time, the one with the higher id is newer.
INSERT_ROWS = """
insert into webhook_logs (account_id, source, digest, event, version, user_id, enode_vehicle_id, payload, raw, event_at,
                          state, reason, settled_at)
select %s, %s, digest, event, version, user_id, enode_vehicle_id, payload::jsonb, raw, event_at, state, reason,
       case when state = 'set_aside' then now() end
from unnest(%s::bytea[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[],
            %s::text[], %s::text[])
     with ordinality
     as item (digest, event, version, user_id, enode_vehicle_id, payload, raw, event_at, state, reason, ordinal)
order by ordinal
on conflict (account_id, digest) do nothing
returning user_id
"""

# Most deliveries are one event. Without arrays, one costs database and relay a fifth less.
INSERT_ROW = """
insert into webhook_logs (account_id, source, digest, event, version, user_id, enode_vehicle_id, payload, raw, event_at,
                          state, reason, settled_at)
values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, null)
on conflict (account_id, digest) do nothing
returning user_id
"""


async def store_delivery(
    connection: Connection, account_id: str, source: InboxSource, delivery: EnodeDelivery
) -> list[UUID | None]:
    """Store the new events of a delivery in one statement; returns the user id (or None) of each new row.

    Raises one of UNSTORABLE_ERRORS, with nothing stored, if the database can't hold one of the payloads.
    """
    rows = list(_build_rows(delivery))
    if not rows:
        return []
    if len(rows) == 1 and delivery.set_aside is None:
        cursor = await connection.execute(INSERT_ROW, [account_id, source, *rows[0]])
    else:
        columns = [list(column) for column in zip(*rows, strict=True)]
        cursor = await connection.execute(INSERT_ROWS, [account_id, source, *columns])
    return [UUID(str(row[0])) if row[0] else None for row in await cursor.fetchall()]


def _build_rows(delivery: EnodeDelivery) -> Iterator[Row]:
    set_aside = () if delivery.set_aside is None else (delivery.set_aside,)
    return chain(map(_build_event_row, delivery.events), map(_build_set_aside_row, set_aside))


def _build_event_row(event: InboxEvent) -> Row:
    ids = (event.user_id, event.enode_vehicle_id)
    return (event.digest, event.name, event.version, *ids, event.payload, None, event.created_at, "pending", None)


def _build_set_aside_row(body: SetAsideBody) -> Row:
    return (body.digest, None, None, None, None, None, body.raw, None, "set_aside", body.reason)
