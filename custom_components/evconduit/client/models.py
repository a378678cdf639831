"""What the relay says, read tolerant: unknown keys and words are passed over, missing values are None.

Only what names a thing must be there (an id, a revision, the list of vehicles): read as absent it would mean "gone".
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from .fields import Fields, JsonObject
from .intervention import Intervention
from .vehicle import Vehicle


class LinkState(StrEnum):
    """How the car hangs on its maker's account: well, in need of a new sign-in, or beyond what the plan serves."""

    OK = "ok"
    BROKEN = "broken"
    OVER_LIMIT = "over_limit"


class CommandKind(StrEnum):
    """What a car can be asked."""

    START = "START"
    STOP = "STOP"


class CommandState(StrEnum):
    """How far a command got."""

    SENDING = "sending"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


OPEN_STATES = frozenset({CommandState.SENDING, CommandState.PENDING})
REFUSED_STATES = frozenset({CommandState.FAILED, CommandState.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a command was not carried out: Enode's word for it, and a sentence."""

    type: str | None
    detail: str | None

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """From `reason`."""
        return cls(type=it.text("type"), detail=it.text("detail"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What a user asked a car. `state` None is a word from the future: settled for all we know."""

    id: str
    kind: CommandKind | None
    state: CommandState | None
    reason: Reason
    requested_at: datetime | None

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Raises MalformedError."""
        return cls(
            id=it.needed_text("id"),
            kind=it.choice("kind", CommandKind),
            state=it.choice("state", CommandState),
            reason=Reason.parse(it.fields("reason")),
            requested_at=it.time("requested_at"),
        )

    @property
    def is_open(self) -> bool:
        """Its outcome is still to come."""
        return self.state in OPEN_STATES

    @property
    def is_refused(self) -> bool:
        """It will not be carried out; `reason` may say why."""
        return self.state in REFUSED_STATES


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleRecord:
    """A car as the relay has it. `id` is the relay's own and never changes; a higher `revision` is newer.

    `raw` is the record as it came, for keeping; it holds VIN and position and takes no part in comparing.
    """

    id: str
    revision: int
    link_state: LinkState | None
    vehicle: Vehicle
    command: Command | None
    interventions: tuple[Intervention, ...]
    raw: JsonObject = field(compare=False, repr=False)

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Raises MalformedError."""
        command = it.fields("command")
        return cls(
            id=it.needed_text("id"),
            revision=it.needed_whole("revision"),
            link_state=it.fields("link").choice("state", LinkState),
            vehicle=Vehicle.parse(it.fields("vehicle")),
            command=Command.parse(command) if command.values else None,
            interventions=Intervention.parse_all(it.values.get("interventions")),
            raw=it.values,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Whose cars these are. `push`: the plan includes the stream. `next_poll_at`: when the relay wants to be asked.

    `features`: what this relay can do; an older one names less. `language`: in which interventions are told.
    """

    id: str
    title: str | None
    plan: str | None
    push: bool
    next_poll_at: datetime | None
    relay_version: str | None
    features: frozenset[str]
    language: str | None
    raw: JsonObject = field(compare=False, repr=False)

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Raises MalformedError."""
        return cls(
            id=it.needed_text("id"),
            title=it.text("title"),
            plan=it.text("plan"),
            push=it.flag("push") is True,
            next_poll_at=it.time("next_poll_at"),
            relay_version=it.fields("relay").text("version"),
            features=frozenset(it.fields("relay").texts("features")),
            language=it.text("language"),
            raw=it.values,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """Everything at one moment. Complete: a car that is not in it is gone.

    `gap`: what happened since the cursor that we resumed from cannot be told any more.
    """

    account: Account
    vehicles: tuple[VehicleRecord, ...]
    gap: bool = False

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Raises MalformedError: half a snapshot would say that cars are gone."""
        return cls(
            account=Account.parse(it.needed_fields("account")),
            vehicles=tuple(map(VehicleRecord.parse, it.needed_list("vehicles"))),
            gap=it.flag("gap") is True,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleRemoved:
    """A car has gone."""

    id: str

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Raises MalformedError."""
        return cls(id=it.needed_text("id"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """Something happened to a car. `type` is open: the relay learns new ones. `replayed`: told while we were away."""

    vehicle_id: str
    type: str
    occurred_at: datetime | None
    replayed: bool

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Raises MalformedError."""
        return cls(
            vehicle_id=it.needed_text("vehicle_id"),
            type=it.needed_text("type"),
            occurred_at=it.time("occurred_at"),
            replayed=it.flag("replayed") is True,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bye:
    """The relay hangs up. `retry_after` in seconds."""

    reason: str | None
    retry_after: float | None

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Never fails."""
        return cls(reason=it.text("reason"), retry_after=it.number("retry_after"))
