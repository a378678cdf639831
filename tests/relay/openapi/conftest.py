"""The manual's world: Ada, her car, and everything there is to ask after."""

import pytest

from tests.relay.manual.conftest import app, enode, world

__all__ = ["app", "enode", "world"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long to look."""
    parser.addoption("--examples", default=8, type=int, help="calls of each operation that schemathesis makes up")
