"""The outbound guard against the tables of IANA's registries, row by row."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.kit.outbound_rules import classify_address
from relay.kit.public_networks import is_allocated_ipv6, is_isatap

# "IANA IPv4 Special-Purpose Address Registry" and "IANA IPv6 Special-Purpose Address Registry", with the column
# "Globally Reachable". Source: www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
SPECIAL = [
    ("0.0.0.0/8", False),  # RFC 791
    ("0.0.0.0/32", False),  # RFC 1122
    ("10.0.0.0/8", False),  # RFC 1918
    ("100.64.0.0/10", False),  # RFC 6598
    ("127.0.0.0/8", False),  # RFC 1122
    ("169.254.0.0/16", False),  # RFC 3927
    ("172.16.0.0/12", False),  # RFC 1918
    ("192.0.0.0/24", False),  # RFC 6890
    ("192.0.0.0/29", False),  # RFC 7335
    ("192.0.0.8/32", False),  # RFC 7600
    ("192.0.0.9/32", True),  # RFC 7723
    ("192.0.0.10/32", True),  # RFC 8155
    ("192.0.0.170/32", False),  # RFC 8880
    ("192.0.0.171/32", False),  # RFC 8880
    ("192.0.2.0/24", False),  # RFC 5737
    ("192.31.196.0/24", True),  # RFC 7535
    ("192.52.193.0/24", True),  # RFC 7450
    ("192.88.99.0/24", False),  # RFC 7526, deprecated
    ("192.88.99.2/32", False),  # RFC 6751
    ("192.168.0.0/16", False),  # RFC 1918
    ("192.175.48.0/24", True),  # RFC 7534
    ("198.18.0.0/15", False),  # RFC 2544
    ("198.51.100.0/24", False),  # RFC 5737
    ("203.0.113.0/24", False),  # RFC 5737
    ("240.0.0.0/4", False),  # RFC 1112
    ("255.255.255.255/32", False),  # RFC 8190
    ("::1/128", False),  # RFC 4291
    ("::/128", False),  # RFC 4291
    ("64:ff9b:1::/48", False),  # RFC 8215
    ("100::/64", False),  # RFC 6666
    ("100:0:0:1::/64", False),  # RFC 9780
    ("2001::/32", False),  # RFC 4380: not applicable
    ("2001:1::1/128", True),  # RFC 7723
    ("2001:1::2/128", True),  # RFC 8155
    ("2001:1::3/128", True),  # RFC 9665
    ("2001:2::/48", False),  # RFC 5180
    ("2001:3::/32", True),  # RFC 7450
    ("2001:4:112::/48", True),  # RFC 7535
    ("2001:10::/28", False),  # RFC 4843, deprecated
    ("2001:20::/28", True),  # RFC 7343
    ("2001:30::/28", True),  # RFC 9374
    ("2001:db8::/32", False),  # RFC 3849
    ("2002::/16", False),  # RFC 3056: not applicable
    ("2620:4f:8000::/48", True),  # RFC 7534
    ("3fff::/20", False),  # RFC 9637
    ("5f00::/16", False),  # RFC 9602
    ("fc00::/7", False),  # RFC 4193
    ("fe80::/10", False),  # RFC 4291
]
# ::ffff:0:0/96 and 64:ff9b::/96 hold IPv4 addresses: test_outbound_rules.py has tests of those.

ANYCAST = {"192.0.0.9/32", "192.0.0.10/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128"}
"""Refused although they are globally reachable: each leads to a service of the network that the relay is in."""

# "IANA IPv6 Global Unicast Address Assignments": www.iana.org/assignments/ipv6-unicast-address-assignments
ALLOCATED = [
    *("2001:200::/23", "2001:400::/23", "2001:600::/23", "2001:800::/22", "2001:c00::/23", "2001:e00::/23"),
    *("2001:1200::/23", "2001:1400::/22", "2001:1800::/23", "2001:1a00::/23", "2001:1c00::/22"),
    *("2001:2000::/19", "2001:4000::/23", "2001:4200::/23", "2001:4400::/23", "2001:4600::/23"),
    *("2001:4800::/23", "2001:4a00::/23", "2001:4c00::/23", "2001:5000::/20", "2001:8000::/19"),
    *("2001:a000::/20", "2001:b000::/20", "2003::/18", "2400::/12", "2410::/12", "2600::/12", "2610::/23"),
    *("2620::/23", "2630::/12", "2800::/12", "2a00::/12", "2a10::/12", "2c00::/12"),
]
RESERVED = ["2d00::/8", "2e00::/7", "3000::/4", "3ffe::/16", "5f00::/8"]
# "Internet Protocol Version 6 Address Space", RFC 4291: www.iana.org/assignments/ipv6-address-space
NOT_UNICAST = [
    *("::/8", "100::/8", "200::/7", "400::/6", "800::/5", "1000::/4", "4000::/3", "6000::/3", "8000::/3"),
    *("a000::/3", "c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9", "fe80::/10", "fec0::/10"),
    *("ff00::/8",),
]
UNALLOCATED = [
    "2000::/16",
    "2004::/16",
    "2001:1000::/23",
    "2003:4000::/18",
    "2200::/7",
    "2420::/11",
    "2640::/10",
    "2c10::/12",
]
# "IANA IPv4 Address Space Registry": www.iana.org/assignments/ipv4-address-space. 192/8 starts with a special block.
IPV4_UNICAST = [f"{number}.0.0.0/8" for number in range(1, 224) if number not in {10, 127, 192}]
IPV4_RESERVED = [f"{number}.0.0.0/8" for number in (0, *range(224, 256))]


def get_samples(network):
    """The first, the second and the last address of a network."""
    parsed = ip_network(network)
    return sorted({parsed[0], parsed[min(1, parsed.num_addresses - 1)], parsed[-1]})


@pytest.mark.parametrize(("network", "is_reachable"), SPECIAL)
def test_special_block_is_public_if_the_registry_calls_it_globally_reachable(network, is_reachable):
    expected = is_reachable and network not in ANYCAST
    assert {classify_address(address) == "public" for address in get_samples(network)} == {expected}


@pytest.mark.parametrize("network", [*ALLOCATED, *IPV4_UNICAST])
def test_allocated_network_is_public(network):
    assert {classify_address(address) for address in get_samples(network)} == {"public"}


@pytest.mark.parametrize("network", [*RESERVED, *UNALLOCATED, *NOT_UNICAST, *IPV4_RESERVED])
def test_network_that_nobody_has_been_given_is_not_public(network):
    for address in get_samples(network):
        assert classify_address(address) in {"never", "loopback"}, address


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_ipv6_address_outside_of_global_unicast_is_not_allocated(address):
    if address not in ip_network("2000::/3"):
        assert not is_allocated_ipv6(address)


@pytest.mark.parametrize("prefix", ["2001:4860:1:2", "2606:4700:0:0", "fd12:3456:0:1", "fe80:0:0:0"])
@pytest.mark.parametrize("interface", ["0:5efe", "200:5efe"])
def test_isatap_is_never_reached_in_whatever_network_and_whatever_it_leads_to(prefix, interface):
    """RFC 5214, section 6.1: the last 32 bits are an IPv4 address, with 0:5efe or 200:5efe before them."""
    for inner in ("7f00:1", "a00:1", "a9fe:a9fe", "808:808"):
        assert classify_address(ip_address(f"{prefix}:{interface}:{inner}")) == "never"


@pytest.mark.parametrize("interface", ["1:5efe", "0:5eff", "100:5efe", "202:5efe", "8200:5efe"])
def test_address_that_only_resembles_isatap_is_public(interface):
    address = ip_address(f"2606:4700:0:0:{interface}:7f00:1")
    assert not is_isatap(address)
    assert classify_address(address) == "public"


@given(st.ip_addresses(v=4))
def test_siit_address_is_never_reached(inner):
    """RFC 2765, section 2.1: IPv4-translated addresses."""
    assert classify_address(ip_address(int(ip_address("::ffff:0:0:0")) | int(inner))) == "never"
