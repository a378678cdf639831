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
    "text",
    [
        "",
        "relay.example",
        "localhost:8300",
        "ftp://relay.example",
        "https://",
        "https://user:secret@relay.example",
        "https://user@relay.example",
        "https://:secret@relay.example",
        "https://relay.example/?key=1",
        "https://relay.example/#top",
        "http://relay.example:99999",
        "http://relay.example:port",
        "http://relay.example:0",
        "http://[::1",
    ],
)
def test_parse_relay_url_rejects(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_relay_url(text)
