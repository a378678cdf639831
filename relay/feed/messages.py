"""Messages that a Home Assistant receives, as JSON objects: the same on the stream, in REST answers and in webhooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol
from uuid import UUID

from relay.feed.cursor import Cursor
from relay.kit.json_object import JsonObject
from relay.kit.timestamps import format_timestamp

type ByeReason = Literal["restart", "revoked", "plan"]


class Message(Protocol):
    """A message with its event name and its JSON body."""

    event: ClassVar[str]

    def body(self) -> JsonObject:
        """Return the JSON object of this message."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotMessage:
    """The account and all its vehicles at one moment; a vehicle that isn't listed no longer exists.

    `epoch` is the feed's: revisions can be compared only within one epoch. `gap`: messages after the client's cursor
    are missing, because it could not be resumed in full.
    """

    event: ClassVar[str] = "snapshot"
    at: datetime
    epoch: str
    account: JsonObject
    vehicles: Sequence[JsonObject]
    gap: bool = False

    def body(self) -> JsonObject:
        """Return the JSON object; it has `gap` only where that is true."""
        gap: JsonObject = {"gap": True} if self.gap else {}
        return {
            "at": format_timestamp(self.at),
            "epoch": self.epoch,
            "account": self.account,
            "vehicles": list(self.vehicles),
            **gap,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleMessage:
    """A vehicle's complete record, never a patch."""

    event: ClassVar[str] = "vehicle"
    seq: int
    record: JsonObject

    def body(self) -> JsonObject:
        """Return the VehicleRecord."""
        return self.record


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleRemovedMessage:
    """A vehicle was unlinked, or its user was deleted at Enode."""

    event: ClassVar[str] = "vehicle_removed"
    seq: int
    vehicle_id: UUID
    reason: str | None

    def body(self) -> JsonObject:
        """Return the vehicle's id and the reason."""
        return {"id": str(self.vehicle_id), "reason": self.reason}


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionMessage:
    """A transition of a vehicle, such as `plugged_in`. `replayed`: it was first sent while the client was away.

    `recorded_at`: when the relay stored it, which is later than when it occurred. `command`: the record of the command
    that has settled.
    """

    event: ClassVar[str] = "transition"
    seq: int
    vehicle_id: UUID
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    replayed: bool = False
    command: JsonObject | None = None

    def body(self) -> JsonObject:
        """Return the JSON object, in which `kind` is called `type`. It has `command` only where there is one."""
        command: JsonObject = {} if self.command is None else {"command": self.command}
        return {
            "vehicle_id": str(self.vehicle_id),
            "type": self.kind,
            "occurred_at": format_timestamp(self.occurred_at),
            "recorded_at": format_timestamp(self.recorded_at),
            "replayed": self.replayed,
            **command,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountMessage:
    """The account's complete record."""

    event: ClassVar[str] = "account"
    record: JsonObject

    def body(self) -> JsonObject:
        """Return the AccountRecord, as `GET account` does."""
        return self.record


@dataclass(frozen=True, kw_only=True, slots=True)
class ByeMessage:
    """The last message of a stream: why the relay closes it, and after how many seconds to reconnect."""

    event: ClassVar[str] = "bye"
    reason: ByeReason
    retry_after: int

    def body(self) -> JsonObject:
        """Return the reason and the delay."""
        return {"reason": self.reason, "retry_after": self.retry_after}


type FeedMessage = VehicleMessage | VehicleRemovedMessage | TransitionMessage
"""Messages that have a sequence number of their own in a user's feed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedChanges:
    """What a feed holds after some cursor: in order, and complete up to `end_cursor`."""

    end_cursor: Cursor
    messages: Sequence[FeedMessage] = ()

    def pair_with_cursors(self) -> list[tuple[FeedMessage, Cursor]]:
        """Return each message with the cursor to resume from after it."""
        return [(message, Cursor(epoch=self.end_cursor.epoch, seq=message.seq)) for message in self.messages]
