"""Subscriptions and deliveries: signed, in order, repeated until taken, given up in the end."""

import hashlib
import hmac
import time
from typing import Any

import pytest

from demo.enode.signing import sign
from demo.enode.simulator import Delays
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import WebhookReceiver

VALID_BODY = {"url": "https://relay.example.org/enode", "secret": "a secret of mine"}


def test_the_signature_is_the_one_of_enodes_own_test_vector():
    assert sign("example-secret", b'{"payload":"example"}') == "sha1=e417e6fc2e7f8a78c93a35a7b344d36ce179fc8d"


def test_a_subscription_is_shown_without_its_secrets(enode: RunningSimulator):
    made = enode.json(
        "POST", "/webhooks", {**VALID_BODY, "authentication": {"headerName": "x-key", "headerValue": "k 1"}}
    )
    assert made == {
        "id": made["id"],
        "url": VALID_BODY["url"],
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
def test_an_invalid_subscription_is_refused_in_enodes_words(enode: RunningSimulator, change: dict[str, Any]):
    problem = enode.json("POST", "/webhooks", {**VALID_BODY, **change}, status=400)
    assert problem["title"] == "Webhook input is not valid."
    assert problem["issues"]
    assert "secret of mine" not in str(problem)


def test_a_url_is_subscribed_once(enode: RunningSimulator):
    enode.json("POST", "/webhooks", VALID_BODY)
    enode.json("POST", "/webhooks", VALID_BODY, status=400)
    other = enode.json("POST", "/webhooks", {**VALID_BODY, "url": "https://other.example.org/enode"})
    enode.json("PATCH", f"/webhooks/{other['id']}", {"url": VALID_BODY["url"]}, status=400)


def test_a_delivery_is_signed_over_its_raw_bytes_and_carries_the_agreed_header(
    enode: RunningSimulator, receiver: WebhookReceiver
):
    enode.create_subscription(receiver.url, authentication={"headerName": "x-key", "headerValue": "k 1"})
    enode.link_car()
    arrival = receiver.wait_for_deliveries(1)[0]
    digest = hmac.new(b"a secret of mine", arrival.body, hashlib.sha1).hexdigest()
    assert arrival.headers["x-enode-signature"] == f"sha1={digest}"
    assert arrival.headers["content-type"] == "application/json"
    assert arrival.headers["x-key"] == "k 1"
    assert arrival.headers["x-enode-delivery"]
    assert arrival.events[0]["version"] == "2024-10-01"


def test_only_subscribed_events_come_but_the_heartbeat_always(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url, events=["user:vehicle:discovered"])
    enode.link_car()
    assert enode.collect_events(receiver, "user:vehicle:updated") == []
    assert len(receiver.list_events("user:vehicle:discovered")) == 1
    assert receiver.list_events("system:heartbeat")[0]["pendingEvents"] >= 0


def test_batches_hold_at_most_a_hundred_events_in_their_order(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    car = enode.link_car()
    enode.collect_events(receiver, "")
    enode.advance_time(12 * 3600)
    told = enode.collect_events(receiver, "user:vehicle:updated")
    sizes = [len(it.events) for it in receiver.deliveries]
    assert max(sizes) == 100
    assert [it["createdAt"] for it in told] == sorted(it["createdAt"] for it in told)
    assert told[-1]["vehicle"] == enode.get_vehicle(car)


def test_a_failed_delivery_comes_again_unchanged_and_before_what_is_newer(
    enode: RunningSimulator, receiver: WebhookReceiver
):
    hook = enode.create_subscription(receiver.url)
    receiver.statuses.extend([500, 404])
    enode.link_car()
    first = receiver.wait_for_deliveries(1)[0]
    wait_for_attempts(enode, 1)
    enode.advance_time(6)
    wait_for_attempts(enode, 2)
    enode.advance_time(16)
    arrivals = receiver.wait_for_deliveries(3)
    assert [(it.body, it.headers["x-enode-delivery"]) for it in arrivals[:3]] == [
        (first.body, first.headers["x-enode-delivery"])
    ] * 3
    enode.collect_events(receiver, "")
    assert [it["createdAt"] for arrival in receiver.deliveries[2:] for it in arrival.events] == sorted(
        it["createdAt"] for arrival in receiver.deliveries[2:] for it in arrival.events
    )
    seen = enode.json("GET", "/_sim/deliveries")
    assert (seen[0]["state"], seen[0]["attempts"], seen[0]["webhook_id"]) == ("delivered", 3, hook["id"])
    assert enode.json("GET", f"/webhooks/{hook['id']}")["lastSuccess"] > hook["lastSuccess"]


def test_a_retry_waits_its_interval(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    receiver.statuses.extend([500])
    enode.complete_link("TESLA", "tesla-model-3")
    receiver.wait_for_deliveries(1)
    wait_for_attempts(enode, 1)
    enode.advance_time(4.5)
    enode.json("GET", "/_sim/health")
    assert len(receiver.deliveries) == 1
    enode.advance_time(1)
    receiver.wait_for_deliveries(2)


def wait_for_attempts(enode: RunningSimulator, times: int) -> None:
    """Wait until some delivery was tried so often, and the outcome is known."""
    deadline = time.monotonic() + 10
    while not any(it["attempts"] >= times for it in enode.json("GET", "/_sim/deliveries")):
        assert time.monotonic() < deadline


@pytest.fixture
def given_up(enode: RunningSimulator, receiver: WebhookReceiver) -> str:
    """Id of a webhook that failed for a day."""
    hook = enode.create_subscription(receiver.url)
    receiver.statuses.extend([503] * 100_000)
    enode.link_car()
    tries = 0
    while enode.json("GET", f"/webhooks/{hook['id']}")["isActive"]:
        tries += 1
        wait_for_attempts(enode, tries)
        enode.advance_time(3600)
    receiver.statuses.clear()
    return hook["id"]


def test_a_webhook_that_fails_for_a_day_is_switched_off_and_its_events_are_gone(
    enode: RunningSimulator, receiver: WebhookReceiver, given_up: str
):
    attempts = len(receiver.deliveries)
    assert attempts in {25, 26}  # at once, perhaps after 5 s, and then, as this clock jumps, once an hour
    assert enode.json("GET", "/_sim/health")["pending_events"] == 0
    assert enode.json("GET", "/_sim/deliveries")[-1]["state"] == "failed"
    enode.advance_time(3600)
    enode.json("POST", "/_sim/heartbeat", status=204)
    assert enode.json("GET", "/_sim/health")["pending_events"] == 0
    assert len(receiver.deliveries) == attempts
    assert enode.json("GET", f"/webhooks/{given_up}")["isActive"] is False


def test_a_test_that_is_taken_switches_it_on_again(enode: RunningSimulator, receiver: WebhookReceiver, given_up: str):
    answer = enode.json("POST", f"/webhooks/{given_up}/test")
    assert (answer["status"], answer["response"]["code"]) == ("SUCCESS", 204)
    assert receiver.list_events("enode:webhook:test")
    assert enode.json("GET", f"/webhooks/{given_up}")["isActive"] is True
    assert enode.collect_events(receiver, "system:heartbeat")


def test_a_change_switches_it_on_again(enode: RunningSimulator, receiver: WebhookReceiver, given_up: str):
    assert enode.json("PATCH", f"/webhooks/{given_up}", {"secret": "another secret"})["isActive"] is True
    assert enode.collect_events(receiver, "system:heartbeat")
    arrival = receiver.deliveries[-1]
    assert arrival.headers["x-enode-signature"] == sign("another secret", arrival.body)


def test_a_webhook_that_does_not_answer_in_time_has_failed(receiver: WebhookReceiver):
    running = RunningSimulator(make_settings(delays=Delays(answer_timeout=0.2)))
    try:
        running.sign_in()
        receiver.withhold_answers.set()
        hook = running.create_subscription(receiver.url)
        running.json("POST", "/_sim/heartbeat", status=204)
        wait_for_attempts(running, 1)
        assert running.json("POST", f"/webhooks/{hook['id']}/test")["response"] is None
        receiver.withhold_answers.clear()
        running.advance_time(6)
        receiver.wait_for_deliveries(3)
    finally:
        running.close()


def test_a_change_has_what_failed_tried_again_at_once(enode: RunningSimulator, receiver: WebhookReceiver):
    hook = enode.create_subscription("http://127.0.0.1:9/nobody-listens")
    enode.link_car()
    wait_for_attempts(enode, 1)
    enode.json("PATCH", f"/webhooks/{hook['id']}", {"url": receiver.url})
    receiver.wait_for_events("user:vehicle:discovered")


def test_a_change_while_an_attempt_fails_is_not_lost(receiver: WebhookReceiver):
    running, other = RunningSimulator(make_settings(delays=Delays(answer_timeout=0.2))), WebhookReceiver()
    try:
        running.sign_in()
        receiver.withhold_answers.set()
        hook = running.create_subscription(receiver.url)
        running.json("POST", "/_sim/heartbeat", status=204)
        receiver.wait_for_deliveries(1)  # and gets no answer yet
        running.json("PATCH", f"/webhooks/{hook['id']}", {"url": other.url})
        assert other.wait_for_deliveries(1)[0].body == receiver.deliveries[0].body
    finally:
        other.close()
        running.close()


def test_a_failing_test_says_what_came_back(enode: RunningSimulator, receiver: WebhookReceiver):
    hook = enode.create_subscription(receiver.url)
    receiver.statuses.extend([418])
    refused = enode.json("POST", f"/webhooks/{hook['id']}/test")
    assert (refused["status"], refused["response"]["code"]) == ("FAILURE", 418)
    enode.json("PATCH", f"/webhooks/{hook['id']}", {"url": "http://127.0.0.1:9/nobody-listens"})
    assert enode.json("POST", f"/webhooks/{hook['id']}/test") == {
        "status": "FAILURE",
        "description": "The webhook could not be reached in time.",
        "response": None,
    }


def test_a_deleted_webhook_hears_no_more(enode: RunningSimulator, receiver: WebhookReceiver):
    hook = enode.create_subscription(receiver.url)
    enode.link_car()
    enode.collect_events(receiver, "")
    enode.json("DELETE", f"/webhooks/{hook['id']}", status=204)
    count = len(receiver.deliveries)
    enode.link_car(user="u2")
    other = WebhookReceiver()
    try:
        enode.create_subscription(other.url)
        assert enode.collect_events(other, "user:vehicle:discovered") == []
    finally:
        other.close()
    assert len(receiver.deliveries) == count
