"""What a delivery to the webhook contains: the messages of the stream, each with its cursor."""

import json
from typing import Any

import pytest
from relay_double import TESLA, make_account, make_record

from custom_components.evconduit.client import (
    Account,
    MalformedError,
    ReceivedMessage,
    Snapshot,
    Transition,
    VehicleRecord,
    VehicleRemoved,
    WebhookDelivery,
)

MESSAGES: dict[str, tuple[dict[str, Any], type]] = {
    "snapshot": ({"account": make_account(), "vehicles": []}, Snapshot),
    "vehicle": (make_record(TESLA), VehicleRecord),
    "vehicle_removed": ({"id": TESLA}, VehicleRemoved),
    "transition": ({"vehicle_id": TESLA, "type": "unplugged"}, Transition),
    "account": (make_account(), Account),
}


def parse_delivery(*messages: object, **members: object) -> tuple[ReceivedMessage, ...]:
    body = {"type": "changes", "messages": messages} | members
    return WebhookDelivery.parse(json.dumps(body).encode()).messages


@pytest.mark.parametrize("event", MESSAGES)
def test_message_is_parsed_with_its_cursor(event: str):
    data, type_ = MESSAGES[event]
    (received,) = parse_delivery({"event": event, "id": "e1.7", "data": data})
    assert type(received.message) is type_
    assert received.cursor == "e1.7"


def test_messages_keep_their_order():
    first, second = parse_delivery(
        {"event": "vehicle", "id": "e1.1", "data": make_record(TESLA, 1)},
        {"event": "vehicle", "id": "e1.2", "data": make_record(TESLA, 2)},
    )
    assert (first.cursor, second.cursor) == ("e1.1", "e1.2")


@pytest.mark.parametrize("cursor", [{}, {"id": None}, {"id": ""}, {"id": 7}])
def test_message_without_cursor_has_none(cursor: dict[str, object]):
    (received,) = parse_delivery({"event": "account", "data": make_account(), **cursor})
    assert received.cursor is None


@pytest.mark.parametrize(
    "message",
    [
        {"event": "weather", "id": "e1.1", "data": {"sunny": True}},
        {"event": "weather", "id": "e1.1"},
        {"event": "bye", "id": "e1.1", "data": {"reason": "restart"}},
    ],
)
def test_other_messages_are_skipped(message: object):
    assert parse_delivery(message) == ()


def test_delivery_without_messages_is_accepted():
    assert parse_delivery(type="test") == ()


@pytest.mark.parametrize(
    "message",
    [
        {"id": "e1.1", "data": {}},
        {"event": None, "id": "e1.1", "data": {}},
        {"event": "account", "id": "e1.1"},
        {"event": "account", "id": "e1.1", "data": []},
        {"event": "account", "id": "e1.1", "data": {}},
    ],
)
def test_message_without_event_or_data_is_rejected(message: object):
    with pytest.raises(MalformedError):
        parse_delivery(message)


@pytest.mark.parametrize("members", [{"type": None}, {"type": ""}, {"messages": None}, {"messages": {}}])
def test_delivery_without_type_or_messages_is_rejected(members: dict[str, object]):
    with pytest.raises(MalformedError):
        parse_delivery(**members)
