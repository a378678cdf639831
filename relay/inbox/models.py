"""What lies in the inbox, before and after it was stored."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

type InboxSource = Literal["webhook", "poll"]
type EventState = Literal["pending", "done", "ignored", "set_aside"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InboxEvent:
    """One thing that Enode says, fit to be stored. `payload` is its canonical JSON, `digest` the SHA-256 of that."""

    digest: bytes
    name: str
    version: str | None
    created_at: datetime
    # None when the event is about no user, or about one whose id we cannot have given out.
    user_id: UUID | None
    enode_vehicle_id: str | None
    payload: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAsideBody:
    """A body that could not be taken apart, or not wholly: kept as it came, for a person or a later relay to read."""

    digest: bytes
    raw: bytes = field(repr=False)
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EnodeDelivery:
    """One POST of Enode's: its events, and the whole body once more if anything in it is odd."""

    events: tuple[InboxEvent, ...] = ()
    set_aside: SetAsideBody | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreResult:
    """How many rows a delivery made, and how many were there before."""

    stored: int
    known: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEvent:
    """An event in the inbox that waits to be acted on. Events are ordered by `created_at`, then `id`.

    `replayed`: an operator puts it through once more, or late; what comes of it is no news.
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
    """What became of a stored event. One that stays pending is tried again after `retry_in`."""

    event_id: int
    state: EventState
    attempts: int
    reason: str | None = None
    retry_in: timedelta = timedelta()
