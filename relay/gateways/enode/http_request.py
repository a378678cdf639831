"""Send one HTTP request and return a response with a bounded body, or why there is none.

httpx's exceptions do not leave this module.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from relay.gateways.enode.errors import EnodeProblem, EnodeProtocolError
from relay.gateways.enode.json_fields import parse_json, parse_objects, parse_text

REQUEST_TIMEOUT = 408  # the one 4xx that is about the connection, not about the request
REDIRECTION = 300
CLIENT_ERROR = 400
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time and randomness, replaced in tests. `monotonic` and `sleep` use seconds; `random_fraction` is in [0, 1)."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    random_fraction: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP response of any status."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime
    """By our clock."""
    duration: timedelta
    """From sending the request to receiving the last byte of the body."""

    @property
    def as_of(self) -> datetime:
        """The time, by Enode's clock, at which the response was certainly current: its Date minus the duration.

        Our own clock is used if the response has no Date.
        """
        return (parse_http_date(self.headers.get("date")) or self.received_at) - self.duration

    @property
    def retry_after(self) -> timedelta | None:
        """The Retry-After header, sent as seconds or as a date."""
        value = self.headers.get("retry-after", "")
        try:
            return max(timedelta(), timedelta(seconds=int(value)))
        except ValueError, OverflowError:
            pass
        until = parse_http_date(value)
        if until is None:
            return None
        return max(timedelta(), until - (parse_http_date(self.headers.get("date")) or self.received_at))

    @property
    def is_transient(self) -> bool:
        """Whether the server or the connection failed, so that the same request may succeed later."""
        return self.status == REQUEST_TIMEOUT or self.status >= SERVER_ERROR

    @property
    def may_have_acted(self) -> bool:
        """Whether Enode may have carried out the request despite an error status."""
        return self.is_transient

    @property
    def problem(self) -> EnodeProblem:
        """The problem document in the body, empty if the body is something else."""
        try:
            document = parse_json(self.body, "")
        except EnodeProtocolError:
            document = None
        if not isinstance(document, dict):
            return EnodeProblem(status=self.status)
        return EnodeProblem(
            status=self.status,
            type=parse_text(document, "type") or "",
            title=parse_text(document, "title") or "",
            detail=parse_text(document, "detail") or "",
            issues=parse_objects(document, "issues"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResponse:
    """The request had no response."""

    cause: str
    may_have_acted: bool
    """False only if the request certainly did not reach Enode."""


type RequestResult = Response | NoResponse

# The first match counts. Unless it failed before the first byte was sent, a request may have reached Enode.
NO_RESPONSE_BY_EXCEPTION: tuple[tuple[type[Exception], NoResponse], ...] = (
    (httpx.PoolTimeout, NoResponse(cause="no free connection", may_have_acted=False)),
    (httpx.ConnectTimeout, NoResponse(cause="no connection in time", may_have_acted=False)),
    (httpx.ConnectError, NoResponse(cause="no connection", may_have_acted=False)),
    (httpx.TimeoutException, NoResponse(cause="no answer in time", may_have_acted=True)),
    (httpx.HTTPError, NoResponse(cause="the connection broke", may_have_acted=True)),
    (httpx.StreamError, NoResponse(cause="the connection broke", may_have_acted=True)),
    (OSError, NoResponse(cause="the connection broke", may_have_acted=True)),
)


async def send_request(
    http: httpx.AsyncClient, request: httpx.Request, *, operation: str, clock: Clock, max_body_bytes: int
) -> RequestResult:
    """Send `request` once. Raises EnodeProtocolError if the body can't be decoded or a success exceeds the limit."""
    started_at = clock.monotonic()
    try:
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            body = await _read_body(response, operation, max_body_bytes)
        finally:
            await response.aclose()
    except httpx.DecodingError:
        raise EnodeProtocolError(operation, fault="undecodable content") from None
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        return next(no_response for kind, no_response in NO_RESPONSE_BY_EXCEPTION if isinstance(error, kind))
    duration = timedelta(seconds=clock.monotonic() - started_at)
    return Response(
        status=response.status_code, headers=response.headers, body=body, received_at=clock.now(), duration=duration
    )


async def _read_body(response: httpx.Response, operation: str, max_body_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_body_bytes:
            if response.status_code >= CLIENT_ERROR:
                return b""  # a long error page must not hide the status
            raise EnodeProtocolError(operation, fault=f"longer than {max_body_bytes} bytes")
    return bytes(body)


def parse_http_date(value: str | None) -> datetime | None:
    """Parse the date in an HTTP header; None if there is none."""
    try:
        date = parsedate_to_datetime(value or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except ValueError, OverflowError, TypeError, IndexError:
        return None
