"""Bodies for the integration's endpoint, and what acknowledges one."""

import json
import math
from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.delivery.payloads import encode_json, is_acknowledged, render_changes_body, render_test_body
from relay.feed.cursor import Cursor
from relay.feed.messages import SnapshotMessage, TransitionMessage

AT = datetime(2026, 11, 29, tzinfo=UTC)


def test_changes_body_has_each_message_with_its_cursor_up_to_the_end():
    transition = TransitionMessage(
        seq=10, vehicle_id=UUID(int=1), kind="plugged_in", occurred_at=AT, recorded_at=AT, replayed=True
    )
    snapshot = SnapshotMessage(at=AT, epoch="e", account={"id": "a"}, vehicles=())
    messages = [(snapshot, Cursor(epoch="e", seq=9)), (transition, Cursor(epoch="e", seq=10))]
    assert json.loads(render_changes_body(Cursor(epoch="e", seq=11), messages)) == {
        "type": "changes",
        "cursor": "e.11",
        "messages": [
            {
                "event": "snapshot",
                "id": "e.9",
                "data": {"at": "2026-11-29T00:00:00.000Z", "epoch": "e", "account": {"id": "a"}, "vehicles": []},
            },
            {
                "event": "transition",
                "id": "e.10",
                "data": {
                    "vehicle_id": "00000000-0000-0000-0000-000000000001",
                    "type": "plugged_in",
                    "occurred_at": "2026-11-29T00:00:00.000Z",
                    "recorded_at": "2026-11-29T00:00:00.000Z",
                    "replayed": True,
                },
            },
        ],
    }


def test_test_body_has_neither_cursor_nor_messages():
    assert render_test_body() == b'{"type":"test","cursor":null,"messages":[]}'


def test_json_is_compact_ascii_and_refuses_what_is_no_json():
    assert encode_json({"a": [1, "ü\u2028"]}) == b'{"a":[1,"\\u00fc\\u2028"]}'
    with pytest.raises(ValueError, match="JSON"):
        encode_json({"a": math.nan})


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b'{"ack": "msg_1"}', True),
        (b' {"more": 1, "ack": "msg_1"}\n', True),
        (b'{"ack": "msg_2"}', False),
        (b'{"ack": "msg_1"}}', False),
        (b'{"ack": null}', False),
        (b'{"ack": ["msg_1"]}', False),
        (b'{"ACK": "msg_1"}', False),
        (b"{}", False),
        (b'["ack", "msg_1"]', False),
        (b'"msg_1"', False),
        (b"msg_1", False),
        (b"OK", False),
        (b"", False),
        (b"null", False),
        (b"\xff\xfe", False),
        (b"[" * 100_000, False),
    ],
)
def test_only_the_message_id_acknowledges_a_message(response, expected):
    assert is_acknowledged(response, "msg_1") is expected
