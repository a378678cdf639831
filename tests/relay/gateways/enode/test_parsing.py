"""Tolerant parsing of Enode's JSON: unknown values are kept, unknown keys ignored, bad values None, ids required."""

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
def test_objects_parse_whatever_their_optional_members_hold(kind, data):
    ids = {key: f"some-{key}" for key in REQUIRED[kind]}
    # Elements of linkedVendors require a vendor; all other members are optional.
    others = data.draw(st.dictionaries(st.sampled_from([key for key in KEYS if key != "linkedVendors"]), JSON))
    parsed = kind.from_json(others | ids, "test")
    assert parsed == kind.from_json(json.loads(json.dumps(others | ids)), "test")


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, keys in REQUIRED.items() for key in sorted(keys)], ids=str
)
@pytest.mark.parametrize("value", [None, "", 5, [], "absent"])
def test_missing_required_member_raises_protocol_error(kind, key, value):
    source = {name: f"some-{name}" for name in REQUIRED[kind]} | {key: value}
    if value == "absent":
        del source[key]
    with pytest.raises(EnodeProtocolError) as caught:
        kind.from_json(source, "test")
    assert caught.value.fault == f"no {key}"


@pytest.mark.parametrize("key", ["id", "userId"])
def test_vehicle_needs_its_ids_and_is_otherwise_unchanged(vehicle, key):
    assert validate_vehicle(vehicle, "test") is vehicle
    with pytest.raises(EnodeProtocolError):
        validate_vehicle(vehicle | {key: None}, "test")


def test_action_is_parsed(action):
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
def test_action_state_is_an_enum_member_if_known_and_always_equals_the_text(action, state):
    parsed = ChargeAction.from_json(action | {"state": state}, "test").state
    assert parsed == state
    assert isinstance(parsed, ActionState) is (state != "REHEARSED")


@pytest.mark.parametrize(
    ("reason", "parsed"),
    [
        (None, None),
        ("NO_RESPONSE", None),
        ({}, FailureReason(type="UNKNOWN", detail=None)),
        ({"type": "NO_RESPONSE", "detail": "x"}, FailureReason(type="NO_RESPONSE", detail="x")),
        ({"type": "MOON_PHASE", "more": 1}, FailureReason(type="MOON_PHASE", detail=None)),
    ],
)
def test_failure_reason_is_parsed(action, reason, parsed):
    assert ChargeAction.from_json(action | {"failureReason": reason}, "test").failure_reason == parsed


def test_action_of_another_kind_has_kind_none(action):
    del action["kind"]
    assert ChargeAction.from_json(action | {"targetState": {"maxCurrent": 16}}, "test").kind is None


@pytest.mark.parametrize(
    ("text", "parsed"),
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
def test_times_are_aware_and_in_utc(action, text, parsed):
    assert ChargeAction.from_json(action | {"createdAt": text}, "test").created_at == parsed


def test_user_and_linked_vendors_are_parsed():
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


def test_webhook_subscription_is_parsed(subscription):
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
    ("source", "parsed"),
    [
        ({"status": "SUCCESS", "description": "fine", "response": {"code": 204}}, (True, "fine", 204)),
        ({"status": "FAILURE", "description": "no answer", "response": None}, (False, "no answer", None)),
        ({"status": "MAYBE", "response": {"code": "200"}}, (False, None, None)),
    ],
)
def test_result_of_a_test_delivery_is_parsed(source, parsed):
    result = WebhookTestResult.from_json(source, "test")
    assert (result.succeeded, result.description, result.response_status) == parsed


@pytest.mark.parametrize("status", ["READY", "ELEVATED_ERROR_RATE", "OUTAGE", "ON_STRIKE"])
def test_vendor_health_keeps_unknown_statuses(status):
    health = VendorHealth.from_json({"vendor": "TESLA", "status": status, "linkingStatus": "READY"}, "test")
    assert health.status == status
    assert isinstance(health.status, VendorStatus) is (status != "ON_STRIKE")
    assert health.linking_status is VendorStatus.READY


def test_intervention_without_a_resolution_is_parsed():
    intervention = Intervention.from_json({"id": "i", "resolution": "call us"}, "test")
    assert (intervention.id, intervention.title, intervention.action) == ("i", None, None)


def test_intervention_is_parsed():
    texts = {name: f"the {name}" for name in ("title", "description", "access", "agent", "action")}
    source = {"id": "1", "vendor": "TESLA", "vendorType": "vehicle", "brand": "Tesla", "domain": "Account"}
    source |= {"introducedAt": "2026-11-29T12:00:00Z", "resolution": texts, "title": "not here", "action": "nor this"}
    assert Intervention.from_json(source, "test") == Intervention(
        id="1",
        vendor="TESLA",
        vendor_type="vehicle",
        brand="Tesla",
        introduced_at=datetime(2026, 11, 29, 12, tzinfo=UTC),
        domain="Account",
        **texts,
    )
