"""The address at which a client reaches the relay, from its request, for relays without a public address."""

import ipaddress
import re
from functools import lru_cache

from fastapi import Request

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
# Nobody can register a name below these: RFC 6762 (local), 8375 (home.arpa), 6761 (localhost), and the reservation of
# `internal` for private use by ICANN's board (2024-07-29).
_PRIVATE_SUFFIXES = (".local", ".home.arpa", ".localhost", ".internal")
MAX_PORT = 65_535
MAX_KNOWN_HOSTS = 64
"""Every request asks, and a relay has a few names. Clients may send any number of others."""


def find_local_origin(request: Request) -> str | None:
    """Return the scheme and host of the request, if a link may be built from them; None otherwise.

    Only for a host that no stranger can point to a machine in somebody's home (DNS rebinding): an IP address, a name
    without a dot, or one of the private domains.
    """
    host = request.headers.get("host", "").lower()
    return f"{request.scope['scheme']}://{host}" if _is_local_host(host) else None


@lru_cache(maxsize=MAX_KNOWN_HOSTS)
def _is_local_host(host: str) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and int(match["port"] or 0) <= MAX_PORT and _is_local_name(match["name"])


def _is_local_name(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        # A name whose last part is a number would be read as an address by browsers.
        return name[0] != "[" and not name.rpartition(".")[2].isdigit() and _is_private_name(name)
    return not (address.is_unspecified or address.is_multicast)


def _is_private_name(name: str) -> bool:
    return "." not in name or name.endswith(_PRIVATE_SUFFIXES)
