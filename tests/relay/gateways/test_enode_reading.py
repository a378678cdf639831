"""Enode's JSON read tolerantly: unknown words are kept, unknown keys ignored, odd values absent, ids insisted on."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.gateways.enode import (
    ActionKind,
    ActionState,
    ChargeAction,
    EnodeProtocolError,
    FailureReason,
    Intervention,
    LinkedVendor,
    LinkSession,
    User,
    VendorHealth,
    VendorStatus,
    WebhookSubscription,
    WebhookTestResult,
    validate_vehicle,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
REQUIRED = {
    ChargeAction: {"id", "userId", "targetId", "state"},
    User: {"id"},
    LinkSession: {"linkUrl"},
    WebhookSubscription: {"id", "url"},
    WebhookTestResult: {"status"},
    VendorHealth: {"vendor"},
    Intervention: {"id"},
}
KEYS = sorted(
    set().union(*REQUIRED.values())
    | {"linkedVendors", "isValid", "kind", "failureReason", "type", "createdAt", "events", "isActive", "lastSuccess"}
    | {"authentication", "headerName", "response", "code", "status", "linkingStatus", "resolution", "somethingNew"}
)


@pytest.mark.parametrize("kind", REQUIRED, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_with_its_ids_in_place_anything_else_may_be_anything(kind, data):
    ids = {key: f"some-{key}" for key in REQUIRED[kind]}
    # Items of linkedVendors need a vendor of their own; everything else is free.
    others = data.draw(st.dictionaries(st.sampled_from([key for key in KEYS if key != "linkedVendors"]), JSON))
    read = kind.from_json(others | ids, "test")
    assert read == kind.from_json(json.loads(json.dumps(others | ids)), "test")


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, keys in REQUIRED.items() for key in sorted(keys)], ids=str
)
@pytest.mark.parametrize("value", [None, "", 5, [], "absent"])
def test_without_a_required_id_nothing_is_read(kind, key, value):
    source = {name: f"some-{name}" for name in REQUIRED[kind]} | {key: value}
    if value == "absent":
        del source[key]
    with pytest.raises(EnodeProtocolError) as caught:
        kind.from_json(source, "test")
    assert caught.value.fault == f"no {key}"


@pytest.mark.parametrize("key", ["id", "userId"])
def test_a_vehicle_needs_its_ids_and_is_otherwise_left_alone(vehicle, key):
    assert validate_vehicle(vehicle, "test") is vehicle
    with pytest.raises(EnodeProtocolError):
        validate_vehicle(vehicle | {key: None}, "test")


def test_an_action(action):
    assert ChargeAction.from_json(action, "test") == ChargeAction(
        id="7d6d0b0e-3f5c-4a1a-9f6e-5b0e7a4f2c10",
        user_id="ha-user-7f3a",
        target_id="3f0c2b1e-6a64-4d0e-9b57-1c7f5f0a9d21",
        target_type="vehicle",
        kind=ActionKind.START,
        state=ActionState.PENDING,
        failure_reason=None,
        created_at=datetime(2026, 3, 14, 8, 20, 1, 100_000, tzinfo=UTC),
        updated_at=datetime(2026, 3, 14, 8, 50, 2, tzinfo=UTC),
        completed_at=None,
    )


@pytest.mark.parametrize("state", ["PENDING", "CONFIRMED", "FAILED", "CANCELLED", "REHEARSED"])
def test_the_state_of_an_action_is_a_member_when_known_and_always_the_text(action, state):
    read = ChargeAction.from_json(action | {"state": state}, "test").state
    assert read == state
    assert isinstance(read, ActionState) is (state != "REHEARSED")


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        (None, None),
        ("NO_RESPONSE", None),
        ({}, FailureReason(type="UNKNOWN", detail=None)),
        ({"type": "NO_RESPONSE", "detail": "x"}, FailureReason(type="NO_RESPONSE", detail="x")),
        ({"type": "MOON_PHASE", "more": 1}, FailureReason(type="MOON_PHASE", detail=None)),
    ],
)
def test_why_an_action_failed(action, reason, read):
    assert ChargeAction.from_json(action | {"failureReason": reason}, "test").failure_reason == read


def test_an_action_of_another_kind_has_none(action):
    del action["kind"]
    assert ChargeAction.from_json(action | {"targetState": {"maxCurrent": 16}}, "test").kind is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-03-14T08:20:01.100Z", datetime(2026, 3, 14, 8, 20, 1, 100_000, tzinfo=UTC)),
        ("2026-03-14T10:20:01+02:00", datetime(2026, 3, 14, 8, 20, 1, tzinfo=UTC)),
        ("2026-03-14T08:20:01", datetime(2026, 3, 14, 8, 20, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        ("", None),
        (1773476401, None),
        (None, None),
    ],
)
def test_times_are_aware_and_in_utc(action, written, read):
    assert ChargeAction.from_json(action | {"createdAt": written}, "test").created_at == read


def test_a_user_and_what_is_linked():
    source = {
        "id": "u",
        "linkedVendors": [
            {"vendor": "TESLA", "vendorType": "vehicle", "isValid": True},
            {"vendor": "NEWCOMER", "isValid": "yes", "extra": 1},
            "odd",
        ],
    }
    assert User.from_json(source, "test").linked_vendors == (
        LinkedVendor(vendor="TESLA", vendor_type="vehicle", is_valid=True),
        LinkedVendor(vendor="NEWCOMER", vendor_type=None, is_valid=None),
    )


def test_a_webhook_subscription(subscription):
    assert WebhookSubscription.from_json(subscription, "test") == WebhookSubscription(
        id="8f6d2a1c-0a7e-4b51-9f0d-2d9f2f3a6b77",
        url="https://relay.example.org/enode/webhook",
        events=("user:vehicle:updated",),
        is_active=True,
        last_success=datetime(2026, 3, 14, 8, 0, tzinfo=UTC),
        created_at=datetime(2026, 3, 14, 8, 0, tzinfo=UTC),
        api_version="2024-10-01",
        header_name="x-relay",
    )


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ({"status": "SUCCESS", "description": "fine", "response": {"code": 204}}, (True, "fine", 204)),
        ({"status": "FAILURE", "description": "no answer", "response": None}, (False, "no answer", None)),
        ({"status": "MAYBE", "response": {"code": "200"}}, (False, None, None)),
    ],
)
def test_what_came_of_a_test_delivery(source, read):
    outcome = WebhookTestResult.from_json(source, "test")
    assert (outcome.succeeded, outcome.description, outcome.response_status) == read


@pytest.mark.parametrize("status", ["READY", "ELEVATED_ERROR_RATE", "OUTAGE", "ON_STRIKE"])
def test_vendor_health_keeps_words_we_do_not_know(status):
    read = VendorHealth.from_json({"vendor": "TESLA", "status": status, "linkingStatus": "READY"}, "test")
    assert read.status == status
    assert isinstance(read.status, VendorStatus) is (status != "ON_STRIKE")
    assert read.linking_status is VendorStatus.READY


def test_an_intervention_without_its_resolution():
    read = Intervention.from_json({"id": "i", "resolution": "call us"}, "test")
    assert (read.id, read.title, read.action) == ("i", None, None)
