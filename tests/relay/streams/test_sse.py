import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.feed.cursor import Cursor
from relay.feed.messages import ByeMessage, FeedChanges, SnapshotMessage, TransitionMessage, VehicleMessage
from relay.streams.sse import MAX_LINE_BYTES, render_changes, render_data_lines, render_event

VEHICLE_ID = UUID("00000000-0000-4000-8000-000000000001")
short_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=40,
)


@given(body=st.dictionaries(st.text(max_size=8), short_json, max_size=8))
def test_data_lines_are_bounded_and_join_to_the_same_json(body):
    lines = list(render_data_lines(body, max_bytes=240))
    assert json.loads("\n".join(line.decode() for line in lines)) == body
    assert all(len(line) <= 240 for line in lines)
    # No line contains a character that some reader takes for an end of line.
    assert all(line.decode().splitlines() == [line.decode()] for line in lines)


def test_event_id_is_the_cursor_to_resume_from():
    at = datetime(2026, 11, 23, 20, 0, 0, 123999, tzinfo=timezone(timedelta(hours=1)))
    message = TransitionMessage(seq=7, vehicle_id=VEHICLE_ID, kind="plugged_in", occurred_at=at, recorded_at=at)
    assert render_event(message, Cursor(epoch="e1", seq=7)).decode() == (
        "event: transition\n"
        "id: e1.7\n"
        f'data: {{"vehicle_id":"{VEHICLE_ID}","type":"plugged_in",'
        '"occurred_at":"2026-11-23T19:00:00.123Z","recorded_at":"2026-11-23T19:00:00.123Z","replayed":false}\n'
        "\n"
    )


def test_bye_has_no_event_id():
    assert render_event(ByeMessage(reason="restart", retry_after=2), None) == (
        b'event: bye\ndata: {"reason":"restart","retry_after":2}\n\n'
    )


@pytest.mark.parametrize(("length", "lines"), [(29, 1), (30, 1), (31, 2)])
def test_json_of_exactly_the_limit_stays_in_one_line(length, lines):
    body = {"a": "x" * (length - len('{"a":""}'))}
    rendered = list(render_data_lines(body, max_bytes=30))
    assert len(rendered) == lines
    assert json.loads(b"\n".join(rendered)) == body


def test_lines_are_filled_up_to_exactly_the_limit():
    """Each token is as long as is left: `{"a":1,` and `"b":2}` fit into 13 bytes together, and 12 are too few."""
    body = {"a": 1, "b": 2, "c": 3}
    assert list(render_data_lines(body, max_bytes=19)) == [b'{"a":1,"b":2,"c":3}']
    assert list(render_data_lines(body, max_bytes=13)) == [b'{"a":1,"b":2,', b'"c":3}']
    assert list(render_data_lines(body, max_bytes=12)) == [b'{"a":1,', b'"b":2,"c":3}']


def test_text_is_ascii_and_numbers_are_json():
    assert list(render_data_lines({"a": "\u2028é"})) == [b'{"a":"\\u2028\\u00e9"}']
    with pytest.raises(ValueError, match="JSON"):
        list(render_data_lines({"a": float("nan")}))
    with pytest.raises(ValueError, match="JSON"):
        list(render_data_lines({"a": [float("inf")] * 9}, max_bytes=8))


def test_changes_are_rendered_with_their_numbers_and_cursors():
    changes = FeedChanges(
        end_cursor=Cursor(epoch="e", seq=11), messages=[VehicleMessage(seq=seq, record={"n": seq}) for seq in (9, 10)]
    )
    assert render_changes(changes) == [
        (9, b'event: vehicle\nid: e.9\ndata: {"n":9}\n\n'),
        (10, b'event: vehicle\nid: e.10\ndata: {"n":10}\n\n'),
    ]


def test_snapshot_of_many_vehicles_is_one_event_of_short_lines():
    vehicle = {"information": {"displayName": "x" * 3000}, "chargeState": {"batteryLevel": 50}}
    vehicles = [{"id": str(number), "revision": number, "vehicle": vehicle} for number in range(400)]
    message = SnapshotMessage(epoch="e1", at=datetime(2026, 11, 23, 12, tzinfo=UTC), account={}, vehicles=vehicles)
    rendered = render_event(message, Cursor(epoch="e1", seq=7))
    assert len(rendered) > 1_000_000
    assert max(map(len, rendered.split(b"\n"))) <= MAX_LINE_BYTES + len(b"data: ")
    lines = rendered.split(b"\n")
    data = b"\n".join(line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: "))
    assert json.loads(data)["vehicles"] == vehicles
    assert lines[-2:] == [b"", b""]
