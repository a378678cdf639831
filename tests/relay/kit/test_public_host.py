"""Hosts in one spelling, and redirects that repeat no host."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.kit.public_host import build_location, is_loopback_host, normalize_host, parse_trusted_hosts


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("relay.example.org", "relay.example.org"),
        ("Relay.Example.ORG.", "relay.example.org"),
        ("relay.example.org:8300", "relay.example.org"),
        ("192.168.1.20:80", "192.168.1.20"),
        ("[FD00::1]:8300", "fd00::1"),
        ("[fd00:0:0::1]", "fd00::1"),
        ("fd00::1", "fd00::1"),
        ("localhost:8300", "localhost"),
        ("", None),
        (":8300", None),
        ("relay.example.org:port", None),
        ("relay.example.org:99999", None),
        ("relay.example.org/path", None),
        ("user@relay.example.org", None),
        ("relay.example.org evil.example", None),
        ("127.1", None),
        ("relay.example.org\\@evil.example", None),
        ("[fd00::1", None),
    ],
)
def test_host_header_is_normalized(text, host):
    assert normalize_host(text) == host


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("relay.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("192.168.1.20", False),
        ("localhost.example.org", False),
        ("notlocalhost", False),
    ],
)
def test_loopback_hosts(host, is_loopback):
    assert is_loopback_host(host) is is_loopback


def test_trusted_hosts_are_parsed_and_a_wrong_entry_is_numbered():
    assert parse_trusted_hosts(" Relay.lan, 192.168.1.20 ,,[fd00::1],fd00::2") == {
        *("relay.lan", "192.168.1.20", "fd00::1", "fd00::2")
    }
    assert parse_trusted_hosts("") == frozenset()
    for text in ("a.lan,https://b.lan", "a.lan,b.lan:8300", "a.lan,b lan", "a.lan,*", "a.lan,b.lan/"):
        with pytest.raises(ValueError, match=r"^entry 2 is neither a host name such as"):
            parse_trusted_hosts(text)


@given(st.text(max_size=40), st.binary(max_size=20))
def test_location_leads_to_the_same_origin_whatever_the_path_is(path, query):
    location = build_location(path, query.replace(b"#", b""))
    assert location.isascii() or not query.isascii()
    assert urlsplit(urljoin("https://relay.example.org/x", location)).netloc == "relay.example.org"


def test_location_keeps_the_path_and_the_query():
    assert build_location("/a b/c%2Fd", b"x=1&y=%20") == "/a%20b/c%252Fd?x=1&y=%20"
    assert build_location("//evil.example", b"") == "/evil.example"
