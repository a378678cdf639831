"""The one client for addresses that users gave: it reaches only what the rules allow, and follows nobody anywhere.

The name is resolved once, at the moment of connecting; every answer must be allowed, and one of those is connected to.
So what was judged is what is reached, whatever DNS says a moment later. TLS and the Host header keep the name.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, override

import certifi
import httpcore

from relay.kit.outbound_rules import (
    IPAddress,
    OutboundRules,
    OutboundTarget,
    is_address_allowed,
    is_target_allowed,
    parse_url,
)

type OutboundFailure = Literal["address", "connection", "timeout", "tls", "redirect", "status", "answer"]
type Resolver = Callable[[str, int], Awaitable[Sequence[IPAddress]]]

MAX_RESPONSE_BYTES = 64 * 1024
RESOLVER_THREADS = 32
MAX_CONNECT_ATTEMPTS = 3
FIRST_SUCCESS, FIRST_REDIRECT, FIRST_ERROR = 200, 300, 400


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundTimeouts:
    """Seconds: for finding the address, for connecting to it, and for everything together."""

    resolve: float = 5
    connect: float = 5
    total: float = 10


class OutboundError(Exception):
    """It could not be reached or did not answer well. Nothing is told but the class of failure.

    `status` is there when there was an answer with one.
    """

    def __init__(self, failure: OutboundFailure, *, status: int | None = None) -> None:
        super().__init__(failure)
        self.failure: OutboundFailure = failure
        self.status = status


class AddressRefusedError(httpcore.ConnectError):
    """The rules forbid this address, or there is none."""


class OutboundClient:
    """POSTs to addresses that users gave. Safe to use from many tasks at once."""

    def __init__(
        self,
        rules: OutboundRules | None = None,
        *,
        timeouts: OutboundTimeouts | None = None,
        resolve: Resolver | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self.rules = rules or OutboundRules()
        self._timeouts = timeouts or OutboundTimeouts()
        # Not the event loop's own few threads: names that resolve slowly must not hold up everything else.
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")
        self._resolve = resolve or self._resolve_with_system
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context or _create_tls_context(),
            max_connections=None,
            max_keepalive_connections=100,
            keepalive_expiry=15,
            network_backend=_PinnedBackend(self),
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._pool.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check_url(self, url: str) -> OutboundTarget:
        """The URL taken apart, if it may be reached as of now. Raises MalformedUrlError, OutboundError `address`."""
        target = parse_url(url)
        try:
            await self.resolve_addresses(target)
        except AddressRefusedError:
            raise OutboundError("address") from None
        return target

    async def resolve_addresses(self, target: OutboundTarget) -> Sequence[IPAddress]:
        """Where the target's host leads, all of it allowed. Raises RefusedError."""
        if not is_target_allowed(target, self.rules):
            raise AddressRefusedError
        found = [target.ip_literal] if target.ip_literal is not None else await self._resolve_host(target)
        if not found or not all(is_address_allowed(it, target, self.rules) for it in found):
            raise AddressRefusedError
        if target.port in self.rules.own_ports and any(map(_is_local_address, found)):
            raise AddressRefusedError
        return found

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        """POST and return the body of a 2xx answer, at most 64 KiB. Raises OutboundError, nothing else of its own."""
        try:
            async with asyncio.timeout(self._timeouts.total):
                return await self._post(url, content, headers)
        except TimeoutError, httpcore.TimeoutException:
            raise OutboundError("timeout") from None
        except AddressRefusedError, ValueError:
            raise OutboundError("address") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise OutboundError("tls" if _is_tls_error(error) else "connection") from None

    async def _post(self, url: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        target = parse_url(url)
        if not is_target_allowed(target, self.rules):
            raise AddressRefusedError
        sent = {"Host": target.url.netloc.decode("ascii"), "Content-Length": str(len(content)), **headers}
        # Compressed answers are not asked for: 64 KiB of them could be anything when unpacked.
        sent |= {"Accept-Encoding": "identity", "User-Agent": "evconduit"}
        origin = httpcore.URL(
            scheme=target.scheme, host=target.url.raw_host, port=target.port, target=target.url.raw_path
        )
        seconds = {"connect": self._timeouts.connect, "pool": self._timeouts.total}
        async with self._pool.stream(
            "POST", origin, headers=list(sent.items()), content=content, extensions={"timeout": seconds}
        ) as response:
            status = response.status
            if not FIRST_SUCCESS <= status < FIRST_REDIRECT:
                raise OutboundError("redirect" if FIRST_REDIRECT <= status < FIRST_ERROR else "status", status=status)
            body = b""
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise OutboundError("answer", status=status)
            return body

    async def _resolve_host(self, target: OutboundTarget) -> Sequence[IPAddress]:
        try:
            async with asyncio.timeout(self._timeouts.resolve):
                return await self._resolve(target.host, target.port)
        except TimeoutError, OSError, UnicodeError:
            return ()

    async def _resolve_with_system(self, host: str, port: int) -> Sequence[IPAddress]:
        def resolve() -> list[IPAddress]:
            # With a scope (fe80::1%eth0) it is link-local, and ip_address() keeps it so.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [ip_address(str(sockaddr[0])) for *_, sockaddr in found]

        return await asyncio.get_running_loop().run_in_executor(self._threads, resolve)


@asynccontextmanager
async def open_outbound_client(rules: OutboundRules) -> AsyncIterator[OutboundClient]:
    """A client whose connections are closed at the end."""
    outbound = OutboundClient(rules)
    try:
        yield outbound
    finally:
        await outbound.aclose()


class _PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to an address that was judged, never to a name."""

    def __init__(self, outbound: OutboundClient) -> None:
        self._outbound = outbound
        self._backend = httpcore.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        # The scheme was judged before; here only whether the address may be reached.
        target = parse_url(f"https://{f'[{host}]' if ':' in host else host}:{port}")
        failure: Exception = AddressRefusedError()
        for address in (await self._outbound.resolve_addresses(target))[:MAX_CONNECT_ATTEMPTS]:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    @override
    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


def _create_tls_context() -> ssl.SSLContext:
    """The certificates of the world, and those that the machine's owner added."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def _is_tls_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_local_address(address: IPAddress) -> bool:
    """Whether this machine has the address. No packet leaves."""
    with socket.socket(socket.AF_INET6 if ":" in str(address) else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
