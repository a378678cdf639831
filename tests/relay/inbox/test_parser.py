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


def read(*items):
    return parse_delivery(json.dumps(items).encode())


def test_an_event_is_taken_apart_only_as_far_as_the_queue_needs():
    (event,) = read(EVENT).events
    assert (event.name, event.version, event.user_id, event.enode_vehicle_id) == (
        "user:vehicle:updated",
        "2024-10-01",
        USER,
        "car",
    )
    assert event.created_at == datetime(2026, 3, 14, 8, 21, 8, 3000, tzinfo=UTC)
    assert json.loads(event.payload) == EVENT


def test_a_single_object_is_one_event():
    assert parse_delivery(json.dumps(EVENT).encode()).events == read(EVENT).events


def test_an_action_is_about_the_vehicle_it_targets():
    action = {"targetId": "car", "targetType": "vehicle"}
    (event,) = read(EVENT | {"vehicle": None, "vendorAction": action}).events
    assert event.enode_vehicle_id == "car"
    (event,) = read(EVENT | {"vehicle": None, "vendorAction": action | {"targetType": "charger"}}).events
    assert event.enode_vehicle_id is None


@pytest.mark.parametrize("user", [None, {}, {"id": None}, {"id": "ha-user-7f3a"}, "x", {"id": 5}])
def test_a_user_whom_we_cannot_know_is_no_fault(user):
    delivery = read(EVENT | {"user": user})
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
def test_what_cannot_be_taken_apart_is_set_aside_as_it_came(raw, reason):
    delivery = parse_delivery(raw)
    assert delivery.events == ()
    assert (delivery.set_aside.raw, delivery.set_aside.reason) == (raw, reason)


def test_an_odd_item_does_not_take_its_neighbours_along():
    delivery = read(EVENT, 5, {"event": "x"}, EVENT | {"event": "other"})
    assert [it.name for it in delivery.events] == ["user:vehicle:updated", "other"]
    assert delivery.set_aside.reason == "an event has no createdAt; an item is not an object"
    assert len(parse_delivery(delivery.set_aside.raw).events) == 2


def test_a_backslash_before_u0000_is_just_text():
    delivery = read(EVENT | {"note": "\\u0000", "\\\\u0000": 1})
    assert delivery.set_aside is None
    assert read(EVENT | {"note": "\\\u0000"}).set_aside is not None


def test_a_hundred_events_are_fine_and_none_too():
    assert len(read(*[EVENT] * 100).events) == 100
    assert read() == parse_delivery(b" [ ] ")
    assert (read().events, read().set_aside) == ((), None)


def test_the_same_content_at_another_time_is_another_event():
    other = EVENT | {"createdAt": "2026-03-14T08:21:08.004Z"}
    assert read(EVENT).events[0].digest != read(other).events[0].digest


@given(st.dictionaries(st.text(), json_values, max_size=4), st.integers(0, 4), st.randoms())
def test_the_digest_knows_neither_the_order_of_keys_nor_white_space(extra, indent, random):
    plain = extra | EVENT
    shuffled = list(plain.items())
    random.shuffle(shuffled)
    one = parse_delivery(json.dumps([plain]).encode())
    two = parse_delivery(json.dumps([dict(shuffled)], indent=indent, ensure_ascii=False).encode(errors="surrogatepass"))
    assert [it.digest for it in one.events] == [it.digest for it in two.events]


@given(st.binary())
def test_any_bytes_become_something_that_can_be_stored(raw):
    delivery = parse_delivery(raw)
    assert delivery.events or delivery.set_aside or json.loads(raw) == []


@given(st.lists(json_values, max_size=4), st.lists(st.dictionaries(st.sampled_from([*EVENT, "x"]), json_values)))
def test_any_json_does_and_raw_keeps_every_byte(values, almost):
    raw = json.dumps([*values, *(EVENT | it for it in almost)]).encode()
    delivery = parse_delivery(raw)
    assert delivery.set_aside is None or delivery.set_aside.raw == raw
    assert len(delivery.events) <= len(values) + len(almost)
