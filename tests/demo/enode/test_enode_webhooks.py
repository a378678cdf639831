"""Webhook subscriptions and deliveries: signatures, order, retries and deactivation."""

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


def test_signature_matches_enodes_test_vector():
    assert sign("example-secret", b'{"payload":"example"}') == "sha1=e417e6fc2e7f8a78c93a35a7b344d36ce179fc8d"


def test_subscription_is_returned_without_secrets(enode: RunningSimulator):
    created = enode.json(
        "POST", "/webhooks", {**VALID_BODY, "authentication": {"headerName": "x-key", "headerValue": "k 1"}}
    )
    assert created == {
        "id": created["id"],
        "url": VALID_BODY["url"],
        "events": ["*"],
        "lastSuccess": created["createdAt"],
        "isActive": True,
        "createdAt": created["createdAt"],
        "apiVersion": None,
        "authentication": {"headerName": "x-key"},
    }
    assert enode.json("GET", f"/webhooks/{created['id']}") == created
    assert enode.json("GET", "/webhooks")["data"] == [created]
    changed = enode.json("PATCH", f"/webhooks/{created['id']}", {"authentication": None, "apiVersion": "2024-10-01"})
    assert changed == {**created, "authentication": None, "apiVersion": "2024-10-01"}
    enode.json("DELETE", f"/webhooks/{created['id']}", status=204)
    for method in ("GET", "PATCH", "DELETE"):
        problem = enode.json(method, f"/webhooks/{created['id']}", {} if method == "PATCH" else None, status=404)
        assert problem["detail"] == f"Could not find webhook {created['id']}"


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
def test_invalid_subscription_returns_enodes_400(enode: RunningSimulator, change: dict[str, Any]):
    problem = enode.json("POST", "/webhooks", {**VALID_BODY, **change}, status=400)
    assert problem["title"] == "Webhook input is not valid."
    assert problem["issues"]
    assert "secret of mine" not in str(problem)


def test_second_subscription_of_a_url_returns_400(enode: RunningSimulator):
    enode.json("POST", "/webhooks", VALID_BODY)
    enode.json("POST", "/webhooks", VALID_BODY, status=400)
    other = enode.json("POST", "/webhooks", {**VALID_BODY, "url": "https://other.example.org/enode"})
    enode.json("PATCH", f"/webhooks/{other['id']}", {"url": VALID_BODY["url"]}, status=400)


def test_delivery_is_signed_and_has_the_authentication_header(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url, authentication={"headerName": "x-key", "headerValue": "k 1"})
    enode.link_car()
    delivery = receiver.wait_for_deliveries(1)[0]
    digest = hmac.new(b"a secret of mine", delivery.body, hashlib.sha1).hexdigest()
    assert delivery.headers["x-enode-signature"] == f"sha1={digest}"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["x-key"] == "k 1"
    assert delivery.headers["x-enode-delivery"]
    assert delivery.events[0]["version"] == "2024-10-01"


def test_only_subscribed_events_and_heartbeats_are_delivered(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url, events=["user:vehicle:discovered"])
    enode.link_car()
    assert enode.collect_events(receiver, "user:vehicle:updated") == []
    assert len(receiver.list_events("user:vehicle:discovered")) == 1
    assert receiver.list_events("system:heartbeat")[0]["pendingEvents"] >= 0


def test_batches_have_at_most_100_events_in_order(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    car = enode.link_car()
    enode.collect_events(receiver, "")
    enode.advance_time(12 * 3600)
    published = enode.collect_events(receiver, "user:vehicle:updated")
    sizes = [len(delivery.events) for delivery in receiver.deliveries]
    assert max(sizes) == 100
    assert [event["createdAt"] for event in published] == sorted(event["createdAt"] for event in published)
    assert published[-1]["vehicle"] == enode.get_vehicle(car)


def test_failed_delivery_is_retried_unchanged_before_newer_events(enode: RunningSimulator, receiver: WebhookReceiver):
    subscription = enode.create_subscription(receiver.url)
    receiver.statuses.extend([500, 404])
    enode.link_car()
    first = receiver.wait_for_deliveries(1)[0]
    wait_for_attempts(enode, 1)
    enode.advance_time(6)
    wait_for_attempts(enode, 2)
    enode.advance_time(16)
    deliveries = receiver.wait_for_deliveries(3)
    assert [(delivery.body, delivery.headers["x-enode-delivery"]) for delivery in deliveries[:3]] == [
        (first.body, first.headers["x-enode-delivery"])
    ] * 3
    enode.collect_events(receiver, "")
    assert [event["createdAt"] for delivery in receiver.deliveries[2:] for event in delivery.events] == sorted(
        event["createdAt"] for delivery in receiver.deliveries[2:] for event in delivery.events
    )
    first_row = enode.json("GET", "/_sim/deliveries")[0]
    assert (first_row["state"], first_row["attempts"], first_row["webhook_id"]) == (
        "delivered",
        3,
        subscription["id"],
    )
    assert enode.json("GET", f"/webhooks/{subscription['id']}")["lastSuccess"] > subscription["lastSuccess"]


def test_retry_waits_for_its_delay(enode: RunningSimulator, receiver: WebhookReceiver):
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
    """Wait until a delivery has had this many attempts with a known outcome."""
    deadline = time.monotonic() + 60
    while not any(delivery["attempts"] >= times for delivery in enode.json("GET", "/_sim/deliveries")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def deactivated_webhook(enode: RunningSimulator, receiver: WebhookReceiver) -> str:
    """The id of a webhook that was deactivated after a day of failures."""
    subscription = enode.create_subscription(receiver.url)
    receiver.statuses.extend([503] * 100_000)
    enode.link_car()
    tries = 0
    while enode.json("GET", f"/webhooks/{subscription['id']}")["isActive"]:
        tries += 1
        wait_for_attempts(enode, tries)
        enode.advance_time(3600)
    receiver.statuses.clear()
    return subscription["id"]


def test_webhook_is_deactivated_and_its_events_deleted_after_a_day_of_failures(
    enode: RunningSimulator, receiver: WebhookReceiver, deactivated_webhook: str
):
    attempts = len(receiver.deliveries)
    assert attempts in {
        25,
        26,
    }  # immediately, possibly after 5 s, and then hourly because the clock is advanced by hours
    assert enode.json("GET", "/_sim/health")["pending_events"] == 0
    assert enode.json("GET", "/_sim/deliveries")[-1]["state"] == "failed"
    enode.advance_time(3600)
    enode.json("POST", "/_sim/heartbeat", status=204)
    assert enode.json("GET", "/_sim/health")["pending_events"] == 0
    assert len(receiver.deliveries) == attempts
    assert enode.json("GET", f"/webhooks/{deactivated_webhook}")["isActive"] is False


def test_accepted_test_event_reactivates_the_webhook(
    enode: RunningSimulator, receiver: WebhookReceiver, deactivated_webhook: str
):
    answer = enode.json("POST", f"/webhooks/{deactivated_webhook}/test")
    assert (answer["status"], answer["response"]["code"]) == ("SUCCESS", 204)
    assert receiver.list_events("enode:webhook:test")
    assert enode.json("GET", f"/webhooks/{deactivated_webhook}")["isActive"] is True
    assert enode.collect_events(receiver, "system:heartbeat")


def test_update_reactivates_the_webhook(enode: RunningSimulator, receiver: WebhookReceiver, deactivated_webhook: str):
    assert enode.json("PATCH", f"/webhooks/{deactivated_webhook}", {"secret": "another secret"})["isActive"] is True
    assert enode.collect_events(receiver, "system:heartbeat")
    delivery = receiver.deliveries[-1]
    assert delivery.headers["x-enode-signature"] == sign("another secret", delivery.body)


def test_delivery_fails_without_an_answer_in_time(receiver: WebhookReceiver):
    simulator = RunningSimulator(make_settings(delays=Delays(answer_timeout=0.2)))
    try:
        simulator.sign_in()
        receiver.withhold_answers.set()
        subscription = simulator.create_subscription(receiver.url)
        simulator.json("POST", "/_sim/heartbeat", status=204)
        wait_for_attempts(simulator, 1)
        assert simulator.json("POST", f"/webhooks/{subscription['id']}/test")["response"] is None
        receiver.withhold_answers.clear()
        simulator.advance_time(6)
        receiver.wait_for_deliveries(3)
    finally:
        simulator.close()


def test_update_retries_a_failed_delivery_at_once(enode: RunningSimulator, receiver: WebhookReceiver):
    subscription = enode.create_subscription("http://127.0.0.1:9/nobody-listens")
    enode.link_car()
    wait_for_attempts(enode, 1)
    enode.json("PATCH", f"/webhooks/{subscription['id']}", {"url": receiver.url})
    receiver.wait_for_events("user:vehicle:discovered")


def test_update_during_a_failing_attempt_is_kept(receiver: WebhookReceiver):
    simulator, other = RunningSimulator(make_settings(delays=Delays(answer_timeout=0.2))), WebhookReceiver()
    try:
        simulator.sign_in()
        receiver.withhold_answers.set()
        subscription = simulator.create_subscription(receiver.url)
        simulator.json("POST", "/_sim/heartbeat", status=204)
        receiver.wait_for_deliveries(1)  # not answered yet
        simulator.json("PATCH", f"/webhooks/{subscription['id']}", {"url": other.url})
        assert other.wait_for_deliveries(1)[0].body == receiver.deliveries[0].body
    finally:
        other.close()
        simulator.close()


def test_failed_test_event_returns_the_webhooks_answer(enode: RunningSimulator, receiver: WebhookReceiver):
    subscription = enode.create_subscription(receiver.url)
    receiver.statuses.extend([418])
    refused = enode.json("POST", f"/webhooks/{subscription['id']}/test")
    assert (refused["status"], refused["response"]["code"]) == ("FAILURE", 418)
    enode.json("PATCH", f"/webhooks/{subscription['id']}", {"url": "http://127.0.0.1:9/nobody-listens"})
    assert enode.json("POST", f"/webhooks/{subscription['id']}/test") == {
        "status": "FAILURE",
        "description": "The webhook did not answer in time.",
        "response": None,
    }


def test_deleted_webhook_receives_no_events(enode: RunningSimulator, receiver: WebhookReceiver):
    subscription = enode.create_subscription(receiver.url)
    enode.link_car()
    enode.collect_events(receiver, "")
    enode.json("DELETE", f"/webhooks/{subscription['id']}", status=204)
    count = len(receiver.deliveries)
    enode.link_car(user="u2")
    other = WebhookReceiver()
    try:
        enode.create_subscription(other.url)
        assert enode.collect_events(other, "user:vehicle:discovered") == []
    finally:
        other.close()
    assert len(receiver.deliveries) == count
