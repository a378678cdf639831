"""The relay's messages. Unknown members and values are ignored, missing ones are None.

Only identifying members are required (an id, a revision, the list of vehicles): if they were read as None, vehicles
would be removed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from .intervention import Intervention
from .json_reader import JsonObject, JsonReader
from .vehicle import Vehicle


class LinkState(StrEnum):
    """State of the link to the vendor: working, in need of a new sign-in, or over the plan's vehicle limit."""

    OK = "ok"
    BROKEN = "broken"
    OVER_LIMIT = "over_limit"


class CommandKind(StrEnum):
    """Kind of charging command."""

    START = "START"
    STOP = "STOP"


class CommandState(StrEnum):
    """State of a command."""

    SENDING = "sending"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


OPEN_STATES = frozenset({CommandState.SENDING, CommandState.PENDING})
REFUSED_STATES = frozenset({CommandState.FAILED, CommandState.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandReason:
    """Why a command was not carried out: Enode's error type, and a sentence."""

    type: str | None
    detail: str | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `reason`."""
        return cls(type=reader.get_str("type"), detail=reader.get_str("detail"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A charging command. `state` is None for a value added in a later version, which counts as settled."""

    id: str
    kind: CommandKind | None
    state: CommandState | None
    reason: CommandReason
    requested_at: datetime | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        return cls(
            id=reader.require_str("id"),
            kind=reader.get_enum("kind", CommandKind),
            state=reader.get_enum("state", CommandState),
            reason=CommandReason.parse(reader.get_object("reason")),
            requested_at=reader.get_datetime("requested_at"),
        )

    @property
    def is_open(self) -> bool:
        """Whether the outcome is not known yet."""
        return self.state in OPEN_STATES

    @property
    def is_refused(self) -> bool:
        """Whether the command won't be carried out; `reason` may say why."""
        return self.state in REFUSED_STATES


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleRecord:
    """A vehicle's state in the relay. `id` is the relay's and never changes; a higher `revision` is newer.

    `raw` is the record as received, for storage. It contains VIN and position, and is ignored in comparisons.
    """

    id: str
    revision: int
    link_state: LinkState | None
    vehicle: Vehicle
    command: Command | None
    interventions: tuple[Intervention, ...]
    raw: JsonObject = field(compare=False, repr=False)

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        command = reader.get_object("command")
        return cls(
            id=reader.require_str("id"),
            revision=reader.require_int("revision"),
            link_state=reader.get_object("link").get_enum("state", LinkState),
            vehicle=Vehicle.parse(reader.get_object("vehicle")),
            command=Command.parse(command) if command.values else None,
            interventions=Intervention.parse_all(reader.values.get("interventions")),
            raw=reader.values,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The account of the credential.

    `push`: whether the plan includes the stream. `next_poll_at`: when to poll next, so that the allowance lasts.
    `features`: the optional parts of the API that this relay has. `language`: the language of interventions.
    `instance_id`: which relay it is, at whatever address.
    """

    id: str
    title: str | None
    plan: str | None
    push: bool
    next_poll_at: datetime | None
    relay_version: str | None
    features: frozenset[str]
    language: str | None
    instance_id: str | None
    raw: JsonObject = field(compare=False, repr=False)

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        return cls(
            id=reader.require_str("id"),
            title=reader.get_str("title"),
            plan=reader.get_str("plan"),
            push=reader.get_bool("push") is True,
            next_poll_at=reader.get_datetime("next_poll_at"),
            relay_version=reader.get_object("relay").get_str("version"),
            features=frozenset(reader.get_object("relay").get_str_list("features")),
            language=reader.get_str("language"),
            instance_id=reader.get_object("relay").get_str("instance_id"),
            raw=reader.values,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The account and all its vehicles. A vehicle that is not in it has been removed.

    `gap`: the relay no longer has all messages since the cursor that was resumed from. `epoch`: revisions can be
    compared only within one; None for a relay that doesn't send it.
    """

    account: Account
    vehicles: tuple[VehicleRecord, ...]
    gap: bool = False
    epoch: str | None = None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the message. Raises MalformedError: an incomplete snapshot would remove vehicles."""
        return cls(
            account=Account.parse(reader.require_object("account")),
            vehicles=tuple(map(VehicleRecord.parse, reader.require_object_list("vehicles"))),
            gap=reader.get_bool("gap") is True,
            epoch=reader.get_str("epoch"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleRemoved:
    """A vehicle was removed from the account."""

    id: str

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        return cls(id=reader.require_str("id"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """A change of a vehicle. `type` is an open set. `replayed`: it happened while the stream was not connected."""

    vehicle_id: str
    type: str
    occurred_at: datetime | None
    replayed: bool

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        return cls(
            vehicle_id=reader.require_str("vehicle_id"),
            type=reader.require_str("type"),
            occurred_at=reader.get_datetime("occurred_at"),
            replayed=reader.get_bool("replayed") is True,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bye:
    """The relay closes the stream. `retry_after` in seconds."""

    reason: str | None
    retry_after: float | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the message. Never fails."""
        return cls(reason=reader.get_str("reason"), retry_after=reader.get_number("retry_after"))
