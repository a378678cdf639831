"""Fixtures: a simulator, a webhook receiver, and a validator with Enode's own document, if available."""

from collections.abc import Iterator

import pytest

from tests.demo.enode.openapi_validator import DOCUMENT_MISSING, OpenApiValidator, load_validator
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    """The simulator of the test session."""
    simulator = RunningSimulator(make_settings())
    try:
        yield simulator
    finally:
        simulator.close()


@pytest.fixture
def unauthenticated(simulator: RunningSimulator) -> RunningSimulator:
    """A simulator with an empty world, whose client has no token."""
    simulator.http.headers.pop("authorization", None)
    simulator.json("DELETE", "/_sim/world", status=204)
    simulator.json("POST", "/_sim/clock", {"speed": 0})
    return simulator


@pytest.fixture
def enode(unauthenticated: RunningSimulator) -> RunningSimulator:
    """A simulator with an empty world, whose client has a token. Its time is stopped."""
    unauthenticated.sign_in()
    return unauthenticated


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A webhook receiver. All received events are validated at the end of the test."""
    receiver = WebhookReceiver()
    try:
        yield receiver
    finally:
        receiver.close()
    validator = load_validator()
    if validator is not None:
        bodies = {delivery.body: delivery.events for delivery in receiver.deliveries}  # ignore retries
        faults = [
            (event["event"], found)
            for body in bodies.values()
            for event in body
            if (found := validator.find_event_faults(event))
        ]
        assert not faults


@pytest.fixture
def validator() -> OpenApiValidator:
    """A validator with Enode's own document."""
    found = load_validator()
    if found is None:
        pytest.skip(DOCUMENT_MISSING)
    return found
