"""The JSON of each message: the same on the stream, in REST answers and in webhooks."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.feed.cursor import Cursor
from relay.feed.messages import (
    AccountMessage,
    ByeMessage,
    FeedChanges,
    SnapshotMessage,
    TransitionMessage,
    VehicleMessage,
    VehicleRemovedMessage,
)

AT, SHOWN, ID = datetime(2026, 11, 29, 12, tzinfo=UTC), "2026-11-29T12:00:00.000Z", UUID(int=5)
TRANSITION = {"vehicle_id": str(ID), "type": "unplugged", "occurred_at": SHOWN, "recorded_at": SHOWN, "replayed": False}


@pytest.mark.parametrize(
    ("message", "event", "body"),
    [
        (
            SnapshotMessage(at=AT, epoch="e", account={"id": 1}, vehicles=({"id": 2},)),
            "snapshot",
            {"at": SHOWN, "epoch": "e", "account": {"id": 1}, "vehicles": [{"id": 2}]},
        ),
        (
            SnapshotMessage(at=AT, epoch="e", account={}, vehicles=(), gap=True),
            "snapshot",
            {"at": SHOWN, "epoch": "e", "account": {}, "vehicles": [], "gap": True},
        ),
        (VehicleMessage(seq=1, record={"id": 2}), "vehicle", {"id": 2}),
        (
            VehicleRemovedMessage(seq=1, vehicle_id=ID, reason="unlinked"),
            "vehicle_removed",
            {"id": str(ID), "reason": "unlinked"},
        ),
        (VehicleRemovedMessage(seq=1, vehicle_id=ID, reason=None), "vehicle_removed", {"id": str(ID), "reason": None}),
        (
            TransitionMessage(seq=1, vehicle_id=ID, kind="unplugged", occurred_at=AT, recorded_at=AT),
            "transition",
            TRANSITION,
        ),
        (
            TransitionMessage(seq=1, vehicle_id=ID, kind="unplugged", occurred_at=AT, recorded_at=AT, replayed=True),
            "transition",
            TRANSITION | {"replayed": True},
        ),
        (
            TransitionMessage(
                seq=1, vehicle_id=ID, kind="unplugged", occurred_at=AT, recorded_at=AT, command={"state": "failed"}
            ),
            "transition",
            TRANSITION | {"command": {"state": "failed"}},
        ),
        (AccountMessage(record={"id": 1}), "account", {"id": 1}),
        (ByeMessage(reason="plan", retry_after=3), "bye", {"reason": "plan", "retry_after": 3}),
    ],
)
def test_message_has_its_event_name_and_body(message, event, body):
    assert (message.event, message.body()) == (event, body)


def test_each_change_is_paired_with_the_cursor_after_it():
    messages = [VehicleMessage(seq=seq, record={}) for seq in (9, 10)]
    changes = FeedChanges(end_cursor=Cursor(epoch="e", seq=12), messages=messages)
    assert changes.pair_with_cursors() == [
        (messages[0], Cursor(epoch="e", seq=9)),
        (messages[1], Cursor(epoch="e", seq=10)),
    ]
    assert FeedChanges(end_cursor=Cursor(epoch="e", seq=12)).pair_with_cursors() == []
