"""The relay's messages. Unknown members and values are ignored, missing ones are None.

Only identifying members are required (an id, a revision, the list of vehicles): if they were read as None, vehicles
would be removed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from .energy import ChargingSession, EnergyCounters
from .intervention import Intervention
from .json_reader import JsonObject, JsonReader
from .smart_charging import SmartChargingStatus
from .vehicle import PowerDeliveryState, Vehicle


class LinkState(StrEnum):
    """State of the link to the vendor: working, in need of a new sign-in, or over the plan's vehicle limit."""

    OK = "ok"
    BROKEN = "broken"
    OVER_LIMIT = "over_limit"


class DataKind(StrEnum):
    """Data that a record has only for some vehicles, whatever they are capable of."""

    ENERGY = "energy"
    HOME_ENERGY = "home_energy"
    DISCHARGED_ENERGY = "discharged_energy"
    SESSION = "session"
    COST = "cost"


class CommandKind(StrEnum):
    """Kind of command."""

    START = "START"
    STOP = "STOP"
    MAX_CURRENT = "MAX_CURRENT"


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
    """A command. `state` is None for a value added in a later version, which counts as settled.

    `amps` is the limit that a MAX_CURRENT sets.
    """

    id: str
    kind: CommandKind | None
    amps: float | None = None
    state: CommandState | None
    reason: CommandReason
    requested_at: datetime | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        return cls(
            id=reader.require_str("id"),
            kind=reader.get_enum("kind", CommandKind),
            amps=reader.get_number("amps"),
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

    `corrections` names what the relay corrected. `energy` is None if the vehicle has never reported about charging.
    `current_session` is under way, `last_session` has ended.
    `raw` is the record as received, for storage. It contains VIN and position, and is ignored in comparisons.
    """

    id: str
    revision: int
    link_state: LinkState | None
    link_since: datetime | None
    vehicle: Vehicle
    corrections: tuple[str, ...]
    command: Command | None
    smart_charging: SmartChargingStatus
    interventions: tuple[Intervention, ...]
    energy: EnergyCounters | None
    current_session: ChargingSession | None
    last_session: ChargingSession | None
    raw: JsonObject = field(compare=False, repr=False)

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        command, energy = reader.get_object("command"), reader.get_object("energy")
        sessions = reader.get_object("charging_sessions")
        return cls(
            id=reader.require_str("id"),
            revision=reader.require_int("revision"),
            link_state=reader.get_object("link").get_enum("state", LinkState),
            link_since=reader.get_object("link").get_datetime("since"),
            vehicle=Vehicle.parse(reader.get_object("vehicle")),
            corrections=reader.get_str_list("corrections"),
            command=Command.parse(command) if command.values else None,
            smart_charging=SmartChargingStatus.parse(reader.get_object("smart_charging")),
            interventions=Intervention.parse_all(reader.values.get("interventions")),
            energy=EnergyCounters.parse(energy) if energy.values else None,
            current_session=ChargingSession.parse(sessions.get_object("current")),
            last_session=ChargingSession.parse(sessions.get_object("last")),
            raw=reader.values,
        )

    @property
    def session(self) -> ChargingSession | None:
        """The charging session that is under way, or else the last one."""
        return self.current_session or self.last_session

    @property
    def currency(self) -> str | None:
        """The currency of costs, None until there is one."""
        if self.energy is not None and self.energy.cost is not None:
            return self.energy.cost.currency
        return self.session.currency if self.session else None

    @property
    def data_kinds(self) -> frozenset[DataKind]:
        """What the relay has about this vehicle. A vehicle that has discharged once can do it."""
        energy = self.energy
        is_discharging = self.vehicle.charge_state.power_delivery_state is PowerDeliveryState.DISCHARGING
        has_data = {
            DataKind.ENERGY: energy is not None and energy.lifetime_kwh is not None,
            DataKind.HOME_ENERGY: energy is not None and energy.home_kwh is not None,
            DataKind.DISCHARGED_ENERGY: energy is not None and (bool(energy.discharged_kwh) or is_discharging),
            DataKind.SESSION: self.session is not None,
            DataKind.COST: self.currency is not None,
        }
        return frozenset(kind for kind, is_known in has_data.items() if is_known)

    @property
    def current_ids(self) -> frozenset[str]:
        """The relay's id, and the one that Enode has for the vehicle now."""
        enode_id = JsonReader(self.raw).get_object("vehicle").get_str("id")
        return frozenset(filter(None, (self.id, enode_id)))

    @property
    def all_ids(self) -> frozenset[str]:
        """Also the ids that Enode had for the vehicle before it was linked again."""
        return self.current_ids.union(JsonReader(self.raw).get_str_list("former_ids"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """The calls of the account's month. A `limit` of None is unlimited; `call_tokens` pay when it is used up."""

    limit: int | None
    used: int | None
    resets_at: datetime | None
    call_tokens: int | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `allowance`."""
        return cls(
            limit=reader.get_int("limit"),
            used=reader.get_int("used"),
            resets_at=reader.get_datetime("resets_at"),
            call_tokens=reader.get_int("call_tokens"),
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
    allowance: Allowance
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
            allowance=Allowance.parse(reader.get_object("allowance")),
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
    compared only within one; None for a relay that doesn't send it. The response to a poll also has the `transitions`
    after the cursor that was sent, and the `cursor` after them; None for a relay that doesn't send them.
    """

    account: Account
    vehicles: tuple[VehicleRecord, ...]
    gap: bool = False
    epoch: str | None = None
    cursor: str | None = None
    transitions: tuple[Transition, ...] = ()

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the message. Raises MalformedError: an incomplete snapshot would remove vehicles."""
        return cls(
            account=Account.parse(reader.require_object("account")),
            vehicles=tuple(map(VehicleRecord.parse, reader.require_object_list("vehicles"))),
            gap=reader.get_bool("gap") is True,
            epoch=reader.get_str("epoch"),
            cursor=reader.get_str("cursor"),
            transitions=tuple(map(Transition.parse, reader.get_objects("transitions"))),
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
    """A change of a vehicle. `type` is an open set. `replayed`: it happened while the stream was not connected.

    `recorded_at`: when the relay stored it; None for a relay that doesn't send it. `command`: the command that has
    settled. `cursor`: its position in the feed, in the response to a poll.
    """

    vehicle_id: str
    type: str
    occurred_at: datetime | None
    replayed: bool
    recorded_at: datetime | None = None
    command: Command | None = None
    cursor: str | None = None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        command = reader.get_object("command")
        return cls(
            vehicle_id=reader.require_str("vehicle_id"),
            type=reader.require_str("type"),
            occurred_at=reader.get_datetime("occurred_at"),
            replayed=reader.get_bool("replayed") is True,
            recorded_at=reader.get_datetime("recorded_at"),
            command=Command.parse(command) if command.values else None,
            cursor=reader.get_str("id"),
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
