import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.feed.messages import (
    ByeMessage,
    Cursor,
    SnapshotMessage,
    TransitionMessage,
    parse_cursor,
    render_data_lines,
    render_event,
)
from relay.kit.timestamps import format_timestamp

CAR = UUID("00000000-0000-4000-8000-000000000001")
short_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=40,
)


@given(body=st.dictionaries(st.text(max_size=8), short_json, max_size=8))
def test_lines_are_bounded_and_join_to_the_same_json(body):
    lines = list(render_data_lines(body, max_bytes=240))
    assert json.loads("\n".join(line.decode() for line in lines)) == body
    assert all(len(line) <= 240 for line in lines)
    # Whatever a reader takes for an end of line, it finds none inside of one.
    assert all(line.decode().splitlines() == [line.decode()] for line in lines)


def test_a_message_is_one_event_with_the_place_to_resume_at():
    at = datetime(2026, 11, 23, 20, 0, 0, 123999, tzinfo=timezone(timedelta(hours=1)))
    message = TransitionMessage(seq=7, vehicle_id=CAR, kind="plugged_in", occurred_at=at)
    assert render_event(message, Cursor(epoch="e1", seq=7)).decode() == (
        "event: transition\n"
        "id: e1.7\n"
        f'data: {{"vehicle_id":"{CAR}","type":"plugged_in",'
        '"occurred_at":"2026-11-23T19:00:00.123Z","replayed":false}\n'
        "\n"
    )


def test_a_bye_leaves_the_cursor_alone():
    assert render_event(ByeMessage(reason="restart", retry_after=2), None) == (
        b'event: bye\ndata: {"reason":"restart","retry_after":2}\n\n'
    )


def test_a_gap_is_named_only_where_there_is_one():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert "gap" not in SnapshotMessage(at=at, account={}, vehicles=[]).body()
    assert SnapshotMessage(at=at, account={}, vehicles=[], gap=True).body()["gap"] is True


@pytest.mark.parametrize("text", ["e1", "e1.", "e1.-1", "e1.x", "e1.99999999999999999999", ".", "e1.1.1", "e1.²"])
def test_a_cursor_that_cannot_be_read_is_of_no_epoch(text):
    assert parse_cursor(text).epoch == ""


def test_cursors_come_back_as_they_went():
    assert parse_cursor(str(Cursor(epoch="0a1b", seq=12))) == Cursor(epoch="0a1b", seq=12)
    assert parse_cursor(None) is None
    assert parse_cursor("") is None


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        format_timestamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test
