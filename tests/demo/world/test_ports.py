import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from demo.world.errors import UserFixableError
from demo.world.ports import HOST, PREFERRED_PORTS, choose_ports, is_port_free


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def claims() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def free() -> int:
    """A free port below those that the kernel chooses for other programs."""
    first = 20_000 + os.getpid() % 10_000
    return next(port for port in range(first, first + 1000) if is_port_free(port))


def test_busy_requested_port_is_refused(busy, claims):
    with pytest.raises(
        UserFixableError, match=f"port {busy} for the relay is in use by another program: .*--relay-port"
    ):
        choose_ports({"relay": busy}, {}, claims)


def test_port_requested_twice_is_refused(free, claims):
    with pytest.raises(UserFixableError, match=f"port {free} is used twice"):
        choose_ports({"home-assistant": free, "simulator": free}, {}, claims)


def test_requested_port_is_used(free, claims):
    assert choose_ports({"simulator": free}, {}, claims)["simulator"] == free


def test_remembered_port_is_reused(free, claims):
    assert choose_ports({}, {"relay": free}, claims)["relay"] == free


def test_busy_remembered_port_is_replaced(busy, claims):
    port = choose_ports({}, {"relay": busy}, claims)["relay"]
    assert port != busy
    assert is_port_free(port)


def test_requested_port_is_not_chosen_for_another_server(free, claims):
    ports = choose_ports({"home-assistant": free}, {"relay": free}, claims)
    assert len(set(ports.values())) == len(PREFERRED_PORTS)


def test_port_with_connections_in_time_wait_is_free():
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        connection, _ = server.accept()
        connection.close()  # the server's side closes first and stays in TIME_WAIT
        client.close()
    assert is_port_free(port)


def test_concurrent_demos_get_different_ports(claims):
    first = choose_ports({}, {}, claims)
    with ExitStack() as others:
        second = choose_ports({}, {}, others)
        assert not set(first.values()) & set(second.values())
    assert choose_ports({}, second, claims) == second  # the other demo's ports are free again
