"""Resolve the hosts of URLs that users gave, and connect only to addresses that the rules allow.

A name is resolved once, at the moment of connecting; every address that it leads to must be allowed, and one of those
is connected to. Whatever DNS answers a moment later, the address that was checked is the address that is reached (no
DNS rebinding). TLS and the Host header keep the name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import override

import httpcore

from relay.kit.outbound_rules import (
    IPAddress,
    OutboundRules,
    OutboundTarget,
    is_address_allowed,
    is_target_allowed,
    parse_url,
)

type Resolve = Callable[[str, int], Awaitable[Sequence[IPAddress]]]

RESOLVER_THREADS = 32
MAX_CONNECT_ATTEMPTS = 3


class AddressRefusedError(httpcore.ConnectError):
    """The rules forbid this address, or the name has none."""


class AddressResolver:
    """Resolves names and applies the rules to the result. `timeout` is in seconds."""

    def __init__(self, rules: OutboundRules, *, timeout: float, resolve: Resolve | None = None) -> None:
        self.rules = rules
        self._timeout = timeout
        # Not the event loop's own few threads: names that resolve slowly would block everything else.
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")
        self._resolve = resolve or self._resolve_with_system

    def close(self) -> None:
        """Stop the threads; lookups that haven't started are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def resolve_addresses(self, target: OutboundTarget) -> Sequence[IPAddress]:
        """Return the addresses of the target's host, all of them allowed. Raises AddressRefusedError."""
        if not is_target_allowed(target, self.rules):
            raise AddressRefusedError
        addresses = [target.ip_literal] if target.ip_literal is not None else await self._resolve_host(target)
        if not addresses or not all(is_address_allowed(address, target, self.rules) for address in addresses):
            raise AddressRefusedError
        if target.port in self.rules.own_ports and any(map(_is_local_address, addresses)):
            raise AddressRefusedError
        return addresses

    async def _resolve_host(self, target: OutboundTarget) -> Sequence[IPAddress]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._resolve(target.host, target.port)
        except TimeoutError, OSError, UnicodeError:
            return ()

    async def _resolve_with_system(self, host: str, port: int) -> Sequence[IPAddress]:
        def resolve() -> list[IPAddress]:
            results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # An address with a scope (fe80::1%eth0) is link-local, and ip_address() keeps the scope.
            return [ip_address(str(sockaddr[0])) for *_, sockaddr in results]

        return await asyncio.get_running_loop().run_in_executor(self._threads, resolve)


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Network backend of httpcore that connects to an address that was checked, never to a name."""

    def __init__(self, resolver: AddressResolver) -> None:
        self._resolver = resolver
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
        # The scheme was checked before and isn't known here; https passes in every mode.
        target = parse_url(f"https://{f'[{host}]' if ':' in host else host}:{port}")
        failure: Exception = AddressRefusedError()
        for address in (await self._resolver.resolve_addresses(target))[:MAX_CONNECT_ATTEMPTS]:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    @override
    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


def _is_local_address(address: IPAddress) -> bool:
    """Whether this machine has the address. Binds a UDP socket to it; no packet is sent."""
    with socket.socket(socket.AF_INET6 if ":" in str(address) else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
