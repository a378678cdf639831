"""Events of the inbox, before and after they are stored."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

type InboxSource = Literal["webhook", "poll"]
type EventState = Literal["pending", "done", "ignored", "set_aside"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InboxEvent:
    """One of Enode's events, ready to be stored. `payload` is its canonical JSON, `digest` the SHA-256 of that."""

    digest: bytes
    name: str
    version: str | None
    created_at: datetime
    # None if the event names no user, or one whose id isn't a UUID and so can't be from this relay.
    user_id: UUID | None
    enode_vehicle_id: str | None
    payload: str = field(repr=False)
    # The newest time at which something that the event reports of a vehicle was true, by the vehicle's own times.
    observed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAsideBody:
    """A body or an item of one that couldn't be parsed, kept unchanged for the operator or a later release to read."""

    digest: bytes
    raw: bytes = field(repr=False)
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EnodeDelivery:
    """One POST from Enode: its events, and what of its body couldn't be parsed."""

    events: tuple[InboxEvent, ...] = ()
    set_aside: tuple[SetAsideBody, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreResult:
    """How many rows a delivery added, and how many of its events were known already."""

    stored: int
    known: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEvent:
    """A pending event in the inbox. Events are ordered by `created_at`, then `id`.

    `replayed`: an operator has it processed again, or late, so it causes no notifications.
    """

    id: int
    account_id: str
    name: str
    user_id: UUID | None
    enode_vehicle_id: str | None
    created_at: datetime
    attempts: int
    payload: dict[str, Any] = field(repr=False)
    replayed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EventOutcome:
    """The result of processing a stored event. One that stays pending is processed again after `retry_in`."""

    event_id: int
    state: EventState
    attempts: int
    reason: str | None = None
    retry_in: timedelta = timedelta()
