"""The HTTP protocol of a connection: uvicorn's, with limits for requests that nobody has authenticated yet.

uvicorn accepts header fields and URLs of any size and waits for the rest of a request forever. A reverse proxy would
bound that, but not every relay has one.
"""

import asyncio
import json
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Literal, override

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from relay.kit.connection_guard import ConnectionGuard
from relay.kit.http_limits import (
    BODIES_TOO_LARGE,
    HEADER_TOO_LARGE,
    INVALID_REQUEST,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_HEADERS,
    URL_TOO_LONG,
    PendingRequest,
    Rejection,
)
from relay.kit.problems import Problem

RETRY_AFTER_SECONDS = 5


class _RejectedError(Exception):
    """Stops the parser."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """A connection whose requests are bounded in size and time. `guard` is shared by all connections of the server.

    A stream isn't affected: its request has arrived completely.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        guard: ConnectionGuard,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._guard = guard
        self._limits = guard.limits
        self._pending: PendingRequest | None = None
        self._rejection: Rejection | None = None
        self._is_discarding = False
        self._in_message = False
        self._in_body = False
        # Whether the parser has reported anything in the current call, and how many bytes it has received since.
        self._has_parsed = False
        self._unparsed_bytes = 0
        self._header_bytes = 0
        self._header_count = 0
        self._body_bytes = 0

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        if not self._guard.open_connection():
            transport.abort()
            return
        self._watch("header")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._release_body()
        self._guard.remove_unread(self)
        self._guard.close_connection(self)
        super().connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._guard.add_unread(self)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._guard.remove_unread(self)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_discarding:
            return
        self._has_parsed = False
        self._guard.remove_idle(self)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered as if it hadn't asked for an upgrade
        except httptools.HttpParserError:
            self._reject(self._rejection or INVALID_REQUEST)
        if self._has_ended():
            return
        self._unparsed_bytes = 0 if self._has_parsed else self._unparsed_bytes + len(data)
        if self._unparsed_bytes > self._limits.max_header_bytes:
            self._reject(HEADER_TOO_LARGE)
        elif self._in_message:
            self._watch("body" if self._in_body else "header")
            if self._pending is not None:
                self._pending.received_bytes += len(data)
        elif _is_complete(self.cycle):
            self._watch("header")  # bytes between two requests, for example empty lines

    @override
    def on_message_begin(self) -> None:
        self._has_parsed = True
        if len(self.pipeline) >= self._limits.max_pipelined_requests:
            raise _RejectedError
        self._in_message, self._in_body = True, False
        self._header_bytes = self._header_count = 0
        super().on_message_begin()

    @override
    def on_url(self, url: bytes) -> None:
        self._has_parsed = True
        if len(self.url) + len(url) > self._limits.max_url_bytes:
            self._stop_parser(URL_TOO_LONG)
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._has_parsed = True
        self._header_bytes += len(name) + len(value)
        self._header_count += 1
        if self._header_bytes > self._limits.max_header_bytes:
            self._stop_parser(HEADER_TOO_LARGE)
        if self._header_count > self._limits.max_header_count:
            self._stop_parser(TOO_MANY_HEADERS)
        # A trailer arrives after the header: added to it, it would pass what a proxy checks in headers.
        if not self._in_body:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._has_parsed = True
        super().on_headers_complete()
        self._in_body = True
        self._header_bytes = self._header_count = 0

    def on_chunk_header(self) -> None:
        """Note that the parser makes progress; it reports nothing within a line of a chunk."""
        self._has_parsed = True

    @override
    def on_body(self, body: bytes) -> None:
        self._has_parsed = True
        if not self.cycle.response_complete:
            if not self._guard.reserve_body_bytes(len(body)):
                self._stop_parser(BODIES_TOO_LARGE)
            self._body_bytes += len(body)
            if self._is_discarding:  # this request was the one that had to make room
                self._release_body()
                raise _RejectedError
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._has_parsed, self._in_message, self._in_body = True, False, False
        self._stop_watching()
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._release_body()
            if not self._in_message:
                self._guard.add_idle(self)
        super().on_response_complete()

    def close_idle(self) -> None:
        """Close the connection, on which nothing is requested now, to make room for another."""
        self.transport.abort()

    def get_unsent_bytes(self) -> int:
        """Return how many bytes of responses the client has yet to read, without those in the system's buffers."""
        return self.transport.get_write_buffer_size()

    def close_unread(self) -> None:
        """Close the connection, whose client doesn't read."""
        self.transport.abort()

    def _has_ended(self) -> bool:
        return self._is_discarding or self.transport.is_closing()

    def _stop_parser(self, rejection: Rejection) -> None:
        self._rejection = rejection
        raise _RejectedError

    def _reject(self, rejection: Rejection) -> None:
        """End the connection, with a response if the client can tell which request it answers."""
        self._stop_watching()
        if self._has_ended():
            return
        self._release_body()
        if not self._in_message and _is_complete(self.cycle):
            self.transport.close()  # nothing was requested
            return
        self._guard.record_rejection(rejection)
        if rejection is TOO_MANY_CONNECTIONS:
            self.transport.abort()
        elif _is_complete(self.cycle) and not self._in_body:
            self._send_rejection(rejection)
        elif not self._in_body:
            # An earlier request is being answered. Its response is the last one.
            self.cycle.keep_alive = False
            self._is_discarding = True
        elif self.pipeline or self.cycle.response_started:
            self.transport.close()
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._send_rejection(rejection)

    def _send_rejection(self, rejection: Rejection) -> None:
        body = json.dumps(Problem(rejection.status, rejection.slug, rejection.detail).build_body()).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        if rejection.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
        status_line = f"HTTP/1.1 {rejection.status} {HTTPStatus(rejection.status).phrase}\r\n".encode()
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(status_line + lines + b"\r\n" + body)
        self._is_discarding = True
        self.flow.resume_reading()
        with suppress(OSError):  # the client has closed the connection
            self.transport.write_eof()
        self.loop.call_later(self._limits.linger_seconds, self.transport.abort)

    def _watch(self, stage: Literal["header", "body"]) -> None:
        pending = self._pending
        if pending is not None and pending.stage == stage:
            return
        self._stop_watching()
        self._pending = PendingRequest(
            stage=stage,
            network=self._find_client_network(),
            started_at=self._guard.monotonic(),
            received_bytes=0,
            reject=self._reject,
        )
        self._guard.add_pending(self._pending)

    def _stop_watching(self) -> None:
        if self._pending is not None:
            self._guard.remove_pending(self._pending)
            self._pending = None

    def _find_client_network(self) -> str | None:
        """Return the network of the client. A proxy names it in the header, so before that its clients aren't known."""
        if self.client is None:
            return None
        network = self._guard.get_network(self.client[0])
        if network is not None or not self._in_body:
            return network
        forwarded = b",".join(value for name, value in self.headers if name == b"x-forwarded-for").decode("latin-1")
        return self._guard.get_forwarded_network(forwarded) if forwarded else None

    def _release_body(self) -> None:
        self._guard.release_body_bytes(self._body_bytes)
        self._body_bytes = 0


def _is_complete(cycle: RequestResponseCycle | None) -> bool:
    """Whether no response is outstanding. A new connection has no cycle of request and response."""
    return cycle is None or cycle.response_complete
