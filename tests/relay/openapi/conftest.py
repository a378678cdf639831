"""The account that the examples of docs/api.md use."""

import pytest

from tests.relay.api_docs.conftest import account, app, run_enode_with_vehicle

__all__ = ["account", "app"]


@pytest.fixture
def enode():
    """One for each run: what is made up may well unlink the car."""
    with run_enode_with_vehicle() as simulator:
        yield simulator


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long to look."""
    parser.addoption("--examples", default=8, type=int, help="calls of each operation that schemathesis makes up")
