"""A simulator for every test, a place for its webhooks, and Enode's own document as the judge where it is at hand."""

from collections.abc import Iterator

import pytest

from tests.demo.enode.hooks import Receiver
from tests.demo.enode.openapi import ABSENT, Judge, judge
from tests.demo.enode.running import Running, new_settings


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """The one simulator of the run."""
    running = Running(new_settings())
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def stranger(running: Running) -> Running:
    """A simulator with an empty world, whose client has no token yet."""
    running.http.headers.pop("authorization", None)
    running.json("DELETE", "/_sim/world", status=204)
    running.json("POST", "/_sim/clock", {"speed": 0})
    return running


@pytest.fixture
def enode(stranger: Running) -> Running:
    """A simulator with a client that carries a token. Its clock moves only when told."""
    stranger.sign_in()
    return stranger


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A place that takes deliveries; what came is judged at the end."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
    oracle = judge()
    if oracle is not None:
        bodies = {it.body: it.events for it in receiver.arrivals}  # retries repeat themselves
        faults = [(event["event"], found) for it in bodies.values() for event in it if (found := oracle.event(event))]
        assert not faults


@pytest.fixture
def oracle() -> Judge:
    """Enode's own document."""
    found = judge()
    if found is None:
        pytest.skip(ABSENT)
    return found
