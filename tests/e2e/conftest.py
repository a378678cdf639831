"""Fixtures: a simulated Enode, and relays, as separate processes.

Most relays use databases on one server of the test session (DATABASE_URL). A relay that creates and starts its own
embedded server takes seconds longer; only tests about that have one.
"""

import pytest

from relay.kit.embedded_postgres import EmbeddedPostgres
from tests.e2e.running_relay import TemplateDatabase, run_relays
from tests.e2e.simulated_enode import run_simulator

pytest.register_assert_rewrite("tests.e2e.chaos.checks")


def pytest_addoption(parser):
    parser.addoption("--chaos-events", type=int, default=None, help="number of vehicle changes in test_chaos.py")
    parser.addoption("--chaos-seed", type=int, default=None, help="repeat a run of test_chaos.py; each prints its seed")


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    with EmbeddedPostgres(folder / "postgres").lease() as conninfo:
        yield TemplateDatabase(conninfo, folder)


@pytest.fixture
def enode():
    with run_simulator("--speed", "300") as simulator:
        yield simulator


@pytest.fixture
def start_relay(tmp_path, enode, template):
    """A function that starts a relay with options of `serve`."""
    with run_relays(tmp_path, enode.url, template) as start:
        yield start


@pytest.fixture
def start_embedded_relay(tmp_path, enode):
    """`start_relay` for a relay that creates and runs its database itself, as it does without DATABASE_URL."""
    with run_relays(tmp_path, enode.url, None) as start:
        yield start
