"""Announce this relay on the local network (DNS-SD over multicast DNS, RFC 6763), so that Home Assistant finds it."""

import asyncio
import logging
import socket
from collections.abc import Callable
from ipaddress import ip_address

import ifaddr
from zeroconf import NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

log = logging.getLogger(__name__)

SERVICE_TYPE = "_evconduit._tcp.local."
CHECK_INTERVAL_SECONDS = 60.0
"""How often the addresses of the machine are read. A router can assign another one at any time."""
MAX_HOST_LENGTH = 40
"""Characters of the machine's name: a DNS label has at most 63, with the rest of the service's name."""


def list_addresses(host: str) -> list[str]:
    """The addresses at which other machines reach a server that listens on `host`, without loopback and link-local."""
    try:
        bound = ip_address(host)
    except ValueError:
        bound = None
    if bound is not None and not bound.is_unspecified:
        return [] if bound.is_loopback else [host]
    if bound is None and host:
        return []  # a name, which can mean any address
    addresses = [str(ip.ip if ip.is_IPv4 else ip.ip[0]) for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    parsed = [ip_address(address) for address in addresses]
    usable = [address for address in parsed if not (address.is_loopback or address.is_link_local)]
    is_ipv6 = bound is not None and bound.version == 6  # noqa: PLR2004 - the version of the protocol
    return sorted(str(address) for address in usable if is_ipv6 or address.version == 4)  # noqa: PLR2004 - as above


def build_service(instance_id: str, version: str, port: int, addresses: list[str]) -> AsyncServiceInfo:
    """Build the announcement. Its host name is the relay's own, so that it can't conflict with the machine's."""
    name = socket.gethostname().partition(".")[0][:MAX_HOST_LENGTH] or "relay"
    return AsyncServiceInfo(
        SERVICE_TYPE,
        f"EVConduit on {name}.{SERVICE_TYPE}",
        port=port,
        properties={"instance_id": instance_id, "version": version, "scheme": "http"},
        server=f"evconduit-{instance_id[:8]}.local.",
        parsed_addresses=addresses,
    )


class Announcer:
    """Keeps the announcement up to date. Without multicast, it logs that once and does nothing else."""

    def __init__(
        self,
        build: Callable[[list[str]], AsyncServiceInfo],
        find_addresses: Callable[[], list[str]],
        *,
        open_zeroconf: Callable[[], AsyncZeroconf] = AsyncZeroconf,
    ) -> None:
        self._build = build
        self._find_addresses = find_addresses
        self._open_zeroconf = open_zeroconf

    async def run(self) -> None:
        """Announce until cancelled, then withdraw the announcement."""
        while True:
            addresses = await asyncio.to_thread(self._find_addresses)
            if addresses:
                await self._announce(addresses)
            else:
                await asyncio.sleep(CHECK_INTERVAL_SECONDS)

    async def _announce(self, addresses: list[str]) -> None:
        """Announce until the addresses change."""
        try:
            zeroconf = self._open_zeroconf()
        except OSError as error:
            log.warning("not announced on the local network: no multicast error=%s", error.strerror)
            await asyncio.Event().wait()
            return
        try:
            await zeroconf.async_register_service(self._build(addresses), allow_name_change=True)
            log.info("announced on the local network type=%s addresses=%s", SERVICE_TYPE, ",".join(addresses))
            while True:
                await asyncio.sleep(CHECK_INTERVAL_SECONDS)
                if await asyncio.to_thread(self._find_addresses) != addresses:
                    return
        except NonUniqueNameException, OSError:
            log.warning("not announced on the local network: another relay uses the same host name")
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)
        finally:
            await zeroconf.async_close()
