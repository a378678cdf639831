"""Delivery faults: no event is lost or invented, and the ground truth does not change."""

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
def unvalidated_receiver() -> Any:
    """A receiver that does not validate deliveries: malformed ones are intended."""
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


def is_genuine(delivery: ReceivedDelivery) -> bool:
    return delivery.headers["x-enode-signature"] == sign(SECRET, delivery.body)


def run_with_faults(enode: RunningSimulator, receiver: WebhookReceiver, **faults: Any) -> str:
    """Simulate two hours of a car with delivery faults until one has been triggered, and return the car's id."""
    enode.create_subscription(receiver.url)
    car = enode.link_car()
    enode.json("POST", "/_sim/mischief", faults)
    for _ in range(24):
        enode.advance_time(300)
    # Most faults are triggered by deliveries, which take real time. Cleared faults aren't triggered any more.
    wait_until(lambda: enode.json("GET", "/_sim/mischief")["played"])
    return car


def clear_faults_and_wait(enode: RunningSimulator) -> None:
    enode.json("DELETE", "/_sim/mischief", status=204)
    wait_until(lambda: enode.json("GET", "/_sim/health")["pending_events"] == 0)


def wait_until(what: Any) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def list_readable_events(receiver: WebhookReceiver) -> list[dict[str, Any]]:
    """List the events of all correctly signed deliveries that can be parsed."""
    readable_events = []
    for delivery in receiver.deliveries:
        try:
            events = json.loads(delivery.body)
        except ValueError, RecursionError:
            continue
        if is_genuine(delivery) and isinstance(events, list):
            readable_events += [event for event in events if isinstance(event, dict) and "createdAt" in event]
    return readable_events


def list_true_states(enode: RunningSimulator, car: str) -> list[dict[str, Any]]:
    return enode.json("GET", "/_sim/truth")["vehicles"][car]["states"]


def test_accepted_delivery_is_repeated_with_the_same_id_and_bytes(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.json("POST", "/_sim/mischief", {"repeat_delivery": 1, "times": 1})
    enode.create_subscription(receiver.url)
    enode.complete_link("TESLA", "tesla-model-3")
    first, second = receiver.wait_for_deliveries(2)[:2]
    assert (first.body, first.headers["x-enode-delivery"]) == (second.body, second.headers["x-enode-delivery"])
    enode.collect_events(receiver, "")
    assert (
        len({delivery.headers["x-enode-delivery"] for delivery in receiver.deliveries}) == len(receiver.deliveries) - 1
    )
    assert enode.json("GET", "/_sim/mischief")["played"] == {"repeat_delivery": 1}


def test_event_is_repeated_in_another_delivery(enode: RunningSimulator, receiver: WebhookReceiver):
    car = run_with_faults(enode, receiver, repeat_event=0.5)
    clear_faults_and_wait(enode)
    published = [
        event["createdAt"] for event in list_readable_events(receiver) if event.get("vehicle", {}).get("id") == car
    ]
    repeated = {event for event in published if published.count(event) > 1}
    assert repeated
    assert set(published) == {state["at"] for state in list_true_states(enode, car)}
    delivery_ids = [
        delivery.headers["x-enode-delivery"]
        for delivery in receiver.deliveries
        for e in delivery.events
        if e["createdAt"] in repeated
    ]
    assert len(set(delivery_ids)) > 1


def test_events_are_reordered_within_the_window_and_none_is_lost(enode: RunningSimulator, receiver: WebhookReceiver):
    car = run_with_faults(enode, receiver, reorder=0.4, window=3)
    clear_faults_and_wait(enode)
    true_times = [state["at"] for state in list_true_states(enode, car)]
    published = [
        event["createdAt"] for event in list_readable_events(receiver) if event.get("vehicle", {}).get("id") == car
    ]
    assert sorted(published) == true_times
    assert published != true_times
    assert all(later - 3 <= true_times.index(at) for later, at in enumerate(published))


def test_batch_setting_delivers_100_events_together(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.json("POST", "/_sim/mischief", {"batch": 100})
    enode.create_subscription(receiver.url)
    for _ in range(250):
        enode.json("POST", "/_sim/heartbeat", status=204)
    receiver.wait_for_deliveries(2)
    clear_faults_and_wait(enode)
    assert [len(delivery.events) for delivery in receiver.wait_for_deliveries(3)] == [100, 100, 50]


@pytest.mark.parametrize("kind", MALFORMED_BODIES)
def test_malformed_body_has_a_valid_signature_and_loses_no_event(
    enode: RunningSimulator, unvalidated_receiver: WebhookReceiver, kind: str
):
    car = run_with_faults(enode, unvalidated_receiver, broken=1, kinds=[kind])
    clear_faults_and_wait(enode)
    extras = enode.json("GET", "/_sim/mischief")["answers"][kind]
    assert extras.keys() == {"204"}
    assert all(is_genuine(delivery) for delivery in unvalidated_receiver.deliveries)
    odd = [delivery for delivery in unvalidated_receiver.deliveries if not is_valid_batch(delivery.body)]
    assert len(odd) == extras["204"]
    true_times = {state["at"] for state in list_true_states(enode, car)}
    assert {
        event["createdAt"]
        for event in list_readable_events(unvalidated_receiver)
        if event.get("user", {}).get("id") == "u1"
    } == true_times


def is_valid_batch(body: bytes) -> bool:
    """Return whether a body is a batch as Enode documents it that a database can store."""
    try:
        text = body.decode()
        events = json.loads(text)
        json.dumps(events, ensure_ascii=False).encode()
    except ValueError, RecursionError:
        return False
    if not isinstance(events, list) or not 1 <= len(events) <= 100 or r"\u0000" in text or "1e200000" in text:
        return False
    return all(
        isinstance(event, dict) and str(event.get("event")).startswith(("user:vehicle:", "system:")) for event in events
    )


def test_forged_delivery_has_false_values_and_another_secret(enode: RunningSimulator, receiver: WebhookReceiver):
    car = run_with_faults(enode, receiver, forged=1)
    clear_faults_and_wait(enode)
    forged = [delivery for delivery in receiver.deliveries if not is_genuine(delivery)]
    assert forged
    assert all(
        hmac.new(b"not the secret of any webhook", delivery.body, hashlib.sha1).hexdigest()
        in delivery.headers["x-enode-signature"]
        for delivery in forged
    )
    forged_events = [e for delivery in forged for e in delivery.events if "vehicle" in e]
    assert {event["vehicle"]["chargeState"]["batteryLevel"] for event in forged_events} == {FORGED_BATTERY_LEVEL}
    assert FORGED_BATTERY_LEVEL not in {
        state["vehicle"]["chargeState"]["batteryLevel"] for state in list_true_states(enode, car)
    }
    assert enode.json("GET", "/_sim/mischief")["answers"]["forged"] == {"204": len(forged)}


def test_body_can_be_sent_slowly(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.json("POST", "/_sim/mischief", {"slow": 1, "slow_seconds": 0.4})
    started = time.monotonic()
    enode.collect_events(receiver, "")
    assert time.monotonic() - started >= 0.4
    assert is_genuine(receiver.deliveries[-1])


def test_body_slower_than_the_timeout_is_retried(unvalidated_receiver: WebhookReceiver):
    simulator = RunningSimulator(make_settings(delays=Delays(answer_timeout=0.3)))
    try:
        simulator.sign_in()
        simulator.create_subscription(unvalidated_receiver.url)
        simulator.json("POST", "/_sim/mischief", {"slow": 1, "slow_seconds": 20, "times": 1})
        simulator.json("POST", "/_sim/heartbeat", status=204)
        wait_until(
            lambda: any(delivery["attempts"] for delivery in simulator.json("GET", "/_sim/deliveries?events=false"))
        )
        simulator.advance_time(6)
        wait_until(lambda: simulator.json("GET", "/_sim/deliveries")[0]["state"] == "delivered")
        assert simulator.json("GET", "/_sim/deliveries")[0]["attempts"] == 2
    finally:
        simulator.close()


def test_same_seed_gives_the_same_faults():
    def order(seed: int) -> tuple[dict[str, Any], ...]:
        faults, queue = DeliveryFaults(), WebhookQueue()
        faults.configure(DeliveryFaultSettings(seed=seed, reorder=0.5, window=5))
        for number in range(50):
            queue = faults.enqueue(queue, {"number": number})
        return release_held_events(queue).waiting

    assert order(1) == order(1) != order(2)
    assert sorted(event["number"] for event in order(1)) == list(range(50))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"reorder": 1.1}, "reorder"),
        ({"window": 0}, "window"),
        ({"batch": 101}, "batch"),
        ({"kinds": ["odd"]}, "truncated"),
        ({"kinds": []}, "kinds"),
        ({"magic": 1}, "magic"),
    ],
)
def test_invalid_fault_settings_name_what_is_wrong(enode: RunningSimulator, settings: dict[str, Any], named: str):
    assert named in enode.json("POST", "/_sim/mischief", settings, status=422)["detail"]
    assert enode.json("GET", "/_sim/mischief")["played"] == {}


def test_clearing_the_world_ends_delivery_faults(enode: RunningSimulator):
    enode.json("POST", "/_sim/mischief", {"reorder": 1})
    enode.json("DELETE", "/_sim/world", status=204)
    assert enode.json("GET", "/_sim/mischief")["reorder"] == 0
