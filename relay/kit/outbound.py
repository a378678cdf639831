"""The only HTTP client for URLs that users gave. It reaches only allowed addresses and follows no redirect."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import certifi
import httpcore

from relay.kit.outbound_addresses import AddressRefusedError, AddressResolver, PinnedBackend, Resolve
from relay.kit.outbound_rules import OutboundRules, OutboundTarget, is_target_allowed, parse_url

type OutboundFailure = Literal["address", "connection", "timeout", "tls", "redirect", "status", "answer"]

MAX_RESPONSE_BYTES = 64 * 1024
FIRST_SUCCESS, FIRST_REDIRECT, FIRST_ERROR = 200, 300, 400


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundTimeouts:
    """Seconds: to resolve the name, to connect, and for the whole request."""

    resolve: float = 5
    connect: float = 5
    total: float = 10


class OutboundError(Exception):
    """The URL couldn't be reached, or its response wasn't acceptable. The text is the class of failure only.

    `status` is the response's status, if there was a response.
    """

    def __init__(self, failure: OutboundFailure, *, status: int | None = None) -> None:
        super().__init__(failure)
        self.failure: OutboundFailure = failure
        self.status = status


class RequestWithdrawnError(Exception):
    """The request was withdrawn while its connection was being opened. Nothing was sent."""


type ConfirmRequest = Callable[[], Awaitable[bool]]
"""Returns whether a request is still to be sent. Called when the connection is open, before the first byte."""

_BEFORE_SENDING = "http11.send_request_headers.started"
"""The event of httpcore's `trace` extension that precedes the first byte of a request."""


class OutboundClient:
    """POSTs to URLs that users gave. Many tasks can use it at the same time."""

    def __init__(
        self,
        rules: OutboundRules | None = None,
        *,
        timeouts: OutboundTimeouts | None = None,
        resolve: Resolve | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self.rules = rules or OutboundRules()
        self._timeouts = timeouts or OutboundTimeouts()
        self._resolver = AddressResolver(self.rules, timeout=self._timeouts.resolve, resolve=resolve)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context or _load_tls_context(),
            max_connections=None,
            max_keepalive_connections=100,
            keepalive_expiry=15,
            network_backend=PinnedBackend(self._resolver),
        )

    async def aclose(self) -> None:
        """Close all connections and stop the resolver's threads."""
        await self._pool.aclose()
        self._resolver.close()

    async def check_url(self, url: str) -> OutboundTarget:
        """Parse a URL and check that it may be reached now. Raises MalformedUrlError, OutboundError `address`."""
        target = parse_url(url)
        try:
            await self._resolver.resolve_addresses(target)
        except AddressRefusedError:
            raise OutboundError("address") from None
        return target

    async def post(
        self, url: str, content: bytes, headers: Mapping[str, str], *, confirm: ConfirmRequest | None = None
    ) -> bytes:
        """POST and return the body of a 2xx response, at most 64 KiB. Raises OutboundError.

        Connecting can take seconds, so `confirm` is asked again when it is done: if it returns False, nothing is sent
        and RequestWithdrawnError is raised. No other error is raised, except those of `confirm`.
        """
        try:
            async with asyncio.timeout(self._timeouts.total):
                return await self._post(url, content, headers, confirm)
        except TimeoutError, httpcore.TimeoutException:
            raise OutboundError("timeout") from None
        except AddressRefusedError, ValueError:
            raise OutboundError("address") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise OutboundError("tls" if _is_tls_error(error) else "connection") from None

    async def _post(
        self, url: str, content: bytes, headers: Mapping[str, str], confirm: ConfirmRequest | None
    ) -> bytes:
        target = parse_url(url)
        if not is_target_allowed(target, self.rules):
            raise AddressRefusedError
        all_headers = {"Host": target.url.netloc.decode("ascii"), "Content-Length": str(len(content)), **headers}
        # No compression: 64 KiB of a compressed response could be of any size when unpacked.
        all_headers |= {"Accept-Encoding": "identity", "User-Agent": "evconduit"}
        request_url = httpcore.URL(
            scheme=target.scheme, host=target.url.raw_host, port=target.port, target=target.url.raw_path
        )
        extensions: dict[str, Any] = {"timeout": {"connect": self._timeouts.connect, "pool": self._timeouts.total}}
        if confirm is not None:
            extensions["trace"] = _create_confirming_trace(confirm)
        async with self._pool.stream(
            "POST", request_url, headers=list(all_headers.items()), content=content, extensions=extensions
        ) as response:
            return await _read_response(response)


@asynccontextmanager
async def open_outbound_client(rules: OutboundRules) -> AsyncIterator[OutboundClient]:
    """Open a client; its connections are closed at the end of the block."""
    client = OutboundClient(rules)
    try:
        yield client
    finally:
        await client.aclose()


def _create_confirming_trace(confirm: ConfirmRequest) -> Callable[[str, object], Awaitable[None]]:
    async def trace(event: str, _details: object) -> None:
        if event == _BEFORE_SENDING and not await confirm():
            raise RequestWithdrawnError

    return trace


async def _read_response(response: httpcore.Response) -> bytes:
    status = response.status
    if not FIRST_SUCCESS <= status < FIRST_REDIRECT:
        raise OutboundError("redirect" if FIRST_REDIRECT <= status < FIRST_ERROR else "status", status=status)
    body = b""
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise OutboundError("answer", status=status)
    return body


@cache
def _load_tls_context() -> ssl.SSLContext:
    """Trust certifi's certificate authorities and those that the machine's administrator added.

    Loaded once in a process, because it takes 20 ms.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def _is_tls_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
