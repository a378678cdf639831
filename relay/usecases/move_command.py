"""A command gets further: in the database, in its user's feed, once for each step and never back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, Self
from uuid import UUID

from psycopg.types.json import Jsonb

from relay.delivery.feed import advance
from relay.gateways.enode import ChargeAction
from relay.kit.database import Connection

type State = Literal["pending", "confirmed", "failed", "cancelled", "unknown"]

# Enode's word for each; what it may say in future is waited for like PENDING, and settled by a check.
STATES: dict[str, State] = {
    "PENDING": "pending",
    "CONFIRMED": "confirmed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}

MOVE: LiteralString = """
update commands set state = %(state)s, reason = %(reason)s,
    enode_action_id = coalesce(%(action_id)s, enode_action_id),
    settled_at = case when %(settled)s then coalesce(%(settled_at)s, now()) end
where id = %(id)s and (settled_at is null or state = 'unknown' and %(settled)s)
  and (state, enode_action_id) is distinct from (%(state)s, coalesce(%(action_id)s, enode_action_id))
returning vehicle_id, settled_at
"""

SETTLED: LiteralString = """
insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, source_event_id, live)
values (%s, %s, %s, 'command_settled', %s, %s, %s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How far a command got, and why not further."""

    state: State
    reason: dict[str, str] | None = None
    action_id: str | None = None
    # When Enode settled it; None: now.
    settled_at: datetime | None = None

    @property
    def settled(self) -> bool:
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


def outcome_of(action: ChargeAction) -> Outcome:
    """What Enode's action means for the command that it stands for."""
    why = action.failure_reason
    return Outcome(
        state=STATES.get(action.state, "pending"),
        reason={"type": why.type, "detail": why.detail or ""} if why else None,
        action_id=action.id,
        settled_at=action.completed_at,
    )


async def move_command(
    connection: Connection, command_id: UUID, outcome: Outcome, *, source_event_id: int | None = None, live: bool = True
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
        moved = await (await connection.execute(MOVE, _values(command_id, outcome))).fetchone()
        if owner is None or moved is None:
            return False
        vehicle_id, settled_at = moved
        step = Step(user_id=UUID(str(owner[0])), vehicle_id=UUID(str(vehicle_id)), live=live)
        await tell_step(connection, step, settled_at=settled_at, source_event_id=source_event_id)
    return True


def _values(command_id: UUID, outcome: Outcome) -> dict[str, object]:
    return {
        "id": command_id,
        "state": outcome.state,
        "reason": Jsonb(outcome.reason) if outcome.reason else None,
        "action_id": outcome.action_id,
        "settled": outcome.settled,
        "settled_at": outcome.settled_at,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A command of this user got further, and with it what the user sees of this car."""

    user_id: UUID
    vehicle_id: UUID
    # Told as it happens; else kept as history only.
    live: bool = True


async def tell_step(
    connection: Connection, step: Step, *, settled_at: object = None, source_event_id: int | None = None
) -> None:
    """Give the step its place in the feed: the car's record carries its newest command. Within a transaction."""
    steps = 1 if settled_at is None else 2
    seq = await advance(connection, step.user_id, steps)
    await connection.execute("update vehicles set revision = %s where id = %s", [seq - steps + 1, step.vehicle_id])
    if settled_at is not None:
        await connection.execute(SETTLED, [step.user_id, seq, step.vehicle_id, settled_at, source_event_id, step.live])
