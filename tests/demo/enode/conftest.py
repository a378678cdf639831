"""Fixtures: a simulator, a webhook receiver, and a validator with Enode's own document, if available."""

import math
from collections.abc import Iterator

import pytest

from demo.enode.simulator import Delays
from tests.demo.enode.openapi_validator import DOCUMENT_MISSING, OpenApiValidator, load_validator
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    """The simulator of the test session. It sends heartbeats on request only.

    Tests advance its time, so a periodic heartbeat would be due in a later test and come when a test counts events.
    """
    simulator = RunningSimulator(make_settings(delays=Delays(heartbeat=math.inf)))
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
            (event["event"], event_faults)
            for body in bodies.values()
            for event in body
            if (event_faults := validator.find_event_faults(event))
        ]
        assert not faults


@pytest.fixture
def validator() -> OpenApiValidator:
    """A validator with Enode's own document."""
    openapi_validator = load_validator()
    if openapi_validator is None:
        pytest.skip(DOCUMENT_MISSING)
    return openapi_validator
