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
    assert delivery.set_aside == ()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe[]", "not JSON"),
        (b"hello", "not JSON"),
        (b"{" * 100_000, "not JSON"),
        (b'{"event":"user:vehicle:upd', "not JSON"),
        (b"1" * 5000, "not JSON"),
        (b"42", "an item is not an object"),
        (b"[null]", "an item is not an object"),
        (b"[[]]", "an item is not an object"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
        (b'[{"event":"user:vehicle:upd', "not JSON"),
        (b'[{"event":"x"}]', "an event has no createdAt"),
        (b'[{"event":"x"},5]', "an event has no createdAt; an item is not an object"),
        (json.dumps([EVENT] * 101).encode(), "more than 100 events"),
    ],
)
def test_body_without_a_valid_event_is_set_aside_unchanged(raw, reason):
    delivery = parse_delivery(raw)
    assert delivery.events == ()
    [set_aside] = delivery.set_aside
    assert (set_aside.raw, set_aside.reason) == (raw, reason)


UNSTORABLE = "an event contains a value that the database can't store"
HEAD = b'{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":'
BAD_ITEMS = [
    (b"null", "an item is not an object"),
    (b"[]", "an item is not an object"),
    (b'"text"', "an item is not an object"),
    (b"5", "an item is not an object"),
    (b"7" * 5000, "not JSON"),
    (HEAD + b"7" * 5000 + b"}", "not JSON"),
    (HEAD + b"-" + b"7" * 5000 + b"}", "not JSON"),
    (HEAD + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
    (HEAD + b'{"b":[' * 100_000 + b"]}" * 100_000 + b"}", "not JSON"),
    (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
    (HEAD + b"NaN}", UNSTORABLE),
    (HEAD + b"-Infinity}", UNSTORABLE),
    (HEAD + b"1e200000}", UNSTORABLE),
    (HEAD + rb'"\ud83d"}', UNSTORABLE),
    (HEAD + rb'"\u0000"}', UNSTORABLE),
    (HEAD + rb'1,"\u0000":2}', UNSTORABLE),
    (HEAD + b'"\xff\xfe"}', "not JSON"),
    (HEAD + b'"\xed\xa0\x80"}', "not JSON"),
    (HEAD + b"tru}", "not JSON"),
    (HEAD + b"'x'}", "not JSON"),
    (HEAD + b"[1,2}", "not JSON"),
    (HEAD + b"1]}", "not JSON"),
    (HEAD + b'"\n"}', "not JSON"),
    (HEAD + rb'"\x"}', "not JSON"),
    (HEAD + b"}", "not JSON"),
    (HEAD + b"1}}", "not JSON"),
    (b'{"event":"x"}', "an event has no createdAt"),
    (b'{"event":"x","createdAt":"yesterday"}', "an event has no createdAt"),
    (b'{"event":"x","createdAt":"0001-01-01T00:00:00+23:59"}', "an event has no createdAt"),
    (b'{"createdAt":"2026-03-14T08:21:08Z"}', "an event has no name"),
    (b'{"event":7,"createdAt":"2026-03-14T08:21:08Z"}', "an event has no name"),
]


def make_good_items(count):
    return [json.dumps(EVENT | {"n": n, "text": 'a "]}[{, \\\\'}).encode() for n in range(count)]


@pytest.mark.parametrize("place", [0, 7, 20])
@pytest.mark.parametrize(("bad", "reason"), BAD_ITEMS, ids=range(len(BAD_ITEMS)))
def test_bad_item_alone_is_set_aside_and_its_neighbours_are_events(bad, reason, place):
    items = make_good_items(20)
    items.insert(place, bad)
    delivery = parse_delivery(b"[" + b", ".join(items) + b"]\n")
    assert [json.loads(event.payload)["n"] for event in delivery.events] == list(range(20))
    assert [(item.raw, item.reason) for item in delivery.set_aside] == [(bad, reason)]


@pytest.mark.parametrize(("bad", "reason"), BAD_ITEMS, ids=range(len(BAD_ITEMS)))
def test_all_good_items_between_bad_ones_are_events(bad, reason):
    good = make_good_items(3)
    delivery = parse_delivery(b"[" + b",".join([bad, good[0], bad, good[1], BAD_ITEMS[0][0], good[2]]) + b"]")
    assert [json.loads(event.payload)["n"] for event in delivery.events] == [0, 1, 2]
    assert [item.reason for item in delivery.set_aside] == [reason, reason, BAD_ITEMS[0][1]]


@pytest.mark.parametrize("cut", [1, 2, 10, 60, 150])
def test_truncated_body_loses_only_its_last_item(cut):
    items = make_good_items(20)
    body = b"[" + b",".join(items)
    delivery = parse_delivery(body[:-cut])
    assert [json.loads(event.payload)["n"] for event in delivery.events] == list(range(19))
    assert [item.raw for item in delivery.set_aside] == [items[-1][:-cut]]


def test_missing_end_of_the_array_loses_nothing():
    assert len(parse_delivery(b"[" + b",".join(make_good_items(20))).events) == 20


def test_text_after_the_array_is_set_aside():
    delivery = parse_delivery(b"[" + make_good_items(1)[0] + b",]] trailing")
    assert (len(delivery.events), [item.raw for item in delivery.set_aside]) == (1, [b"] trailing"])


def test_digest_of_an_item_differs_from_that_of_an_event_with_the_same_text():
    """Else a later release that understands the item would take its event for a known one."""
    [set_aside] = parse_items({"event": "x"}, EVENT).set_aside
    assert set_aside.digest != hashlib.sha256(set_aside.raw).digest()
    assert set_aside.digest == parse_items(EVENT, {"event": "x"}).set_aside[0].digest


def test_escaped_backslash_before_u0000_is_text():
    delivery = parse_items(EVENT | {"note": "\\u0000", "\\\\u0000": 1})
    assert delivery.set_aside == ()
    assert parse_items(EVENT | {"note": "\\\u0000"}).set_aside != ()


def test_deliveries_of_a_hundred_events_and_of_none_are_accepted():
    assert len(parse_items(*[EVENT] * 100).events) == 100
    assert parse_items() == parse_delivery(b" [ ] ")
    assert (parse_items().events, parse_items().set_aside) == ((), ())


def test_same_content_at_another_time_is_another_event():
    other = EVENT | {"createdAt": "2026-03-14T08:21:08.004Z"}
    assert parse_items(EVENT).events[0].digest != parse_items(other).events[0].digest


def test_digest_is_the_sha256_of_compact_sorted_json():
    """Stored digests tell known events from new ones, so the form must never change."""
    event = {"event": "x", "createdAt": "2026-03-14T08:21:08Z", "a": ["ü", 1.5, None]}
    payload = '{"a":["ü",1.5,null],"createdAt":"2026-03-14T08:21:08Z","event":"x"}'
    [parsed] = parse_items(event).events
    assert (parsed.payload, parsed.digest) == (payload, hashlib.sha256(payload.encode()).digest())
    assert parse_delivery(b"no JSON").set_aside[0].digest == hashlib.sha256(b"no JSON").digest()


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
def test_any_json_is_accepted_and_set_aside_items_keep_every_byte(values, event_like):
    texts = [json.dumps(item) for item in (EVENT, *values, *(EVENT | item for item in event_like))]
    delivery = parse_delivery(f"[{', '.join(texts)}]".encode())
    assert len(delivery.events) + len(delivery.set_aside) == len(texts)
    assert {item.raw.decode() for item in delivery.set_aside} <= set(texts)


@given(
    st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"\\", b" ", b"x", b"1"]), max_size=12), st.booleans()
)
def test_no_text_costs_the_events_before_it(tokens, is_closed):
    delivery = parse_delivery(b"[" + b",".join([*make_good_items(2), b"".join(tokens)]) + b"]" * is_closed)
    assert [json.loads(event.payload)["n"] for event in delivery.events] == [0, 1]


SIZE = 512 * 1024
ADVERSARIAL = {
    "opening": lambda size: b"[" * size,
    "alternating": lambda size: b"[]" * (size // 2),
    "balanced": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "objects": lambda size: b'{"a":[' * (size // 8) + b"]}" * (size // 8),
    "wrong kind": lambda size: b"[" * (size // 2) + b"}" * (size // 2),
    "wrong kind within": lambda size: b"[{" * (size // 4) + b"]" * (size // 2),
    "crossed": lambda size: b"{[" * (size // 4) + b"}[" * (size // 4),
    "three levels": lambda size: b"[" + b"[[[1]]]," * (size // 8),
    "quotes": lambda size: b'"' + b'\\"' * (size // 2),
    "strings": lambda size: b"[" + b'"",' * (size // 3),
    "brackets in strings": lambda size: b"[" + b'"],["' * (size // 5),
    "digits": lambda size: b"7" * size,
}


@pytest.mark.parametrize("make_bad", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_large_bad_item_is_parsed_in_linear_time(make_bad):
    """In quadratic time, it would take hours, and pytest-timeout would fail the test."""
    delivery = parse_delivery(b"[" + make_good_items(1)[0] + b"," + make_bad(SIZE) + b"]")
    assert len(delivery.events) == 1
