"""A simulator for every test, a place for its webhooks, and Enode's own document as the judge where it is at hand."""

from collections.abc import Iterator

import pytest

from tests.demo.enode.openapi_validator import DOCUMENT_MISSING, OpenApiValidator, load_validator
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="session")
def running() -> Iterator[RunningSimulator]:
    """The one simulator of the run."""
    running = RunningSimulator(make_settings())
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def stranger(running: RunningSimulator) -> RunningSimulator:
    """A simulator with an empty world, whose client has no token yet."""
    running.http.headers.pop("authorization", None)
    running.json("DELETE", "/_sim/world", status=204)
    running.json("POST", "/_sim/clock", {"speed": 0})
    return running


@pytest.fixture
def enode(stranger: RunningSimulator) -> RunningSimulator:
    """A simulator with a client that carries a token. Its clock moves only when told."""
    stranger.sign_in()
    return stranger


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A place that takes deliveries; what came is judged at the end."""
    receiver = WebhookReceiver()
    try:
        yield receiver
    finally:
        receiver.close()
    oracle = load_validator()
    if oracle is not None:
        bodies = {it.body: it.events for it in receiver.deliveries}  # retries repeat themselves
        faults = [
            (event["event"], found)
            for it in bodies.values()
            for event in it
            if (found := oracle.find_event_faults(event))
        ]
        assert not faults


@pytest.fixture
def oracle() -> OpenApiValidator:
    """Enode's own document."""
    found = load_validator()
    if found is None:
        pytest.skip(DOCUMENT_MISSING)
    return found
