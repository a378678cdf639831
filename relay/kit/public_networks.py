"""The IPv6 networks that are in use on the public internet, by IANA's registries. IPv4 has no unallocated ones left.

A network that IANA allocates later must be added here: until then, nothing there is reached.
"""

from ipaddress import IPv6Address, IPv6Network

ALLOCATED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            # IANA, "IPv6 Global Unicast Address Assignments": all blocks with the status ALLOCATED, without 2001::/23
            # (protocol assignments, below) and 2002::/16 (6to4: each address leads to an IPv4 address).
            *("2001:200::/23", "2001:400::/23", "2001:600::/23", "2001:800::/22", "2001:c00::/23", "2001:e00::/23"),
            *("2001:1200::/23", "2001:1400::/22", "2001:1800::/23", "2001:1a00::/23", "2001:1c00::/22"),
            *("2001:2000::/19", "2001:4000::/23", "2001:4200::/23", "2001:4400::/23", "2001:4600::/23"),
            *("2001:4800::/23", "2001:4a00::/23", "2001:4c00::/23", "2001:5000::/20", "2001:8000::/19"),
            *("2001:a000::/20", "2001:b000::/20", "2003::/18", "2400::/12", "2410::/12", "2600::/12", "2610::/23"),
            *("2620::/23", "2630::/12", "2800::/12", "2a00::/12", "2a10::/12", "2c00::/12"),
            # IANA, "IPv6 Special-Purpose Address Registry": the blocks of 2001::/23 that are globally reachable. Not
            # the anycast addresses 2001:1::1 to 2001:1::3, which lead to services of the network that the relay is in.
            *("2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28"),
        ),
    )
)
_ISATAP_INTERFACE = 0x0000_5EFE
_UNIVERSAL_BIT = 0x0200_0000


def is_allocated_ipv6(address: IPv6Address) -> bool:
    """Whether the address is in a network that IANA has allocated."""
    return any(address in network for network in ALLOCATED_IPV6)


def is_isatap(address: IPv6Address) -> bool:
    """Whether a tunnel leads to the IPv4 address in the last 32 bits (RFC 5214, section 6.1), in whatever network."""
    return (int(address) >> 32) & 0xFFFF_FFFF & ~_UNIVERSAL_BIT == _ISATAP_INTERFACE
