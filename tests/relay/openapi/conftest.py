"""The manual's world: Ada, her car, and everything there is to ask after."""

import pytest

from tests.relay.api_docs.conftest import app, enode_with_a_car, world

__all__ = ["app", "world"]


@pytest.fixture
def enode():
    """One for each run: what is made up may well unlink the car."""
    with enode_with_a_car() as simulator:
        yield simulator


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long to look."""
    parser.addoption("--examples", default=8, type=int, help="calls of each operation that schemathesis makes up")
