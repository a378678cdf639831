"""A command gets further: in the database, in its user's feed, once for each step and never back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, Self
from uuid import UUID

from psycopg.types.json import Jsonb

from relay.feed.sequence import advance_feed
from relay.gateways.enode import ChargeAction
from relay.kit.database import Connection

type CommandState = Literal["pending", "confirmed", "failed", "cancelled", "unknown"]

# Enode's word for each; what it may say in future is waited for like PENDING, and settled by a check.
COMMAND_STATES_BY_ENODE_STATE: dict[str, CommandState] = {
    "PENDING": "pending",
    "CONFIRMED": "confirmed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}

UPDATE_STATE: LiteralString = """
update commands set state = %(state)s, reason = %(reason)s,
    enode_action_id = coalesce(%(action_id)s, enode_action_id),
    settled_at = case when %(settled)s then coalesce(%(settled_at)s, now()) end
where id = %(id)s and (settled_at is null or state = 'unknown' and %(settled)s)
  and (state, enode_action_id) is distinct from (%(state)s, coalesce(%(action_id)s, enode_action_id))
returning vehicle_id, settled_at
"""

INSERT_SETTLED_TRANSITION: LiteralString = """
insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, source_event_id, live)
values (%s, %s, %s, 'command_settled', %s, %s, %s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandOutcome:
    """How far a command got, and why not further."""

    state: CommandState
    reason: dict[str, str] | None = None
    action_id: str | None = None
    # When Enode settled it; None: now.
    settled_at: datetime | None = None

    @property
    def is_settled(self) -> bool:
        """Nothing will change any more."""
        return self.state != "pending"

    @classmethod
    def failed(cls, kind: str, detail: str) -> Self:
        """It did not happen, for this reason."""
        return cls(state="failed", reason={"type": kind, "detail": detail})

    @classmethod
    def unknown(cls, detail: str) -> Self:
        """Nobody can say what happened."""
        return cls(state="unknown", reason={"type": "UNKNOWN", "detail": detail})


def get_action_outcome(action: ChargeAction) -> CommandOutcome:
    """What Enode's action means for the command that it stands for."""
    why = action.failure_reason
    return CommandOutcome(
        state=COMMAND_STATES_BY_ENODE_STATE.get(action.state, "pending"),
        reason={"type": why.type, "detail": why.detail or ""} if why else None,
        action_id=action.id,
        settled_at=action.completed_at,
    )


async def record_command_outcome(
    connection: Connection,
    command_id: UUID,
    outcome: CommandOutcome,
    *,
    source_event_id: int | None = None,
    live: bool = True,
) -> bool:
    """Note the outcome; False when it says nothing new: a settled command stays as it is, unless it was unknown.

    Locks the user's feed for the transaction, as everything does that a user is told of.
    """
    async with connection.transaction():
        cursor = await connection.execute(
            "select f.user_id from feeds f join commands c using (user_id) where c.id = %s for update of f",
            [command_id],
        )
        owner = await cursor.fetchone()
        moved = await (await connection.execute(UPDATE_STATE, _build_parameters(command_id, outcome))).fetchone()
        if owner is None or moved is None:
            return False
        vehicle_id, settled_at = moved
        step = CommandProgress(user_id=UUID(str(owner[0])), vehicle_id=UUID(str(vehicle_id)), live=live)
        await publish_command_progress(connection, step, settled_at=settled_at, source_event_id=source_event_id)
    return True


def _build_parameters(command_id: UUID, outcome: CommandOutcome) -> dict[str, object]:
    return {
        "id": command_id,
        "state": outcome.state,
        "reason": Jsonb(outcome.reason) if outcome.reason else None,
        "action_id": outcome.action_id,
        "settled": outcome.is_settled,
        "settled_at": outcome.settled_at,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandProgress:
    """A command of this user got further, and with it what the user sees of this car."""

    user_id: UUID
    vehicle_id: UUID
    # Told as it happens; else kept as history only.
    live: bool = True


async def publish_command_progress(
    connection: Connection, progress: CommandProgress, *, settled_at: object = None, source_event_id: int | None = None
) -> None:
    """Give the step its place in the feed: the car's record carries its newest command. Within a transaction."""
    steps = 1 if settled_at is None else 2
    seq = await advance_feed(connection, progress.user_id, steps)
    await connection.execute("update vehicles set revision = %s where id = %s", [seq - steps + 1, progress.vehicle_id])
    if settled_at is not None:
        await connection.execute(
            INSERT_SETTLED_TRANSITION,
            [progress.user_id, seq, progress.vehicle_id, settled_at, source_event_id, progress.live],
        )
