"""Read feeds: a user's complete state, and what has changed since a cursor for many users at once.

States are read when they are sent, so of several changes only the newest is sent; only transitions are stored as rows.
Each read is a single statement, so it sees a single moment of the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.feed.cursor import MAX_REPLAYED_TRANSITIONS, REPLAY_WINDOW, Cursor, FeedPositions
from relay.feed.delivery_switch import DELIVERY_PAUSED
from relay.feed.messages import (
    FeedChanges,
    FeedMessage,
    SnapshotMessage,
    TransitionMessage,
    VehicleMessage,
    VehicleRemovedMessage,
)
from relay.kit.database import Connection, Pool, fetch_all
from relay.kit.json_object import JsonObject
from relay.kit.problems import Problem
from relay.streams.hub import ReadChanges
from relay.vehicles.charging.session_records import NEWEST_SESSIONS
from relay.vehicles.lookup import ENODE_IDS
from relay.vehicles.records import VehicleRecord, render_command_record, render_vehicle_record

# A vehicle with its newest command, its interventions in the user's language, its energy counters, what charging cost
# in the currency used last, and its two newest charging sessions: if one is open, the other is the last one that ended.
_VEHICLE_ROWS: LiteralString = f"""
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
null::timestamptz as created_at, e.lifetime_kwh, e.home_kwh, e.discharged_kwh, (
    select jsonb_build_object('amount', k.amount, 'currency', k.currency, 'since', k.since) from charging_costs k
    where k.vehicle_id = v.id order by k.last_hour desc, k.currency limit 1
) as energy_cost, {NEWEST_SESSIONS} as newest_sessions,
{ENODE_IDS} as enode_ids
from vehicles v left join vehicle_energy e on e.vehicle_id = v.id left join lateral (
    select * from commands where vehicle_id = v.id order by requested_at desc, id limit 1
) c on true
"""  # noqa: S608 - our own constant
# In the shape of the rows above. Without transitions of vehicles that are over the plan's limit.
_TRANSITION_ROWS: LiteralString = """
t.seq, t.vehicle_id, null::bigint, null::text, null::timestamptz, null::jsonb, null::text[], null::jsonb,
null::jsonb, false, null::text, k.id, k.kind, k.amps, k.state, k.reason, k.requested_at, k.settled_at,
t.kind, t.occurred_at, t.created_at, null::double precision, null::double precision, null::double precision,
null::jsonb, null::jsonb, null::text[]
from transitions t join vehicles o on o.id = t.vehicle_id and o.link_state <> 'over_limit' and t.live
left join commands k on k.id = t.command_id
"""

READ_SNAPSHOT: LiteralString = f"""
select f.epoch, f.seq as end_seq, now() as at, item.*
from feeds f left join lateral (
    (select {_VEHICLE_ROWS} where v.user_id = f.user_id and v.gone_at is null)
    union all
    (select {_TRANSITION_ROWS}
     where t.user_id = f.user_id and f.epoch = %(epoch)s and t.seq > %(seq)s and f.seq >= %(seq)s
     order by t.seq desc limit {MAX_REPLAYED_TRANSITIONS + 1})
) item on true
where f.user_id = %(user_id)s
order by item.transition is not null, item.seq
"""  # noqa: S608 - composed from the constants above

# While delivery is paused this returns no changes; cursors stay where they are, so nothing is lost.
# Users without changes drop out at the primary key of `feeds`. Where a transition and a vehicle have the same sequence
# number, the transition comes first: a client that resumes after it gets the vehicle's state in any case.
READ_CHANGES: LiteralString = f"""
select f.user_id, f.epoch, f.seq as end_seq, item.*
from unnest(%(users)s::uuid[], %(seqs)s::bigint[]) as client (user_id, seq)
join feeds f on f.user_id = client.user_id and f.seq <> client.seq and not {DELIVERY_PAUSED}
left join lateral (
    (select {_VEHICLE_ROWS} where v.user_id = f.user_id and v.revision > client.seq)
    union all
    (select {_TRANSITION_ROWS} where t.user_id = f.user_id and t.seq > client.seq)
) item on true
order by f.user_id, item.seq, item.transition is null
"""  # noqa: S608 - composed from the constants above


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedSnapshot:
    """A user's state at one moment, and the transitions to replay to a client that was away.

    `gap`: some of what the client missed is not in `replay`.
    """

    at: datetime
    cursor: Cursor
    vehicles: list[VehicleRecord]
    replay: list[TransitionMessage]
    gap: bool

    def create_message(self, account: JsonObject) -> SnapshotMessage:
        """Create the message for a client with this account record."""
        return SnapshotMessage(
            at=self.at, epoch=self.cursor.epoch, account=account, vehicles=self.vehicles, gap=self.gap
        )

    def pair_replay_with_cursors(self) -> list[tuple[TransitionMessage, Cursor]]:
        """Return each replayed transition with the cursor to resume from after it."""
        return [(transition, Cursor(epoch=self.cursor.epoch, seq=transition.seq)) for transition in self.replay]


async def read_snapshot(connection: Connection, user_id: UUID, since: Cursor | None = None) -> FeedSnapshot:
    """Read the user's vehicles, and the transitions after `since`.

    There is a `gap` when `since` is of another epoch, ahead of the feed, or older than what is replayed. Raises
    Problem 401 when the user has just been deleted.
    """
    parameters = {"user_id": user_id, "epoch": since and since.epoch, "seq": since.seq if since else 0}
    rows = await fetch_all(connection, READ_SNAPSHOT, parameters, dict_row)
    if not rows:
        raise Problem(401, "unauthorized", "The account has been deleted.", headers={"WWW-Authenticate": "Bearer"})
    at, cursor = rows[0]["at"], Cursor(epoch=rows[0]["epoch"], seq=rows[0]["end_seq"])
    missed = [row for row in rows if row["transition"] is not None]
    recent = [row for row in missed if row["created_at"] > at - REPLAY_WINDOW][-MAX_REPLAYED_TRANSITIONS:]
    is_invalid = since is not None and (since.epoch != cursor.epoch or since.seq > cursor.seq)
    return FeedSnapshot(
        at=at,
        cursor=cursor,
        vehicles=[_render_vehicle_row(row) for row in rows if row["revision"] is not None],
        replay=[_parse_transition_row(row, replayed=True) for row in recent],
        gap=is_invalid or len(recent) < len(missed),
    )


async def read_changes(connection: Connection, positions: FeedPositions) -> dict[UUID, FeedChanges]:
    """Read what has changed after these positions, for all users in one query. Users without changes are left out."""
    parameters = {"users": list(positions), "seqs": list(positions.values())}
    rows = await fetch_all(connection, READ_CHANGES, parameters, dict_row)
    return {user_id: _parse_change_rows(list(user_rows)) for user_id, user_rows in groupby(rows, itemgetter("user_id"))}


def create_feed_reader(pool: Pool) -> ReadChanges:
    """Return `read_changes` on connections of this pool, for the hub."""

    async def read(positions: FeedPositions) -> Mapping[UUID, FeedChanges]:
        async with pool.connection() as connection:
            return await read_changes(connection, positions)

    return read


def _parse_change_rows(rows: Sequence[DictRow]) -> FeedChanges:
    end = Cursor(epoch=rows[0]["epoch"], seq=rows[0]["end_seq"])
    return FeedChanges(end_cursor=end, messages=[_parse_message_row(row) for row in rows if row["seq"] is not None])


def _parse_message_row(row: DictRow) -> FeedMessage:
    if row["transition"] is not None:
        return _parse_transition_row(row, replayed=False)
    if row["gone"]:
        return VehicleRemovedMessage(seq=row["seq"], vehicle_id=row["id"], reason=row["gone_reason"])
    return VehicleMessage(seq=row["seq"], record=_render_vehicle_row(row))


def _parse_transition_row(row: DictRow, *, replayed: bool) -> TransitionMessage:
    command = _get_command_row(row)
    return TransitionMessage(
        seq=row["seq"],
        vehicle_id=row["id"],
        kind=row["transition"],
        occurred_at=row["occurred_at"],
        recorded_at=row["created_at"],
        replayed=replayed,
        command=None if command is None else dict(render_command_record(command)),
    )


def _render_vehicle_row(row: DictRow) -> VehicleRecord:
    return render_vehicle_record({**row, "command": _get_command_row(row)})


def _get_command_row(row: DictRow) -> DictRow | None:
    """The columns of `commands` in a row of this module's statements; None if it has no command."""
    if row["command_id"] is None:
        return None
    return {
        "id": row["command_id"],
        "vehicle_id": row["id"],
        "kind": row["command_kind"],
        "amps": row["command_amps"],
        "state": row["command_state"],
        "reason": row["command_reason"],
        "requested_at": row["requested_at"],
        "settled_at": row["settled_at"],
    }
