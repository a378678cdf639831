"""Parsing the body of a delivery into events and set-aside bodies."""

import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.inbox.parser import parse_delivery

USER = UUID("0b0e6f0e-53a4-4a5d-9c77-0d2f2f3a6b77")
EVENT = {
    "event": "user:vehicle:updated",
    "createdAt": "2026-03-14T08:21:08.003Z",
    "version": "2024-10-01",
    "user": {"id": str(USER)},
    "vehicle": {"id": "car", "chargeState": {"range": 241.5}},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def parse_items(*items):
    return parse_delivery(json.dumps(items).encode())


def test_event_is_parsed_into_the_columns_of_the_queue():
    (event,) = parse_items(EVENT).events
    assert (event.name, event.version, event.user_id, event.enode_vehicle_id) == (
        "user:vehicle:updated",
        "2024-10-01",
        USER,
        "car",
    )
    assert event.created_at == datetime(2026, 3, 14, 8, 21, 8, 3000, tzinfo=UTC)
    assert json.loads(event.payload) == EVENT


def test_single_object_is_one_event():
    assert parse_delivery(json.dumps(EVENT).encode()).events == parse_items(EVENT).events


def test_action_event_belongs_to_the_vehicle_that_it_targets():
    action = {"targetId": "car", "targetType": "vehicle"}
    (event,) = parse_items(EVENT | {"vehicle": None, "vendorAction": action}).events
    assert event.enode_vehicle_id == "car"
    (event,) = parse_items(EVENT | {"vehicle": None, "vendorAction": action | {"targetType": "charger"}}).events
    assert event.enode_vehicle_id is None


@pytest.mark.parametrize("user", [None, {}, {"id": None}, {"id": "ha-user-7f3a"}, "x", {"id": 5}])
def test_user_id_that_is_not_a_uuid_is_accepted_as_no_user(user):
    delivery = parse_items(EVENT | {"user": user})
    assert delivery.events[0].user_id is None
    assert delivery.set_aside is None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b'[{"event":"user:vehicle:upd', "not JSON"),
        (b"\xff\xfe[]", "not JSON"),
        (b"hello", "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
        (b"1" * 5000, "not JSON"),
        (b"42", "an item is not an object"),
        (b"[null]", "an item is not an object"),
        (b"[[]]", "an item is not an object"),
        (b'[{"event":"x"}]', "an event has no createdAt"),
        (b'[{"event":"x","createdAt":"yesterday"}]', "an event has no createdAt"),
        (b'[{"event":"x","createdAt":"0001-01-01T00:00:00+23:59"}]', "an event has no createdAt"),
        (b'[{"createdAt":"2026-03-14T08:21:08Z"}]', "an event has no name"),
        (b'[{"event":7,"createdAt":"2026-03-14T08:21:08Z"}]', "an event has no name"),
        (
            rb'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":"\u0000"}]',
            "an event contains a value that the database can't store",
        ),
        (
            rb'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","\u0000":1}]',
            "an event contains a value that the database can't store",
        ),
        (
            rb'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":"\ud83d"}]',
            "an event contains a value that the database can't store",
        ),
        (
            b'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":1e200000}]',
            "an event contains a value that the database can't store",
        ),
        (
            b'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":NaN}]',
            "an event contains a value that the database can't store",
        ),
        (json.dumps([EVENT] * 101).encode(), "more than 100 events"),
    ],
)
def test_body_that_cannot_be_parsed_is_set_aside_unchanged(raw, reason):
    delivery = parse_delivery(raw)
    assert delivery.events == ()
    assert (delivery.set_aside.raw, delivery.set_aside.reason) == (raw, reason)


def test_invalid_item_does_not_affect_the_other_events():
    delivery = parse_items(EVENT, 5, {"event": "x"}, EVENT | {"event": "other"})
    assert [event.name for event in delivery.events] == ["user:vehicle:updated", "other"]
    assert delivery.set_aside.reason == "an event has no createdAt; an item is not an object"
    assert len(parse_delivery(delivery.set_aside.raw).events) == 2


def test_escaped_backslash_before_u0000_is_text():
    delivery = parse_items(EVENT | {"note": "\\u0000", "\\\\u0000": 1})
    assert delivery.set_aside is None
    assert parse_items(EVENT | {"note": "\\\u0000"}).set_aside is not None


def test_deliveries_of_a_hundred_events_and_of_none_are_accepted():
    assert len(parse_items(*[EVENT] * 100).events) == 100
    assert parse_items() == parse_delivery(b" [ ] ")
    assert (parse_items().events, parse_items().set_aside) == ((), None)


def test_same_content_at_another_time_is_another_event():
    other = EVENT | {"createdAt": "2026-03-14T08:21:08.004Z"}
    assert parse_items(EVENT).events[0].digest != parse_items(other).events[0].digest


def test_digest_is_the_sha256_of_compact_sorted_json():
    """Stored digests tell known events from new ones, so the form must never change."""
    event = {"event": "x", "createdAt": "2026-03-14T08:21:08Z", "a": ["ü", 1.5, None]}
    payload = '{"a":["ü",1.5,null],"createdAt":"2026-03-14T08:21:08Z","event":"x"}'
    [parsed] = parse_items(event).events
    assert (parsed.payload, parsed.digest) == (payload, hashlib.sha256(payload.encode()).digest())
    assert parse_delivery(b"no JSON").set_aside.digest == hashlib.sha256(b"no JSON").digest()


@given(st.dictionaries(st.text(), json_values, max_size=4), st.integers(0, 4), st.randoms())
def test_digest_ignores_the_order_of_keys_and_white_space(extra, indent, random):
    event = extra | EVENT
    shuffled = list(event.items())
    random.shuffle(shuffled)
    one = parse_delivery(json.dumps([event]).encode())
    two = parse_delivery(json.dumps([dict(shuffled)], indent=indent, ensure_ascii=False).encode(errors="surrogatepass"))
    assert [event.digest for event in one.events] == [event.digest for event in two.events]


@given(st.binary())
def test_any_bytes_become_events_or_a_set_aside_body(raw):
    delivery = parse_delivery(raw)
    assert delivery.events or delivery.set_aside or json.loads(raw) == []


@given(st.lists(json_values, max_size=4), st.lists(st.dictionaries(st.sampled_from([*EVENT, "x"]), json_values)))
def test_any_json_is_accepted_and_a_set_aside_body_keeps_every_byte(values, event_like):
    raw = json.dumps([*values, *(EVENT | item for item in event_like)]).encode()
    delivery = parse_delivery(raw)
    assert delivery.set_aside is None or delivery.set_aside.raw == raw
    assert len(delivery.events) <= len(values) + len(event_like)
