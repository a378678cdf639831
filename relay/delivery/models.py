"""Endpoints: their database rows, and the record of one that the API returns."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NotRequired, TypedDict
from urllib.parse import urlsplit
from uuid import UUID

from relay.kit.outbound import OutboundFailure
from relay.kit.timestamps import format_timestamp

type EndpointKind = Literal["v2", "classic"]
"""`v2`: signed messages of all vehicles, one endpoint per credential. `classic`: one vehicle per POST, unsigned."""


class EndpointRecord(TypedDict):
    """An endpoint as its user sees it: only the host of its URL, and `secret` only in the answer to a registration."""

    id: str
    host: str
    state: Literal["on", "off"]
    failing_since: str | None
    last_success_at: str | None
    last_failure: OutboundFailure | None
    next_try_at: str | None
    pending: bool
    secret: NotRequired[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A row of `endpoints`, as far as its user may see it. `pending`: the feed holds undelivered changes."""

    id: UUID
    url: str = field(repr=False)
    salt: bytes = field(repr=False)
    off_at: datetime | None
    failing_since: datetime | None
    last_success_at: datetime | None
    last_failure: OutboundFailure | None
    next_try_at: datetime | None
    webhook_id: str | None = field(repr=False)
    configured_id: str | None
    vehicle_id: UUID | None
    pending: bool

    def to_record(self) -> EndpointRecord:
        """Return the record without the secret."""
        return {
            "id": str(self.id),
            "host": urlsplit(self.url).hostname or "",
            "state": "on" if self.off_at is None else "off",
            "failing_since": _format_optional_timestamp(self.failing_since),
            "last_success_at": _format_optional_timestamp(self.last_success_at),
            "last_failure": self.last_failure,
            "next_try_at": _format_optional_timestamp(self.next_try_at) if self.failing_since else None,
            "pending": self.pending,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointTarget:
    """The endpoint that a test message goes to."""

    id: UUID
    url: str = field(repr=False)
    salt: bytes = field(repr=False)


def _format_optional_timestamp(timestamp: datetime | None) -> str | None:
    return None if timestamp is None else format_timestamp(timestamp)
