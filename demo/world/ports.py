"""Choose ports on 127.0.0.1: requested ones must be free, others default to remembered or free ones."""

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from demo.world.errors import UserFixableError

HOST = "127.0.0.1"
PREFERRED_PORTS = {"home-assistant": 18123, "relay": 18300, "simulator": 18400}


def choose_ports(
    requested: Mapping[str, int | None], remembered: Mapping[str, int], claims: ExitStack
) -> dict[str, int]:
    """Choose a port for each server. Raises UserFixableError if a requested one is not free.

    The ports are reserved against other demos until `claims` is closed.
    """
    chosen: dict[str, int] = {}
    for name in sorted(PREFERRED_PORTS, key=lambda name: requested.get(name) is None):  # requested ports first
        port = requested.get(name)
        if port is None:
            port = next(candidate for candidate in _list_candidates(name, remembered) if _claim_port(candidate, claims))
        elif port in chosen.values():
            raise UserFixableError(f"port {port} is used twice: choose another --{name}-port")
        elif not _claim_port(port, claims):
            raise UserFixableError(
                f"port {port} for the {name} is in use by another program: stop it or choose another --{name}-port"
            )
        chosen[name] = port
    return chosen


def _list_candidates(name: str, remembered: Mapping[str, int]) -> Iterator[int]:
    if name in remembered:
        yield remembered[name]
    yield PREFERRED_PORTS[name]
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        yield port


def _claim_port(port: int, claims: ExitStack) -> bool:
    """Reserve a free port against other demos, by binding a socket name before the server listens.

    The name is in Linux's abstract namespace: it needs no file and disappears with this process.
    """
    if not is_port_free(port):
        return False
    if sys.platform == "linux":
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0evconduit-demo-{port}")
        except OSError:
            claim.close()
            return False
        claims.enter_context(claim)
    return True


def is_port_free(port: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket() as probe:
        # As servers do, so that connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
