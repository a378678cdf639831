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
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_given_port_that_is_taken_is_refused_by_name(busy, claims):
    with pytest.raises(
        UserFixableError, match=f"port {busy} for the relay is taken by another program: .*--relay-port"
    ):
        choose_ports({"relay": busy}, {}, claims)


def test_a_port_given_twice_is_refused(free, claims):
    with pytest.raises(UserFixableError, match=f"port {free} is given twice"):
        choose_ports({"home-assistant": free, "simulator": free}, {}, claims)


def test_given_ports_are_taken(free, claims):
    assert choose_ports({"simulator": free}, {}, claims)["simulator"] == free


def test_remembered_ports_are_taken_again(free, claims):
    assert choose_ports({}, {"relay": free}, claims)["relay"] == free


def test_a_remembered_port_that_is_taken_moves(busy, claims):
    port = choose_ports({}, {"relay": busy}, claims)["relay"]
    assert port != busy
    assert is_port_free(port)


def test_a_given_port_is_not_handed_out_again(free, claims):
    ports = choose_ports({"home-assistant": free}, {"relay": free}, claims)
    assert len(set(ports.values())) == len(PREFERRED_PORTS)


def test_a_port_on_which_only_old_connections_linger_is_free():
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        connection, _ = server.accept()
        connection.close()  # the server's side closes first and lingers in TIME_WAIT
        client.close()
    assert is_port_free(port)


def test_two_demos_that_start_together_get_different_ports(claims):
    first = choose_ports({}, {}, claims)
    with ExitStack() as others:
        second = choose_ports({}, {}, others)
        assert not set(first.values()) & set(second.values())
    assert choose_ports({}, second, claims) == second  # what the other demo had is free again
