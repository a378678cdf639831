"""Which addresses count as one client."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from relay.kit.client_network import get_client_network, get_request_network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("testclient", "testclient"),
        ("203.0.113.7:80", "203.0.113.7:80"),
    ],
)
def test_network_of_an_address(address, network):
    assert get_client_network(address) == network


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_two_ipv6_addresses_are_one_client_if_their_first_half_is_equal(one, other):
    def is_plain(address: IPv6Address) -> bool:
        return address.ipv4_mapped is None

    if is_plain(one) and is_plain(other):
        are_equal = one.exploded[:19] == other.exploded[:19]
        assert (get_client_network(str(one)) == get_client_network(str(other))) is are_equal


@pytest.mark.parametrize(("client", "network"), [(("2001:db8::1", 5), "2001:db8::/64"), (None, "")])
def test_network_of_a_request(client, network):
    assert get_request_network(HTTPConnection({"type": "http", "client": client, "headers": []})) == network
