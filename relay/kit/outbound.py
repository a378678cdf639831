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

from relay.kit.addresses import Address, OutboundRules, Target, may_name, may_reach, read_url

type Failure = Literal["address", "connection", "timeout", "tls", "redirect", "status", "answer"]
type Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

ANSWER_LIMIT = 64 * 1024
RESOLVERS = 32
TRIED_ADDRESSES = 3
FIRST_SUCCESS, FIRST_REDIRECT, FIRST_ERROR = 200, 300, 400


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundTimes:
    """Seconds: for finding the address, for connecting to it, and for everything together."""

    resolve: float = 5
    connect: float = 5
    whole: float = 10


class OutboundError(Exception):
    """It could not be reached or did not answer well. Nothing is told but the class of failure.

    `status` is there when there was an answer with one.
    """

    def __init__(self, failure: Failure, *, status: int | None = None) -> None:
        super().__init__(failure)
        self.failure: Failure = failure
        self.status = status


class RefusedError(httpcore.ConnectError):
    """The rules forbid this address, or there is none."""


class Outbound:
    """POSTs to addresses that users gave. Safe to use from many tasks at once."""

    def __init__(
        self,
        rules: OutboundRules | None = None,
        *,
        times: OutboundTimes | None = None,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.rules = rules or OutboundRules()
        self._times = times or OutboundTimes()
        # Not the event loop's own few threads: names that resolve slowly must not hold up everything else.
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        self._resolve = resolve or self._ask_system
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or _trusted(),
            max_connections=None,
            max_keepalive_connections=100,
            keepalive_expiry=15,
            network_backend=_Pinned(self),
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._pool.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, url: str) -> Target:
        """The URL taken apart, if it may be reached as of now. Raises MalformedUrlError, OutboundError `address`."""
        target = read_url(url)
        try:
            await self.addresses(target)
        except RefusedError:
            raise OutboundError("address") from None
        return target

    async def addresses(self, target: Target) -> Sequence[Address]:
        """Where the target's host leads, all of it allowed. Raises RefusedError."""
        if not may_name(target, self.rules):
            raise RefusedError
        found = [target.literal] if target.literal is not None else await self._look_up(target)
        if not found or not all(may_reach(it, target, self.rules) for it in found):
            raise RefusedError
        if target.port in self.rules.own_ports and any(map(_is_here, found)):
            raise RefusedError
        return found

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        """POST and return the body of a 2xx answer, at most 64 KiB. Raises OutboundError, nothing else of its own."""
        try:
            async with asyncio.timeout(self._times.whole):
                return await self._post(url, content, headers)
        except TimeoutError, httpcore.TimeoutException:
            raise OutboundError("timeout") from None
        except RefusedError, ValueError:
            raise OutboundError("address") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise OutboundError("tls" if _is_tls(error) else "connection") from None

    async def _post(self, url: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        target = read_url(url)
        if not may_name(target, self.rules):
            raise RefusedError
        sent = {"Host": target.url.netloc.decode("ascii"), "Content-Length": str(len(content)), **headers}
        # Compressed answers are not asked for: 64 KiB of them could be anything when unpacked.
        sent |= {"Accept-Encoding": "identity", "User-Agent": "evconduit"}
        origin = httpcore.URL(
            scheme=target.scheme, host=target.url.raw_host, port=target.port, target=target.url.raw_path
        )
        seconds = {"connect": self._times.connect, "pool": self._times.whole}
        async with self._pool.stream(
            "POST", origin, headers=list(sent.items()), content=content, extensions={"timeout": seconds}
        ) as response:
            status = response.status
            if not FIRST_SUCCESS <= status < FIRST_REDIRECT:
                raise OutboundError("redirect" if FIRST_REDIRECT <= status < FIRST_ERROR else "status", status=status)
            body = b""
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    raise OutboundError("answer", status=status)
            return body

    async def _look_up(self, target: Target) -> Sequence[Address]:
        try:
            async with asyncio.timeout(self._times.resolve):
                return await self._resolve(target.host, target.port)
        except TimeoutError, OSError, UnicodeError:
            return ()

    async def _ask_system(self, host: str, port: int) -> Sequence[Address]:
        def ask() -> list[Address]:
            # With a scope (fe80::1%eth0) it is link-local, and ip_address() keeps it so.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [ip_address(str(sockaddr[0])) for *_, sockaddr in found]

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


@asynccontextmanager
async def open_outbound(rules: OutboundRules) -> AsyncIterator[Outbound]:
    """A client whose connections are closed at the end."""
    outbound = Outbound(rules)
    try:
        yield outbound
    finally:
        await outbound.aclose()


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to an address that was judged, never to a name."""

    def __init__(self, outbound: Outbound) -> None:
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
        target = read_url(f"https://{f'[{host}]' if ':' in host else host}:{port}")
        failure: Exception = RefusedError()
        for address in (await self._outbound.addresses(target))[:TRIED_ADDRESSES]:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    @override
    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


def _trusted() -> ssl.SSLContext:
    """The certificates of the world, and those that the machine's owner added."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_here(address: Address) -> bool:
    """Whether this machine has the address. No packet leaves."""
    with socket.socket(socket.AF_INET6 if ":" in str(address) else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
