"""Subscriptions and deliveries: signed, in order, repeated until taken, given up in the end."""

import hashlib
import hmac
import time
from typing import Any

import pytest

from demo.enode.signing import signature
from demo.enode.sim import Delays
from tests.demo.enode.hooks import Receiver
from tests.demo.enode.running import Running, new_settings

VALID = {"url": "https://relay.example.org/enode", "secret": "a secret of mine"}


def test_the_signature_is_the_one_of_enodes_own_test_vector():
    assert signature("example-secret", b'{"payload":"example"}') == "sha1=e417e6fc2e7f8a78c93a35a7b344d36ce179fc8d"


def test_a_subscription_is_shown_without_its_secrets(enode: Running):
    made = enode.json("POST", "/webhooks", {**VALID, "authentication": {"headerName": "x-key", "headerValue": "k 1"}})
    assert made == {
        "id": made["id"],
        "url": VALID["url"],
        "events": ["*"],
        "lastSuccess": made["createdAt"],
        "isActive": True,
        "createdAt": made["createdAt"],
        "apiVersion": None,
        "authentication": {"headerName": "x-key"},
    }
    assert enode.json("GET", f"/webhooks/{made['id']}") == made
    assert enode.json("GET", "/webhooks")["data"] == [made]
    changed = enode.json("PATCH", f"/webhooks/{made['id']}", {"authentication": None, "apiVersion": "2024-10-01"})
    assert changed == {**made, "authentication": None, "apiVersion": "2024-10-01"}
    enode.json("DELETE", f"/webhooks/{made['id']}", status=204)
    for method in ("GET", "PATCH", "DELETE"):
        problem = enode.json(method, f"/webhooks/{made['id']}", {} if method == "PATCH" else None, status=404)
        assert problem["detail"] == f"Could not find webhook {made['id']}"


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://relay.example.org/enode"},
        {"url": "ftp://127.0.0.1/enode"},
        {"url": "https://" + "x" * 200},
        {"url": "https://[broken/enode"},
        {"secret": "short"},
        {"secret": "x" * 257},
        {"events": ["user:vehicle:flies"]},
        {"apiVersion": "2023-01-01"},
        {"authentication": {"headerName": "Bad Name", "headerValue": "v"}},
        {"authentication": {"headerName": "x-key", "headerValue": "line\nbreak"}},
        {"authentication": None},
        {"colour": "red"},
    ],
)
def test_an_invalid_subscription_is_refused_in_enodes_words(enode: Running, change: dict[str, Any]):
    problem = enode.json("POST", "/webhooks", {**VALID, **change}, status=400)
    assert problem["title"] == "Webhook input is not valid."
    assert problem["issues"]
    assert "secret of mine" not in str(problem)


def test_a_url_is_subscribed_once(enode: Running):
    enode.json("POST", "/webhooks", VALID)
    enode.json("POST", "/webhooks", VALID, status=400)
    other = enode.json("POST", "/webhooks", {**VALID, "url": "https://other.example.org/enode"})
    enode.json("PATCH", f"/webhooks/{other['id']}", {"url": VALID["url"]}, status=400)


def test_a_delivery_is_signed_over_its_raw_bytes_and_carries_the_agreed_header(enode: Running, receiver: Receiver):
    enode.subscribe(receiver.url, authentication={"headerName": "x-key", "headerValue": "k 1"})
    enode.linked_car()
    arrival = receiver.wait(1)[0]
    digest = hmac.new(b"a secret of mine", arrival.body, hashlib.sha1).hexdigest()
    assert arrival.headers["x-enode-signature"] == f"sha1={digest}"
    assert arrival.headers["content-type"] == "application/json"
    assert arrival.headers["x-key"] == "k 1"
    assert arrival.headers["x-enode-delivery"]
    assert arrival.events[0]["version"] == "2024-10-01"


def test_only_subscribed_events_come_but_the_heartbeat_always(enode: Running, receiver: Receiver):
    enode.subscribe(receiver.url, events=["user:vehicle:discovered"])
    enode.linked_car()
    assert enode.told(receiver, "user:vehicle:updated") == []
    assert len(receiver.named("user:vehicle:discovered")) == 1
    assert receiver.named("system:heartbeat")[0]["pendingEvents"] >= 0


def test_batches_hold_at_most_a_hundred_events_in_their_order(enode: Running, receiver: Receiver):
    enode.subscribe(receiver.url)
    car = enode.linked_car()
    enode.told(receiver, "")
    enode.pass_time(12 * 3600)
    told = enode.told(receiver, "user:vehicle:updated")
    sizes = [len(it.events) for it in receiver.arrivals]
    assert max(sizes) == 100
    assert [it["createdAt"] for it in told] == sorted(it["createdAt"] for it in told)
    assert told[-1]["vehicle"] == enode.vehicle(car)


def test_a_failed_delivery_comes_again_unchanged_and_before_what_is_newer(enode: Running, receiver: Receiver):
    hook = enode.subscribe(receiver.url)
    receiver.answers.extend([500, 404])
    enode.linked_car()
    first = receiver.wait(1)[0]
    attempted(enode, 1)
    enode.pass_time(6)
    attempted(enode, 2)
    enode.pass_time(16)
    arrivals = receiver.wait(3)
    assert [(it.body, it.headers["x-enode-delivery"]) for it in arrivals[:3]] == [
        (first.body, first.headers["x-enode-delivery"])
    ] * 3
    enode.told(receiver, "")
    assert [it["createdAt"] for arrival in receiver.arrivals[2:] for it in arrival.events] == sorted(
        it["createdAt"] for arrival in receiver.arrivals[2:] for it in arrival.events
    )
    seen = enode.json("GET", "/_sim/deliveries")
    assert (seen[0]["state"], seen[0]["attempts"], seen[0]["webhook_id"]) == ("delivered", 3, hook["id"])
    assert enode.json("GET", f"/webhooks/{hook['id']}")["lastSuccess"] > hook["lastSuccess"]


def test_a_retry_waits_its_interval(enode: Running, receiver: Receiver):
    enode.subscribe(receiver.url)
    receiver.answers.extend([500])
    enode.link("TESLA", "tesla-model-3")
    receiver.wait(1)
    attempted(enode, 1)
    enode.pass_time(4.5)
    enode.json("GET", "/_sim/health")
    assert len(receiver.arrivals) == 1
    enode.pass_time(1)
    receiver.wait(2)


def attempted(enode: Running, times: int) -> None:
    """Wait until some delivery was tried so often, and the outcome is known."""
    deadline = time.monotonic() + 10
    while not any(it["attempts"] >= times for it in enode.json("GET", "/_sim/deliveries")):
        assert time.monotonic() < deadline


@pytest.fixture
def given_up(enode: Running, receiver: Receiver) -> str:
    """Id of a webhook that failed for a day."""
    hook = enode.subscribe(receiver.url)
    receiver.answers.extend([503] * 100_000)
    enode.linked_car()
    tries = 0
    while enode.json("GET", f"/webhooks/{hook['id']}")["isActive"]:
        tries += 1
        attempted(enode, tries)
        enode.pass_time(3600)
    receiver.answers.clear()
    return hook["id"]


def test_a_webhook_that_fails_for_a_day_is_switched_off_and_its_events_are_gone(
    enode: Running, receiver: Receiver, given_up: str
):
    attempts = len(receiver.arrivals)
    assert attempts in {25, 26}  # at once, perhaps after 5 s, and then, as this clock jumps, once an hour
    assert enode.json("GET", "/_sim/health")["pending_events"] == 0
    assert enode.json("GET", "/_sim/deliveries")[-1]["state"] == "failed"
    enode.pass_time(3600)
    enode.json("POST", "/_sim/heartbeat", status=204)
    assert enode.json("GET", "/_sim/health")["pending_events"] == 0
    assert len(receiver.arrivals) == attempts
    assert enode.json("GET", f"/webhooks/{given_up}")["isActive"] is False


def test_a_test_that_is_taken_switches_it_on_again(enode: Running, receiver: Receiver, given_up: str):
    answer = enode.json("POST", f"/webhooks/{given_up}/test")
    assert (answer["status"], answer["response"]["code"]) == ("SUCCESS", 204)
    assert receiver.named("enode:webhook:test")
    assert enode.json("GET", f"/webhooks/{given_up}")["isActive"] is True
    assert enode.told(receiver, "system:heartbeat")


def test_a_change_switches_it_on_again(enode: Running, receiver: Receiver, given_up: str):
    assert enode.json("PATCH", f"/webhooks/{given_up}", {"secret": "another secret"})["isActive"] is True
    assert enode.told(receiver, "system:heartbeat")
    arrival = receiver.arrivals[-1]
    assert arrival.headers["x-enode-signature"] == signature("another secret", arrival.body)


def test_a_webhook_that_does_not_answer_in_time_has_failed(receiver: Receiver):
    running = Running(new_settings(delays=Delays(answer_within=0.2)))
    try:
        running.sign_in()
        receiver.silent.set()
        hook = running.subscribe(receiver.url)
        running.json("POST", "/_sim/heartbeat", status=204)
        attempted(running, 1)
        assert running.json("POST", f"/webhooks/{hook['id']}/test")["response"] is None
        receiver.silent.clear()
        running.pass_time(6)
        receiver.wait(3)
    finally:
        running.close()


def test_a_change_has_what_failed_tried_again_at_once(enode: Running, receiver: Receiver):
    hook = enode.subscribe("http://127.0.0.1:9/nobody-listens")
    enode.linked_car()
    attempted(enode, 1)
    enode.json("PATCH", f"/webhooks/{hook['id']}", {"url": receiver.url})
    receiver.wait_for("user:vehicle:discovered")


def test_a_change_while_an_attempt_fails_is_not_lost(receiver: Receiver):
    running, other = Running(new_settings(delays=Delays(answer_within=0.2))), Receiver()
    try:
        running.sign_in()
        receiver.silent.set()
        hook = running.subscribe(receiver.url)
        running.json("POST", "/_sim/heartbeat", status=204)
        receiver.wait(1)  # and gets no answer yet
        running.json("PATCH", f"/webhooks/{hook['id']}", {"url": other.url})
        assert other.wait(1)[0].body == receiver.arrivals[0].body
    finally:
        other.close()
        running.close()


def test_a_failing_test_says_what_came_back(enode: Running, receiver: Receiver):
    hook = enode.subscribe(receiver.url)
    receiver.answers.extend([418])
    refused = enode.json("POST", f"/webhooks/{hook['id']}/test")
    assert (refused["status"], refused["response"]["code"]) == ("FAILURE", 418)
    enode.json("PATCH", f"/webhooks/{hook['id']}", {"url": "http://127.0.0.1:9/nobody-listens"})
    assert enode.json("POST", f"/webhooks/{hook['id']}/test") == {
        "status": "FAILURE",
        "description": "The webhook could not be reached in time.",
        "response": None,
    }


def test_a_deleted_webhook_hears_no_more(enode: Running, receiver: Receiver):
    hook = enode.subscribe(receiver.url)
    enode.linked_car()
    enode.told(receiver, "")
    enode.json("DELETE", f"/webhooks/{hook['id']}", status=204)
    count = len(receiver.arrivals)
    enode.linked_car(user="u2")
    other = Receiver()
    try:
        enode.subscribe(other.url)
        assert enode.told(other, "user:vehicle:discovered") == []
    finally:
        other.close()
    assert len(receiver.arrivals) == count
