"""What is there to tell: a user's whole state to begin with, then, for many users at once, what has changed since.

States are read when they are sent, so that of many changes only the newest travels; only transitions are kept as rows.
Each reading is one statement: it sees one moment of the database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.feed.messages import (
    Cursor,
    FeedChanges,
    FeedMessage,
    FeedPositions,
    TransitionMessage,
    VehicleMessage,
    VehicleRemovedMessage,
)
from relay.kit.database import Connection, Pool, fetch_all
from relay.kit.problems import Problem
from relay.streams.hub import ReadChanges
from relay.usecases.calls.pause_switches import DELIVERY_PAUSED
from relay.vehicles.records import VehicleRecord, render_vehicle_record

REPLAY_WINDOW = timedelta(hours=24)
"""Transitions are told again to a client that missed them for so long; by when we learnt of them, as when told live."""
MAX_REPLAYED_TRANSITIONS = 1000

# A car with its newest command beside it.
_VEHICLE_ROWS: LiteralString = """
v.revision as seq, v.id, v.revision, v.link_state, v.link_since, v.vehicle_cache || v.corrected as vehicle_cache,
v.corrections, v.smart_charging, case when v.intervention_ids <> '[]' then (
    select jsonb_agg(i.payload order by i.id) from (
        select distinct on (n.id) n.id, n.payload from interventions n join users u on u.id = v.user_id
        where v.intervention_ids ? n.id and n.language in (u.language, 'en-US')
        order by n.id, n.language = u.language desc
    ) i where i.payload is not null
) end as interventions, v.gone_at is not null as gone, v.gone_reason, c.id as command_id, c.kind as command_kind,
c.amps as command_amps, c.state as command_state,
c.reason as command_reason, c.requested_at, c.settled_at, null::text as transition, null::timestamptz as occurred_at,
null::timestamptz as created_at, e.lifetime_kwh, e.home_kwh
from vehicles v left join vehicle_energy e on e.vehicle_id = v.id left join lateral (
    select * from commands where vehicle_id = v.id order by requested_at desc, id limit 1
) c on true
"""
# In the shape of the rows above. What happened to a car that is not served is not told.
_TRANSITION_ROWS: LiteralString = """
t.seq, t.vehicle_id, null::bigint, null::text, null::timestamptz, null::jsonb, null::text[], null::jsonb,
null::jsonb, false, null::text, null::uuid, null::text, null::float8, null::text, null::jsonb, null::timestamptz,
null::timestamptz, t.kind, t.occurred_at, t.created_at, null::double precision, null::double precision
from transitions t join vehicles o on o.id = t.vehicle_id and o.link_state <> 'over_limit' and t.live
"""

READ_SNAPSHOT: LiteralString = f"""
select f.epoch, f.seq as told, now() as at, it.*
from feeds f left join lateral (
    (select {_VEHICLE_ROWS} where v.user_id = f.user_id and v.gone_at is null)
    union all
    (select {_TRANSITION_ROWS}
     where t.user_id = f.user_id and f.epoch = %(epoch)s and t.seq > %(seq)s and f.seq >= %(seq)s
     order by t.seq desc limit {MAX_REPLAYED_TRANSITIONS + 1})
) it on true
where f.user_id = %(user_id)s
order by it.transition is not null, it.seq
"""  # noqa: S608 - put together from the constants above

# While delivery is paused nobody has anything new; cursors stand still, so nothing is lost by it.
# Users with nothing new fall out at the feeds' primary key. Of one number the transition comes first: who resumes after
# it gets the car's state anyhow.
READ_CHANGES: LiteralString = f"""
select f.user_id, f.epoch, f.seq as told, it.*
from unnest(%(users)s::uuid[], %(seqs)s::bigint[]) as asked (user_id, seq)
join feeds f on f.user_id = asked.user_id and f.seq <> asked.seq and not {DELIVERY_PAUSED}
left join lateral (
    (select {_VEHICLE_ROWS} where v.user_id = f.user_id and v.revision > asked.seq)
    union all
    (select {_TRANSITION_ROWS} where t.user_id = f.user_id and t.seq > asked.seq)
) it on true
order by f.user_id, it.seq, it.transition is null
"""  # noqa: S608 - put together from the constants above


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedSnapshot:
    """A user's state at one moment, and what to tell again to a client that was away."""

    at: datetime
    cursor: Cursor
    vehicles: list[VehicleRecord]
    replay: list[TransitionMessage]
    gap: bool


async def read_snapshot(connection: Connection, user_id: UUID, since: Cursor | None = None) -> FeedSnapshot:
    """Everything now, and the transitions after `since`. Raises Problem 401 when the user has just been deleted.

    `gap` when `since` is of another epoch, ahead of the feed, or older than what is told again.
    """
    asked = {"user_id": user_id, "epoch": since and since.epoch, "seq": since.seq if since else 0}
    rows = await fetch_all(connection, READ_SNAPSHOT, asked, dict_row)
    if not rows:
        raise Problem(401, "unauthorized", "This account is gone.", headers={"WWW-Authenticate": "Bearer"})
    at, cursor = rows[0]["at"], Cursor(epoch=rows[0]["epoch"], seq=rows[0]["told"])
    missed = [row for row in rows if row["transition"] is not None]
    young = [row for row in missed if row["created_at"] > at - REPLAY_WINDOW][-MAX_REPLAYED_TRANSITIONS:]
    foreign = since is not None and (since.epoch != cursor.epoch or since.seq > cursor.seq)
    return FeedSnapshot(
        at=at,
        cursor=cursor,
        vehicles=[_vehicle_record_from_row(row) for row in rows if row["revision"] is not None],
        replay=[_transition_from_row(row, replayed=True) for row in young],
        gap=foreign or len(young) < len(missed),
    )


async def read_changes(connection: Connection, cursors: FeedPositions) -> dict[UUID, FeedChanges]:
    """What each of these users has not been told yet, in order, for all of them at once."""
    parameters = {"users": list(cursors), "seqs": list(cursors.values())}
    rows = await fetch_all(connection, READ_CHANGES, parameters, dict_row)
    return {user_id: _changes_from_rows(list(theirs)) for user_id, theirs in groupby(rows, itemgetter("user_id"))}


def create_feed_reader(pool: Pool) -> ReadChanges:
    """`read_changes` as the hub wants it."""

    async def read(cursors: FeedPositions) -> Mapping[UUID, FeedChanges]:
        async with pool.connection() as connection:
            return await read_changes(connection, cursors)

    return read


def _changes_from_rows(rows: Iterable[DictRow]) -> FeedChanges:
    rows = list(rows)
    end = Cursor(epoch=rows[0]["epoch"], seq=rows[0]["told"])
    return FeedChanges(end_cursor=end, messages=[_message_from_row(row) for row in rows if row["seq"] is not None])


def _message_from_row(row: DictRow) -> FeedMessage:
    if row["transition"] is not None:
        return _transition_from_row(row, replayed=False)
    if row["gone"]:
        return VehicleRemovedMessage(seq=row["seq"], vehicle_id=row["id"], reason=row["gone_reason"])
    return VehicleMessage(seq=row["seq"], record=_vehicle_record_from_row(row))


def _transition_from_row(row: DictRow, *, replayed: bool) -> TransitionMessage:
    return TransitionMessage(
        seq=row["seq"],
        vehicle_id=row["id"],
        kind=row["transition"],
        occurred_at=row["occurred_at"],
        replayed=replayed,
    )


def _vehicle_record_from_row(row: DictRow) -> VehicleRecord:
    command = None
    if row["command_id"] is not None:
        command = {
            "id": row["command_id"],
            "vehicle_id": row["id"],
            "kind": row["command_kind"],
            "amps": row["command_amps"],
            "state": row["command_state"],
            "reason": row["command_reason"],
            "requested_at": row["requested_at"],
            "settled_at": row["settled_at"],
        }
    return render_vehicle_record({**row, "command": command})
