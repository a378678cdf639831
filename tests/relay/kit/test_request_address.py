"""From which requests a relay without a public address builds links."""

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from relay.kit.request_address import find_local_origin


def make_request(host, scheme="http"):
    headers = [] if host is None else [(b"host", host.encode("latin-1", "replace"))]
    return Request(
        {"type": "http", "scheme": scheme, "path": "/", "query_string": b"", "headers": headers, "server": ("x", 1)}
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8300",
        "192.168.1.20:8300",
        "10.0.0.5",
        "100.64.1.1:80",
        "203.0.113.9:8300",
        "[::1]:8300",
        "[fd00::5]",
        "localhost:8300",
        "homeserver:8300",
        "a0d7b954-evconduit:8300",
        "relay.local:8300",
        "relay.home.arpa",
        "relay.localhost",
        "relay.my.internal:1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_host_that_only_this_network_resolves_is_used(host, scheme):
    assert find_local_origin(make_request(host, scheme)) == f"{scheme}://{host}"
    assert find_local_origin(make_request(host.upper(), scheme)) == f"{scheme}://{host}"


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "relay.example.org:8300",
        "192.168.1.20.evil.example",
        "evil.local.example",
        "evillocal.com",
        "xlocal.internal.example",
        "relay.local.",
        "relay.fritz.box",
        "relay.lan",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
        "[ff02::1]",
        "127.0.0.1:99999",
        "127.0.0.1:x",
        "127.1",
        "1.2.3.4.5",
        "2130706433",
        "127.0.0.1/path",
        "user@127.0.0.1",
        "127.0.0.1 evil.example",
        "127.0.0.1,evil.example",
        "127.0.0.1?x",
        "[::1",
        "[evil.local]",
        "::1",
        "relay..local",
        ".local",
        "rel\xe4y.local",
        'relay".local',
    ],
)
def test_host_that_a_stranger_can_register_or_that_is_no_host_is_not_used(host):
    assert find_local_origin(make_request(host)) is None


@given(st.text(st.characters(codec="latin-1")))
def test_any_host_gives_an_origin_of_plain_characters_or_none(host):
    origin = find_local_origin(make_request(host))
    assert origin is None or (origin.isascii() and not set(origin[7:]) & set("/\\@?#<>\"' "))
