"""The relay's event stream: parses its messages, reconnects, and resumes where the connection broke."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from .client import RelayClient
from .errors import (
    ForbiddenError,
    PlanRequiredError,
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnauthorizedError,
)
from .json_reader import JsonReader, MalformedError
from .models import Account, Bye, Snapshot, Transition, VehicleRecord, VehicleRemoved
from .responses import parse_json_object, translate_errors
from .sse import MAX_EVENT_SIZE, MAX_MESSAGE_SIZE, EventParser, EventTooLongError, ServerSentEvent

type Message = Snapshot | VehicleRecord | VehicleRemoved | Transition | Account

INITIAL_BACKOFF: Final = timedelta(seconds=1)
MAX_BACKOFF: Final = timedelta(minutes=2)
MAX_RETRY_AFTER: Final = timedelta(hours=1)
STABLE_AFTER: Final = timedelta(seconds=30)
"""A connection that lasts this long resets the backoff."""

MESSAGE_PARSERS: Final[dict[str, Callable[[JsonReader], Message | Bye]]] = {
    "snapshot": Snapshot.parse,
    "vehicle": VehicleRecord.parse,
    "vehicle_removed": VehicleRemoved.parse,
    "transition": Transition.parse,
    "account": Account.parse,
    "bye": Bye.parse,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedMessage:
    """A message, and the cursor to resume after it."""

    message: Message
    cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamClosed:
    """The connection ended or failed. The next attempt follows after `retry_in`."""

    error: RelayError
    retry_in: timedelta


class RelayStream:
    """The stream of one account."""

    def __init__(
        self, client: RelayClient, cursor: str | None = None, on_open: Callable[[], None] | None = None
    ) -> None:
        """Resume after `cursor`, for example from storage. Call `on_open` before each attempt to connect."""
        self._client = client
        self._on_open = on_open
        self.cursor = cursor
        """Where the next connection resumes. Advance it when a message arrived through another channel."""
        self._failures = 0

    async def iter_events(self) -> AsyncGenerator[ReceivedMessage | StreamClosed]:
        """Yield messages and lost connections, without end. The first message of each connection is a snapshot.

        Raises UnauthorizedError or ForbiddenError (PlanRequiredError if the plan doesn't include the stream), because
        retrying won't help until something changes.
        """
        loop = asyncio.get_running_loop()
        while True:
            opened_at = loop.time()
            if self._on_open is not None:
                self._on_open()
            error: RelayError = RelayConnectionError("the stream ended")
            try:
                async with aclosing(self._iter_messages()) as messages:
                    async for message in messages:
                        yield ReceivedMessage(message=message, cursor=self.cursor)
            except UnauthorizedError, ForbiddenError:
                raise
            except RelayError as err:
                error = err
            self._failures = 0 if loop.time() - opened_at > STABLE_AFTER.total_seconds() else self._failures + 1
            retry_in = self._get_retry_delay(error)
            yield StreamClosed(error=error, retry_in=retry_in)
            await asyncio.sleep(retry_in.total_seconds())

    async def _iter_messages(self) -> AsyncGenerator[Message]:
        """Yield the messages of one connection."""
        parser = EventParser(MAX_MESSAGE_SIZE, MAX_EVENT_SIZE)
        with translate_errors():
            async with aclosing(self._client.open_stream(self.cursor)) as chunks:
                async for chunk in chunks:
                    for event in _feed_parser(parser, chunk):
                        message = parse_message(event)
                        if isinstance(message, Bye):
                            raise _create_error_from_bye(message)
                        self.cursor = event.id or self.cursor
                        if message is not None:
                            yield message

    def _get_retry_delay(self, error: RelayError) -> timedelta:
        """Return an exponential backoff with jitter, or the delay that the relay requested if that is longer.

        Jitter spreads the reconnects of all clients after the relay restarts.
        """
        backoff = min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        requested = error.retry_after if isinstance(error, TryAgainError) else None
        if requested is None:
            return backoff
        return max(backoff, min(requested, MAX_RETRY_AFTER) * random.uniform(1, 1.2))  # noqa: S311 - no secret


def parse_message(event: ServerSentEvent) -> Message | Bye | None:
    """Parse the message of an event. None for a type added in a later version. Raises MalformedError."""
    parse = MESSAGE_PARSERS.get(event.event)
    return parse(parse_json_object(event.data)) if parse else None


def _feed_parser(parser: EventParser, chunk: bytes) -> list[ServerSentEvent]:
    try:
        return list(parser.feed(chunk))
    except EventTooLongError as err:
        raise MalformedError("end of event") from err


def _create_error_from_bye(bye: Bye) -> RelayError:
    """Create the error for a bye. TryAgainError also for a revoked credential: the next attempt gets a 401."""
    if bye.reason == "plan":
        return PlanRequiredError("the plan no longer includes the stream")
    wait = None if bye.retry_after is None else timedelta(seconds=min(max(bye.retry_after, 0), 86_400))
    return TryAgainError(f"the relay closed the stream (reason: {bye.reason})", retry_after=wait)
