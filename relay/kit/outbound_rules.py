"""Rules for which URLs and addresses the relay may send requests to. No I/O; outbound_addresses.py applies them.

The address that a name leads to decides. Hosts that only look like names (127.1, 0x7f.1) are rejected before.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

import httpx

from relay.kit.public_networks import is_allocated_ipv6, is_isatap

type IPAddress = IPv4Address | IPv6Address
type IPNetwork = IPv4Network | IPv6Network
type AddressKind = Literal["public", "private", "loopback", "never"]

MAX_URL_LENGTH = 2048
HTTPS_PORT = 443
FIRST_UNPRIVILEGED_PORT = 1024
DEFAULT_PORTS = {"http": 80, "https": HTTPS_PORT}
MAX_HOSTNAME_LENGTH = 253
MAX_PORT = 65535

_HOSTNAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
# As in the URL standard: a host whose last label is a number is an IPv4 address in some notation.
_ENDS_IN_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)", re.ASCII)

# The Supervisor trusts every add-on; the metadata services of clouds hand out credentials.
BLOCKED_HOSTNAMES = frozenset(
    {"supervisor", "hassio", "supervisor.local.hass.io", "metadata.google.internal", "metadata"}
)


def _parse_networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ip_network(text) for text in texts)


# IANA, "IPv4 Special-Purpose Address Registry": what is neither globally reachable nor private nor loopback, and
# "IPv4 Address Space Registry": multicast. Of IPv6, all networks that IANA hasn't allocated are blocked.
BLOCKED_NETWORKS = _parse_networks(
    "0.0.0.0/8",  # this host
    "169.254.0.0/16",  # link-local, and metadata of nearly every cloud
    "172.30.32.0/23",  # Home Assistant's Supervisor and its network
    "100.100.100.200/32",  # metadata at Alibaba
    "168.63.129.16/32",  # Azure's host, at an address that looks public
    "192.0.0.0/24",  # protocol assignments; Oracle's metadata
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relay anycast
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/3",  # multicast, reserved, broadcast
    "2001:db8::/32",  # documentation
    "fd00:ec2::/32",  # metadata at Amazon
    "fd20:ce::/64",  # metadata at Google
    "fd0c:ac1e:2100::/48",  # Home Assistant's Supervisor over IPv6
)
PRIVATE_NETWORKS = _parse_networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundRules:
    """What an operator allows. The defaults, for cloud mode, allow public addresses over https only.

    `allow_private` adds private networks and plain http. `allowed_hosts` and `allowed_networks` are the operator's
    exceptions: they may be loopback or private. No setting allows BLOCKED_HOSTNAMES or an address of kind `never`.
    `own_ports` are this relay's own ports, which are never allowed on this machine or in a private network.
    """

    allow_private: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    allowed_networks: tuple[IPNetwork, ...] = ()
    own_ports: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundTarget:
    """A parsed URL, not yet checked against the rules. `host` is lower-case ASCII without a final dot."""

    scheme: str
    host: str
    port: int
    url: httpx.URL

    @property
    def ip_literal(self) -> IPAddress | None:
        """The host as an address; None if it is a name."""
        return _parse_ip_literal(self.host)


class MalformedUrlError(ValueError):
    """The text isn't a URL that the relay can POST to. The message is a sentence for the user who entered it."""


def parse_allowlist(text: str) -> tuple[frozenset[str], tuple[IPNetwork, ...]]:
    """Parse a comma-separated list of hosts and networks. Raises ValueError with the number of an invalid entry."""
    hosts, networks = set(), []
    for number, entry in enumerate((part.strip().lower() for part in text.split(",")), start=1):
        if not entry:
            continue
        try:
            networks.append(ip_network(entry))
        except ValueError:
            if not is_hostname(entry):
                raise ValueError(
                    f"entry {number} is neither a host name such as ha.lan nor a network such as 127.0.0.0/8"
                ) from None
            hosts.add(entry)
    return frozenset(hosts), tuple(networks)


def parse_url(text: str) -> OutboundTarget:
    """Parse and validate a URL. Raises MalformedUrlError."""
    if len(text) > MAX_URL_LENGTH or re.search(r"[\s\\\x00-\x1f\x7f]", text):
        raise MalformedUrlError(
            f"The URL must not contain spaces or backslashes, or exceed {MAX_URL_LENGTH} characters."
        )
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii").lower().removesuffix(".")
        port = url.port
    except ValueError, httpx.InvalidURL:
        raise MalformedUrlError("The URL is not valid. Enter a full URL, for example https://ha.example.org.") from None
    if url.scheme not in DEFAULT_PORTS or not host:
        raise MalformedUrlError("The URL must start with https:// (or http:// in a home network) and a host.")
    if "@" in url.netloc.decode("ascii") or url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:
        raise MalformedUrlError("The URL must not contain a user name or password.")
    if url.fragment or "#" in text:
        raise MalformedUrlError("The URL must not contain a fragment (#…).")
    port = DEFAULT_PORTS[url.scheme] if port is None else port
    if not 0 < port <= MAX_PORT or (_parse_ip_literal(host) is None and not is_hostname(host)):
        raise MalformedUrlError("The URL's host must be a name or an IP address, and its port between 1 and 65535.")
    return OutboundTarget(scheme=url.scheme, host=host, port=port, url=url)


def is_hostname(host: str) -> bool:
    """Whether this is a host name in lower-case ASCII. False for 127.1, 0177.0.0.1 and 2130706433."""
    return len(host) <= MAX_HOSTNAME_LENGTH and bool(_HOSTNAME.fullmatch(host)) and not _ENDS_IN_NUMBER.fullmatch(host)


def is_target_allowed(target: OutboundTarget, rules: OutboundRules) -> bool:
    """Whether scheme, port and name are allowed. is_address_allowed() checks the addresses that the name leads to."""
    if target.host in BLOCKED_HOSTNAMES:
        return False
    if rules.allow_private:
        return True
    return target.scheme == "https" and (target.port == HTTPS_PORT or target.port >= FIRST_UNPRIVILEGED_PORT)


def is_address_allowed(address: IPAddress, target: OutboundTarget, rules: OutboundRules) -> bool:
    """Whether the relay may connect to this address, one of those that the target's host leads to."""
    kind = classify_address(address)
    if kind == "never" or (kind != "public" and target.port in rules.own_ports):
        return False
    if kind == "public" or (kind == "private" and rules.allow_private):
        return True
    return target.host in rules.allowed_hosts or _is_in_networks(unwrap_embedded_ipv4(address), rules.allowed_networks)


def classify_address(address: IPAddress) -> AddressKind:
    """Classify an address. `never`: link-local, multicast, cloud metadata, the Supervisor, everything reserved."""
    inner = unwrap_embedded_ipv4(address)
    if inner != address:
        # A provider's NAT64 gateway leads to public addresses; any other address behind one is an attempt to hide it.
        return classify_address(inner) if address not in NAT64 or classify_address(inner) == "public" else "never"
    if address.is_loopback:
        return "loopback"
    if _is_in_networks(address, BLOCKED_NETWORKS) or (isinstance(address, IPv6Address) and is_isatap(address)):
        return "never"
    if _is_in_networks(address, PRIVATE_NETWORKS):
        return "private"
    return "public" if isinstance(address, IPv4Address) or is_allocated_ipv6(address) else "never"


def unwrap_embedded_ipv4(address: IPAddress) -> IPAddress:
    """Return the IPv4 address inside an IPv4-mapped or NAT64 address; any other address unchanged."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else address


def _is_in_networks(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    return any(address in network for network in networks)


def _parse_ip_literal(host: str) -> IPAddress | None:
    try:
        return None if "%" in host else ip_address(host)  # a scope (fe80::1%eth0) only has a meaning on one machine
    except ValueError:
        return None
