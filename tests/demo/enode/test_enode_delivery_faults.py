"""Mischief with deliveries: whatever it does, nothing is lost, nothing is invented, and the truth stays what it was."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from demo.enode.delivery_faults import DeliveryFaults, DeliveryFaultSettings, release_held_events
from demo.enode.malformed_bodies import FORGED_BATTERY_LEVEL, MALFORMED_BODIES
from demo.enode.signing import sign
from demo.enode.simulator import Delays
from demo.enode.world import WebhookQueue
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import ReceivedDelivery, WebhookReceiver

SECRET = "a secret of mine"


@pytest.fixture
def wild() -> Any:
    """A receiver whose arrivals nobody judges: what is broken is meant to be."""
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


def is_genuine(arrival: ReceivedDelivery) -> bool:
    return arrival.headers["x-enode-signature"] == sign(SECRET, arrival.body)


def run_with_faults(enode: RunningSimulator, receiver: WebhookReceiver, **mischief: Any) -> str:
    """A car that lived for two hours while its news suffered."""
    enode.create_subscription(receiver.url)
    car = enode.link_car()
    enode.json("POST", "/_sim/mischief", mischief)
    for _ in range(24):
        enode.advance_time(300)
    return car


def clear_faults_and_wait(enode: RunningSimulator) -> None:
    enode.json("DELETE", "/_sim/mischief", status=204)
    wait_until(lambda: enode.json("GET", "/_sim/health")["pending_events"] == 0)


def wait_until(what: Any) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline


def list_readable_events(receiver: WebhookReceiver) -> list[dict[str, Any]]:
    """What was told in arrays that are signed and can be read."""
    found = []
    for arrival in receiver.deliveries:
        try:
            events = json.loads(arrival.body)
        except ValueError, RecursionError:
            continue
        if is_genuine(arrival) and isinstance(events, list):
            found += [it for it in events if isinstance(it, dict) and "createdAt" in it]
    return found


def list_true_states(enode: RunningSimulator, car: str) -> list[dict[str, Any]]:
    return enode.json("GET", "/_sim/truth")["vehicles"][car]["states"]


def test_a_taken_delivery_comes_again_with_its_id_and_its_bytes(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.json("POST", "/_sim/mischief", {"repeat_delivery": 1, "times": 1})
    enode.create_subscription(receiver.url)
    enode.complete_link("TESLA", "tesla-model-3")
    first, second = receiver.wait_for_deliveries(2)[:2]
    assert (first.body, first.headers["x-enode-delivery"]) == (second.body, second.headers["x-enode-delivery"])
    enode.collect_events(receiver, "")
    assert len({it.headers["x-enode-delivery"] for it in receiver.deliveries}) == len(receiver.deliveries) - 1
    assert enode.json("GET", "/_sim/mischief")["played"] == {"repeat_delivery": 1}


def test_an_event_comes_again_in_another_delivery(enode: RunningSimulator, receiver: WebhookReceiver):
    car = run_with_faults(enode, receiver, repeat_event=0.5)
    clear_faults_and_wait(enode)
    told = [it["createdAt"] for it in list_readable_events(receiver) if it.get("vehicle", {}).get("id") == car]
    repeated = {it for it in told if told.count(it) > 1}
    assert repeated
    assert set(told) == {it["at"] for it in list_true_states(enode, car)}
    homes = [
        it.headers["x-enode-delivery"] for it in receiver.deliveries for e in it.events if e["createdAt"] in repeated
    ]
    assert len(set(homes)) > 1


def test_events_overtake_each_other_within_their_window_and_none_is_lost(
    enode: RunningSimulator, receiver: WebhookReceiver
):
    car = run_with_faults(enode, receiver, reorder=0.4, window=3)
    clear_faults_and_wait(enode)
    truth = [it["at"] for it in list_true_states(enode, car)]
    told = [it["createdAt"] for it in list_readable_events(receiver) if it.get("vehicle", {}).get("id") == car]
    assert sorted(told) == truth
    assert told != truth
    assert all(later - 3 <= truth.index(at) for later, at in enumerate(told))


def test_a_hundred_events_travel_together_when_told_to(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.json("POST", "/_sim/mischief", {"batch": 100})
    enode.create_subscription(receiver.url)
    for _ in range(250):
        enode.json("POST", "/_sim/heartbeat", status=204)
    receiver.wait_for_deliveries(2)
    clear_faults_and_wait(enode)
    assert [len(it.events) for it in receiver.wait_for_deliveries(3)] == [100, 100, 50]


@pytest.mark.parametrize("kind", MALFORMED_BODIES)
def test_a_broken_body_is_signed_well_and_is_what_it_is_called(
    enode: RunningSimulator, wild: WebhookReceiver, kind: str
):
    car = run_with_faults(enode, wild, broken=1, kinds=[kind])
    clear_faults_and_wait(enode)
    extras = enode.json("GET", "/_sim/mischief")["answers"][kind]
    assert extras.keys() == {"204"}
    assert all(is_genuine(it) for it in wild.deliveries)
    odd = [it for it in wild.deliveries if not is_valid_batch(it.body)]
    assert len(odd) == extras["204"]
    truth = {it["at"] for it in list_true_states(enode, car)}
    assert {it["createdAt"] for it in list_readable_events(wild) if it.get("user", {}).get("id") == "u1"} == truth


def is_valid_batch(body: bytes) -> bool:
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


def test_a_forged_delivery_lies_under_another_secret(enode: RunningSimulator, receiver: WebhookReceiver):
    car = run_with_faults(enode, receiver, forged=1)
    clear_faults_and_wait(enode)
    forged = [it for it in receiver.deliveries if not is_genuine(it)]
    assert forged
    assert all(
        hmac.new(b"not the secret of any webhook", it.body, hashlib.sha1).hexdigest() in it.headers["x-enode-signature"]
        for it in forged
    )
    lies = [e for it in forged for e in it.events if "vehicle" in e]
    assert {it["vehicle"]["chargeState"]["batteryLevel"] for it in lies} == {FORGED_BATTERY_LEVEL}
    assert FORGED_BATTERY_LEVEL not in {
        it["vehicle"]["chargeState"]["batteryLevel"] for it in list_true_states(enode, car)
    }
    assert enode.json("GET", "/_sim/mischief")["answers"]["forged"] == {"204": len(forged)}


def test_a_body_can_be_posted_slowly(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.json("POST", "/_sim/mischief", {"slow": 1, "slow_seconds": 0.4})
    started = time.monotonic()
    enode.collect_events(receiver, "")
    assert time.monotonic() - started >= 0.4
    assert is_genuine(receiver.deliveries[-1])


def test_a_body_that_is_slower_than_patience_has_failed_and_comes_again(wild: WebhookReceiver):
    running = RunningSimulator(make_settings(delays=Delays(answer_timeout=0.3)))
    try:
        running.sign_in()
        running.create_subscription(wild.url)
        running.json("POST", "/_sim/mischief", {"slow": 1, "slow_seconds": 20, "times": 1})
        running.json("POST", "/_sim/heartbeat", status=204)
        wait_until(lambda: any(it["attempts"] for it in running.json("GET", "/_sim/deliveries?events=false")))
        running.advance_time(6)
        wait_until(lambda: running.json("GET", "/_sim/deliveries")[0]["state"] == "delivered")
        assert running.json("GET", "/_sim/deliveries")[0]["attempts"] == 2
    finally:
        running.close()


def test_one_seed_gives_one_mischief():
    def order(seed: int) -> tuple[dict[str, Any], ...]:
        mischief, queue = DeliveryFaults(), WebhookQueue()
        mischief.configure(DeliveryFaultSettings(seed=seed, reorder=0.5, window=5))
        for number in range(50):
            queue = mischief.enqueue(queue, {"number": number})
        return release_held_events(queue).waiting

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
def test_mischief_that_cannot_be_is_told_what_is_wrong(enode: RunningSimulator, wish: dict[str, Any], named: str):
    assert named in enode.json("POST", "/_sim/mischief", wish, status=422)["detail"]
    assert enode.json("GET", "/_sim/mischief")["played"] == {}


def test_mischief_ends_with_the_world(enode: RunningSimulator):
    enode.json("POST", "/_sim/mischief", {"reorder": 1})
    enode.json("DELETE", "/_sim/world", status=204)
    assert enode.json("GET", "/_sim/mischief")["reorder"] == 0
