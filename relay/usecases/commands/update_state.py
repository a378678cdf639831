"""Update a command's state and publish each step in its user's feed, once and never backwards."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, Self
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from relay.feed.sequence import advance_feed
from relay.gateways.enode import ChargeAction
from relay.kit.clock_skew import cap_reported_column
from relay.kit.database import Connection, fetch_one

type CommandState = Literal["pending", "confirmed", "failed", "cancelled", "unknown"]

# A state that Enode adds in future counts as PENDING: the command stays open until a check settles it.
COMMAND_STATES_BY_ENODE_STATE: dict[str, CommandState] = {
    "PENDING": "pending",
    "CONFIRMED": "confirmed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}

# The record of a vehicle has the reason of its last command; these are the first sentences of any text.
MAX_REASON_TYPE_LENGTH = 100
MAX_REASON_DETAIL_LENGTH = 1000

LOCK_FEED: LiteralString = """
select f.user_id from feeds f join commands c using (user_id) where c.id = %s for update of f
"""
UPDATE_STATE: LiteralString = f"""
update commands set state = %(state)s, reason = %(reason)s,
    enode_action_id = coalesce(%(action_id)s, enode_action_id),
    settled_at = case when %(settled)s then coalesce({cap_reported_column("%(settled_at)s::timestamptz")}, now()) end
where id = %(id)s and (settled_at is null or state = 'unknown' and %(settled)s)
  and (state, enode_action_id) is distinct from (%(state)s, coalesce(%(action_id)s, enode_action_id))
returning vehicle_id, settled_at
"""  # noqa: S608 - our own constant

INSERT_SETTLED_TRANSITION: LiteralString = """
insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, source_event_id, live, command_id)
values (%s, %s, %s, 'command_settled', %s, %s, %s, %s)
"""


ACTION_NOT_FOUND_DETAIL = "Enode no longer has this action, so its outcome is unknown."
"""Reason of an unknown outcome when Enode answers 404 for the command's action."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandOutcome:
    """A command's new state, with the reason if it failed."""

    state: CommandState
    reason: dict[str, str] | None = None
    action_id: str | None = None
    # When Enode settled it; None: now.
    settled_at: datetime | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the state is final."""
        return self.state != "pending"

    @property
    def is_refusal(self) -> bool:
        """Whether the command is not carried out."""
        return self.state in {"failed", "cancelled"}

    @classmethod
    def failed(cls, kind: str, detail: str) -> Self:
        """The command was not carried out. `kind` is a failure type in Enode's terms, `detail` a sentence."""
        return cls(state="failed", reason=_build_reason(kind, detail))

    @classmethod
    def unknown(cls, detail: str) -> Self:
        """The outcome can't be determined."""
        return cls(state="unknown", reason={"type": "UNKNOWN", "detail": detail})


def _build_reason(kind: str, detail: str) -> dict[str, str]:
    return {"type": kind[:MAX_REASON_TYPE_LENGTH], "detail": detail[:MAX_REASON_DETAIL_LENGTH]}


def get_action_outcome(action: ChargeAction) -> CommandOutcome:
    """Return the command outcome that an action of Enode's stands for."""
    reason = action.failure_reason
    return CommandOutcome(
        state=COMMAND_STATES_BY_ENODE_STATE.get(action.state, "pending"),
        reason=_build_reason(reason.type, reason.detail or "") if reason else None,
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
    """Store the outcome and publish it; False when nothing changed. A settled state is final unless it was `unknown`.

    Locks the user's feed for the transaction, as every change that a feed publishes must.
    """
    async with connection.transaction():
        feed = await fetch_one(connection, LOCK_FEED, [command_id], dict_row)
        updated = await fetch_one(connection, UPDATE_STATE, _build_parameters(command_id, outcome), dict_row)
        if feed is None or updated is None:
            return False
        progress = CommandProgress(
            user_id=feed["user_id"], vehicle_id=updated["vehicle_id"], live=live, command_id=command_id
        )
        await publish_command_progress(
            connection, progress, settled_at=updated["settled_at"], source_event_id=source_event_id
        )
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
    """A step of a user's command to a vehicle, which changes that vehicle's record."""

    user_id: UUID
    vehicle_id: UUID
    # Whether streams deliver the transition; one that is not live is kept as history only.
    live: bool = True
    # The command that has settled; None while it is open.
    command_id: UUID | None = None


async def publish_command_progress(
    connection: Connection, progress: CommandProgress, *, settled_at: object = None, source_event_id: int | None = None
) -> None:
    """Advance the feed: first the vehicle, whose record holds its newest command, then the transition if settled.

    Call it within a transaction.
    """
    entries = 1 if settled_at is None else 2
    seq = await advance_feed(connection, progress.user_id, entries)
    revision = seq - entries + 1
    await connection.execute("update vehicles set revision = %s where id = %s", [revision, progress.vehicle_id])
    if settled_at is not None:
        await connection.execute(
            INSERT_SETTLED_TRANSITION,
            [
                *(progress.user_id, seq, progress.vehicle_id, settled_at, source_event_id),
                *(progress.live, progress.command_id),
            ],
        )
