"""Fixtures of the API documentation's examples, and the option for longer runs."""

import pytest

from tests.relay.api_docs.conftest import account, app, run_enode_with_vehicle

__all__ = ["account", "app"]


@pytest.fixture
def enode():
    """A simulator for each test, because generated calls may unlink the car."""
    with run_enode_with_vehicle() as simulator:
        yield simulator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--examples`."""
    parser.addoption("--examples", type=int, help="calls that schemathesis generates for each operation")
