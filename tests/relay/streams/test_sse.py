import json
from datetime import datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from relay.feed.cursor import Cursor
from relay.feed.messages import ByeMessage, TransitionMessage
from relay.streams.sse import render_data_lines, render_event

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
    message = TransitionMessage(seq=7, vehicle_id=VEHICLE_ID, kind="plugged_in", occurred_at=at)
    assert render_event(message, Cursor(epoch="e1", seq=7)).decode() == (
        "event: transition\n"
        "id: e1.7\n"
        f'data: {{"vehicle_id":"{VEHICLE_ID}","type":"plugged_in",'
        '"occurred_at":"2026-11-23T19:00:00.123Z","replayed":false}\n'
        "\n"
    )


def test_bye_has_no_event_id():
    assert render_event(ByeMessage(reason="restart", retry_after=2), None) == (
        b'event: bye\ndata: {"reason":"restart","retry_after":2}\n\n'
    )
