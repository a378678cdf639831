"""The address of a relay, as a user types it."""

import pytest

from custom_components.evconduit.client import parse_relay_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://backend.evconduit.com", "https://backend.evconduit.com"),
        ("  https://Relay.Example/  ", "https://relay.example"),
        ("https://relay.example:443", "https://relay.example"),
        ("http://relay.local:8300/", "http://relay.local:8300"),
        ("http://[::1]:8300", "http://[::1]:8300"),
        ("https://home.example/evconduit/", "https://home.example/evconduit"),
        ("https://home.example/a/b//", "https://home.example/a/b"),
        ("https://home.example/HOMEX/", "https://home.example/HOMEX"),
        ("https://home.example/a%20", "https://home.example/a%20"),
        ("http://relay.example:80", "http://relay.example"),
        ("http://relay.example:443", "http://relay.example:443"),
        ("https://relay.example:80/", "https://relay.example:80"),
        ("http://relay.example:1", "http://relay.example:1"),
        ("http://relay.example:65535", "http://relay.example:65535"),
        ("HTTP://relay.example", "http://relay.example"),
        ("http://192.168.1.20:8300", "http://192.168.1.20:8300"),
    ],
)
def test_parse_relay_url_normalizes(text, expected):
    assert parse_relay_url(text) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "not an HTTP URL"),
        ("relay.example", "not an HTTP URL"),
        ("localhost:8300", "not an HTTP URL"),
        ("ftp://relay.example", "not an HTTP URL"),
        ("/relay", "not an HTTP URL"),
        ("https://user:secret@relay.example", "the URL has credentials, a query or a fragment"),
        ("https://user@relay.example", "the URL has credentials, a query or a fragment"),
        ("https://:secret@relay.example", "the URL has credentials, a query or a fragment"),
        ("https://relay.example/?key=1", "the URL has credentials, a query or a fragment"),
        ("https://relay.example/#top", "the URL has credentials, a query or a fragment"),
        ("http://relay.example:0", "invalid port"),
        # Rejected by the library that parses URLs.
        ("https://", ".+"),
        ("http://relay.example:99999", ".+"),
        ("http://relay.example:port", ".+"),
        ("http://[::1", ".+"),
    ],
)
def test_parse_relay_url_rejects(text: str, error: str):
    with pytest.raises(ValueError, match=f"^{error}$"):
        parse_relay_url(text)
