"""The network of a client: what limits count as one client."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import HTTPConnection

SUBNET_BITS = 64
"""A customer gets at least this IPv6 network (RFC 6177) and chooses any address in it, so all of it counts as one."""


@lru_cache(maxsize=4096)
def get_client_network(address: str) -> str:
    """Return the IPv4 address, or the /64 network of an IPv6 address; any other text unchanged."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    host_bits = parsed.max_prefixlen - SUBNET_BITS
    return f"{IPv6Address(int(parsed) >> host_bits << host_bits)}/{SUBNET_BITS}"


def get_request_network(connection: HTTPConnection) -> str:
    """Return the network of the client of a request; empty if unknown. uvicorn has resolved trusted proxies."""
    return get_client_network(connection.client.host) if connection.client else ""
