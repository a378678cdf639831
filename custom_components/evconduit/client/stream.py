"""The relay's messages without end: reads the event stream, and when it breaks, opens it again where it broke."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from .answers import json_of, translated
from .client import RelayClient
from .errors import (
    ForbiddenError,
    PlanRequiredError,
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnauthorizedError,
)
from .fields import Fields, MalformedError
from .models import Account, Bye, Snapshot, Transition, VehicleRecord, VehicleRemoved
from .sse import EventParser, EventTooLongError, ServerSentEvent

type Message = Snapshot | VehicleRecord | VehicleRemoved | Transition | Account

FIRST_WAIT: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(minutes=2)
LONGEST_WISH: Final = timedelta(hours=1)
STEADY: Final = timedelta(seconds=30)
"""A connection that held so long is not counted among those that failed in a row."""

KINDS: Final[dict[str, Callable[[Fields], Message | Bye]]] = {
    "snapshot": Snapshot.parse,
    "vehicle": VehicleRecord.parse,
    "vehicle_removed": VehicleRemoved.parse,
    "transition": Transition.parse,
    "account": Account.parse,
    "bye": Bye.parse,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A message; `cursor` is where to resume after it."""

    message: Message
    cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """The stream is not there; it is tried again by itself after `retry_in`."""

    error: RelayError
    retry_in: timedelta


class RelayStream:
    """The stream of one account."""

    def __init__(self, client: RelayClient, cursor: str | None = None) -> None:
        """`cursor`: where to resume, from an earlier life; None to start anew."""
        self._client = client
        self.cursor = cursor
        """Where the next connection resumes. Who was told by another way meanwhile moves it on."""
        self._failures = 0

    async def events(self) -> AsyncGenerator[Received | Closed]:
        """All that comes, for ever. A snapshot is the first message of each connection.

        Raises UnauthorizedError or ForbiddenError (PlanRequiredError when it is the plan that has no stream): to try
        again would not help until something changes.
        """
        loop = asyncio.get_running_loop()
        while True:
            opened_at = loop.time()
            error: RelayError = RelayConnectionError("the stream ended")
            try:
                async with aclosing(self._connection()) as messages:
                    async for message in messages:
                        yield Received(message=message, cursor=self.cursor)
            except UnauthorizedError, ForbiddenError:
                raise
            except RelayError as err:
                error = err
            self._failures = 0 if loop.time() - opened_at > STEADY.total_seconds() else self._failures + 1
            retry_in = self._wait(error)
            yield Closed(error=error, retry_in=retry_in)
            await asyncio.sleep(retry_in.total_seconds())

    async def _connection(self) -> AsyncGenerator[Message]:
        """The messages of one connection."""
        parser = EventParser()
        with translated():
            async with aclosing(self._client.stream(self.cursor)) as chunks:
                async for chunk in chunks:
                    for event in _events(parser, chunk):
                        message = read(event)
                        if isinstance(message, Bye):
                            raise _farewell(message)
                        self.cursor = event.id or self.cursor
                        if message is not None:
                            yield message

    def _wait(self, error: RelayError) -> timedelta:
        """Longer after each failure, and spread: a relay that comes back must not meet all its clients at once."""
        backoff = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        wish = error.retry_after if isinstance(error, TryAgainError) else None
        if wish is None:
            return backoff
        return max(backoff, min(wish, LONGEST_WISH) * random.uniform(1, 1.2))  # noqa: S311 - no secret


def read(event: ServerSentEvent) -> Message | Bye | None:
    """The message in an event; None for one from the future. Raises MalformedError."""
    parse = KINDS.get(event.event)
    return parse(json_of(event.data)) if parse else None


def _events(parser: EventParser, chunk: bytes) -> list[ServerSentEvent]:
    try:
        return list(parser.feed(chunk))
    except EventTooLongError as err:
        raise MalformedError("the end of an event") from err


def _farewell(bye: Bye) -> RelayError:
    """What a bye means. A revoked credential is told as such by the next attempt's 401."""
    if bye.reason == "plan":
        return PlanRequiredError("the plan no longer includes the stream")
    wait = None if bye.retry_after is None else timedelta(seconds=min(max(bye.retry_after, 0), 86_400))
    return TryAgainError(f"the relay hangs up ({bye.reason})", retry_after=wait)
