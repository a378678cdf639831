"""Fixtures of the API documentation's examples, and the option for longer runs."""

import pytest

from tests.relay.api_docs.conftest import app, enode_with_a_car, world

__all__ = ["app", "world"]


@pytest.fixture
def enode():
    """A simulator for each test, because generated calls may unlink the car."""
    with enode_with_a_car() as simulator:
        yield simulator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--examples`."""
    parser.addoption("--examples", default=8, type=int, help="calls that schemathesis generates for each operation")
