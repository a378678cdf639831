"""This machine's address in its network, and what operators read about it."""

import socket
from contextlib import suppress

# Reserved for documentation (RFC 5737), so no machine has it. Connecting a UDP socket sends nothing.
_ELSEWHERE = ("192.0.2.1", 9)
_EXAMPLE_ADDRESS = "192.168.1.20"


def find_own_address() -> str:
    """Return this machine's address in its network; an example of one if it has no network."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        return str(probe.getsockname()[0])
    return _EXAMPLE_ADDRESS


def describe_loopback_links(base_url: str) -> str:
    """Say what doesn't work while other machines can reach the relay, but it has no public address."""
    return f"EVCONDUIT_PUBLIC_URL isn't set: printed links start with {base_url} and open on this machine only."


def describe_public_url(port: int) -> str:
    """Say how to set the public address."""
    return (
        "set EVCONDUIT_PUBLIC_URL to the address that browsers and Home Assistant use, for example "
        f"http://{find_own_address()}:{port}"
    )
