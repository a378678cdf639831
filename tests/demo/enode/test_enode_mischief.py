"""Mischief with deliveries: whatever it does, nothing is lost, nothing is invented, and the truth stays what it was."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from demo.enode.mischief import Mischief, Wish, release
from demo.enode.noise import BROKEN, LIE_LEVEL
from demo.enode.signing import signature
from demo.enode.sim import Delays
from demo.enode.world import Queue
from tests.demo.enode.hooks import Arrival, Receiver
from tests.demo.enode.running import Running, new_settings

SECRET = "a secret of mine"


@pytest.fixture
def wild() -> Any:
    """A receiver whose arrivals nobody judges: what is broken is meant to be."""
    receiver = Receiver()
    yield receiver
    receiver.close()


def genuine(arrival: Arrival) -> bool:
    return arrival.headers["x-enode-signature"] == signature(SECRET, arrival.body)


def drive(enode: Running, receiver: Receiver, **mischief: Any) -> str:
    """A car that lived for two hours while its news suffered."""
    enode.subscribe(receiver.url)
    car = enode.linked_car()
    enode.json("POST", "/_sim/mischief", mischief)
    for _ in range(24):
        enode.pass_time(300)
    return car


def settle(enode: Running) -> None:
    enode.json("DELETE", "/_sim/mischief", status=204)
    until(lambda: enode.json("GET", "/_sim/health")["pending_events"] == 0)


def until(what: Any) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline


def good_events(receiver: Receiver) -> list[dict[str, Any]]:
    """What was told in arrays that are signed and can be read."""
    found = []
    for arrival in receiver.arrivals:
        try:
            events = json.loads(arrival.body)
        except ValueError, RecursionError:
            continue
        if genuine(arrival) and isinstance(events, list):
            found += [it for it in events if isinstance(it, dict) and "createdAt" in it]
    return found


def states(enode: Running, car: str) -> list[dict[str, Any]]:
    return enode.json("GET", "/_sim/truth")["vehicles"][car]["states"]


def test_a_taken_delivery_comes_again_with_its_id_and_its_bytes(enode: Running, receiver: Receiver):
    enode.json("POST", "/_sim/mischief", {"repeat_delivery": 1, "times": 1})
    enode.subscribe(receiver.url)
    enode.link("TESLA", "tesla-model-3")
    first, second = receiver.wait(2)[:2]
    assert (first.body, first.headers["x-enode-delivery"]) == (second.body, second.headers["x-enode-delivery"])
    enode.told(receiver, "")
    assert len({it.headers["x-enode-delivery"] for it in receiver.arrivals}) == len(receiver.arrivals) - 1
    assert enode.json("GET", "/_sim/mischief")["played"] == {"repeat_delivery": 1}


def test_an_event_comes_again_in_another_delivery(enode: Running, receiver: Receiver):
    car = drive(enode, receiver, repeat_event=0.5)
    settle(enode)
    told = [it["createdAt"] for it in good_events(receiver) if it.get("vehicle", {}).get("id") == car]
    repeated = {it for it in told if told.count(it) > 1}
    assert repeated
    assert set(told) == {it["at"] for it in states(enode, car)}
    homes = [
        it.headers["x-enode-delivery"] for it in receiver.arrivals for e in it.events if e["createdAt"] in repeated
    ]
    assert len(set(homes)) > 1


def test_events_overtake_each_other_within_their_window_and_none_is_lost(enode: Running, receiver: Receiver):
    car = drive(enode, receiver, reorder=0.4, window=3)
    settle(enode)
    truth = [it["at"] for it in states(enode, car)]
    told = [it["createdAt"] for it in good_events(receiver) if it.get("vehicle", {}).get("id") == car]
    assert sorted(told) == truth
    assert told != truth
    assert all(later - 3 <= truth.index(at) for later, at in enumerate(told))


def test_a_hundred_events_travel_together_when_told_to(enode: Running, receiver: Receiver):
    enode.json("POST", "/_sim/mischief", {"batch": 100})
    enode.subscribe(receiver.url)
    for _ in range(250):
        enode.json("POST", "/_sim/heartbeat", status=204)
    receiver.wait(2)
    settle(enode)
    assert [len(it.events) for it in receiver.wait(3)] == [100, 100, 50]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_body_is_signed_well_and_is_what_it_is_called(enode: Running, wild: Receiver, kind: str):
    car = drive(enode, wild, broken=1, kinds=[kind])
    settle(enode)
    extras = enode.json("GET", "/_sim/mischief")["answers"][kind]
    assert extras.keys() == {"204"}
    assert all(genuine(it) for it in wild.arrivals)
    odd = [it for it in wild.arrivals if not is_fine(it.body)]
    assert len(odd) == extras["204"]
    truth = {it["at"] for it in states(enode, car)}
    assert {it["createdAt"] for it in good_events(wild) if it.get("user", {}).get("id") == "u1"} == truth


def is_fine(body: bytes) -> bool:
    """Whether a body is a batch as Enode documents it, that a database can keep."""
    try:
        text = body.decode()
        events = json.loads(text)
        json.dumps(events, ensure_ascii=False).encode()
    except ValueError, RecursionError:
        return False
    if not isinstance(events, list) or not 1 <= len(events) <= 100 or r"\u0000" in text or "1e200000" in text:
        return False
    return all(isinstance(it, dict) and str(it.get("event")).startswith(("user:vehicle:", "system:")) for it in events)


def test_a_forged_delivery_lies_under_another_secret(enode: Running, receiver: Receiver):
    car = drive(enode, receiver, forged=1)
    settle(enode)
    forged = [it for it in receiver.arrivals if not genuine(it)]
    assert forged
    assert all(
        hmac.new(b"not the secret of any webhook", it.body, hashlib.sha1).hexdigest() in it.headers["x-enode-signature"]
        for it in forged
    )
    lies = [e for it in forged for e in it.events if "vehicle" in e]
    assert {it["vehicle"]["chargeState"]["batteryLevel"] for it in lies} == {LIE_LEVEL}
    assert LIE_LEVEL not in {it["vehicle"]["chargeState"]["batteryLevel"] for it in states(enode, car)}
    assert enode.json("GET", "/_sim/mischief")["answers"]["forged"] == {"204": len(forged)}


def test_a_body_can_be_posted_slowly(enode: Running, receiver: Receiver):
    enode.subscribe(receiver.url)
    enode.json("POST", "/_sim/mischief", {"slow": 1, "slow_seconds": 0.4})
    started = time.monotonic()
    enode.told(receiver, "")
    assert time.monotonic() - started >= 0.4
    assert genuine(receiver.arrivals[-1])


def test_a_body_that_is_slower_than_patience_has_failed_and_comes_again(wild: Receiver):
    running = Running(new_settings(delays=Delays(answer_within=0.3)))
    try:
        running.sign_in()
        running.subscribe(wild.url)
        running.json("POST", "/_sim/mischief", {"slow": 1, "slow_seconds": 20, "times": 1})
        running.json("POST", "/_sim/heartbeat", status=204)
        until(lambda: any(it["attempts"] for it in running.json("GET", "/_sim/deliveries?events=false")))
        running.pass_time(6)
        until(lambda: running.json("GET", "/_sim/deliveries")[0]["state"] == "delivered")
        assert running.json("GET", "/_sim/deliveries")[0]["attempts"] == 2
    finally:
        running.close()


def test_one_seed_gives_one_mischief():
    def order(seed: int) -> tuple[dict[str, Any], ...]:
        mischief, queue = Mischief(), Queue()
        mischief.set(Wish(seed=seed, reorder=0.5, window=5))
        for number in range(50):
            queue = mischief.enqueue(queue, {"number": number})
        return release(queue).waiting

    assert order(1) == order(1) != order(2)
    assert sorted(it["number"] for it in order(1)) == list(range(50))


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"reorder": 1.1}, "reorder"),
        ({"window": 0}, "window"),
        ({"batch": 101}, "batch"),
        ({"kinds": ["odd"]}, "truncated"),
        ({"kinds": []}, "kinds"),
        ({"magic": 1}, "magic"),
    ],
)
def test_mischief_that_cannot_be_is_told_what_is_wrong(enode: Running, wish: dict[str, Any], named: str):
    assert named in enode.json("POST", "/_sim/mischief", wish, status=422)["detail"]
    assert enode.json("GET", "/_sim/mischief")["played"] == {}


def test_mischief_ends_with_the_world(enode: Running):
    enode.json("POST", "/_sim/mischief", {"reorder": 1})
    enode.json("DELETE", "/_sim/world", status=204)
    assert enode.json("GET", "/_sim/mischief")["reorder"] == 0
