"""What a Home Assistant is told, and how it looks on the wire. The same JSON on stream, REST and webhook."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, override
from uuid import UUID

from relay.kit.timestamps import format_timestamp

MAX_LINE_BYTES = 256 * 1024
"""Bytes of one `data:` line. The reader in Home Assistant gives up at twice that."""

type Json = Mapping[str, Any]
type ByeReason = Literal["restart", "revoked", "plan"]


class Message(Protocol):
    """Anything that has a name on the stream and a body."""

    event: ClassVar[str]

    def body(self) -> Json:
        """The JSON object of this message."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotMessage:
    """Everything at one moment. A car that is absent is gone. `gap`: the cursor given could not be resumed in full."""

    event: ClassVar[str] = "snapshot"
    at: datetime
    account: Json
    vehicles: Sequence[Json]
    gap: bool = False

    def body(self) -> Json:
        """`gap` is there only when it is true."""
        gap: Json = {"gap": True} if self.gap else {}
        return {"at": format_timestamp(self.at), "account": self.account, "vehicles": list(self.vehicles), **gap}


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleMessage:
    """A car's whole record, never a patch."""

    event: ClassVar[str] = "vehicle"
    seq: int
    record: Json

    def body(self) -> Json:
        """The VehicleRecord."""
        return self.record


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleRemovedMessage:
    """A car has gone: unlinked, or its account at Enode was."""

    event: ClassVar[str] = "vehicle_removed"
    seq: int
    vehicle_id: UUID
    reason: str | None

    def body(self) -> Json:
        """The car's id and why."""
        return {"id": str(self.vehicle_id), "reason": self.reason}


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionMessage:
    """Something happened to a car. `replayed`: the client was away when it was told first."""

    event: ClassVar[str] = "transition"
    seq: int
    vehicle_id: UUID
    kind: str
    occurred_at: datetime
    replayed: bool = False

    def body(self) -> Json:
        """`kind` is called `type` on the wire."""
        return {
            "vehicle_id": str(self.vehicle_id),
            "type": self.kind,
            "occurred_at": format_timestamp(self.occurred_at),
            "replayed": self.replayed,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountMessage:
    """The account's whole record."""

    event: ClassVar[str] = "account"
    record: Json

    def body(self) -> Json:
        """As `GET account` answers."""
        return self.record


@dataclass(frozen=True, kw_only=True, slots=True)
class ByeMessage:
    """The last message: why the relay hangs up, and after how many seconds to come back."""

    event: ClassVar[str] = "bye"
    reason: ByeReason
    retry_after: int

    def body(self) -> Json:
        """Both."""
        return {"reason": self.reason, "retry_after": self.retry_after}


type FeedMessage = VehicleMessage | VehicleRemovedMessage | TransitionMessage
"""Messages that have a place of their own in a user's feed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """How far somebody has read a feed: all up to and including `seq` of this `epoch`."""

    epoch: str
    seq: int

    @override
    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"


def parse_cursor(text: str | None) -> Cursor | None:
    """The cursor that a client sends back; None when it sends none. What we cannot read is of no epoch of ours."""
    if not text:
        return None
    epoch, _, seq = text.partition(".")
    if seq.isascii() and seq.isdecimal() and len(seq) < len(str(2**63)):
        return Cursor(epoch=epoch, seq=int(seq))
    return Cursor(epoch="", seq=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedChanges:
    """What a feed holds after some cursor: in order, complete up to `end`."""

    end_cursor: Cursor
    messages: Sequence[FeedMessage] = ()

    def render_events(self) -> list[tuple[int, bytes]]:
        """Each message rendered, with its sequence number."""
        return [(it.seq, render_event(it, Cursor(epoch=self.end_cursor.epoch, seq=it.seq))) for it in self.messages]


type FeedPositions = Mapping[UUID, int]
"""Users and the sequence number up to which each has been told."""


def render_event(message: Message, cursor: Cursor | None) -> bytes:
    """The message as one server-sent event; `cursor` is where to resume after it."""
    head = f"event: {message.event}\n" + (f"id: {cursor}\n" if cursor else "")
    return head.encode() + b"".join(b"data: %s\n" % line for line in render_data_lines(message.body())) + b"\n"


def render_data_lines(body: Json, max_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """JSON in lines of at most `longest` bytes; only a single string longer than that stays in one piece.

    A reader joins the lines with a line feed, which is harmless where JSON allows white space. All ASCII: some readers
    take U+2028 or U+0085 for an end of line.
    """
    whole = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    if len(whole) <= max_bytes:
        yield whole
        return
    line = b""
    # With an indent every token begins a line, and line feeds within strings are escaped.
    for token in json.dumps(body, separators=(",", ":"), allow_nan=False, indent=0).encode().split(b"\n"):
        if line and len(line) + len(token) > max_bytes:
            yield line
            line = b""
        line += token
    yield line
