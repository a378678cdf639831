"""Ports on 127.0.0.1: given ones are taken or refused, others are remembered or chosen free."""

import socket
from collections.abc import Container, Iterator, Mapping

from demo.world.errors import WorldError

HOST = "127.0.0.1"
PREFERRED = {"home-assistant": 18123, "relay": 18300, "simulator": 18400}


def choose_ports(given: Mapping[str, int | None], remembered: Mapping[str, int]) -> dict[str, int]:
    """A port for each server. Raises WorldError when a given one cannot be had; others move when they are taken."""
    chosen: dict[str, int] = {}
    for name in PREFERRED:
        port = given.get(name)
        if port is not None:
            _demand(name, port, chosen.values())
        chosen[name] = port or next(it for it in _candidates(name, remembered) if it not in chosen.values())
    return chosen


def _demand(name: str, port: int, others: Container[int]) -> None:
    if port in others:
        raise WorldError(f"port {port} is given twice: choose another --{name}-port")
    if not is_free(port):
        raise WorldError(f"port {port} for the {name} is taken by another program: stop it or give --{name}-port")


def _candidates(name: str, remembered: Mapping[str, int]) -> Iterator[int]:
    wished = [it for it in (remembered.get(name), PREFERRED[name]) if it is not None]
    yield from (port for port in wished if is_free(port))
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        yield port


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do, so that connections that linger after the last run do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
