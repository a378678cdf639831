from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.feed.cursor import MAX_REPLAYED_TRANSITIONS, REPLAY_WINDOW, Cursor, parse_cursor


@pytest.mark.parametrize("text", ["e1", "e1.", "e1.-1", "e1.x", "e1.99999999999999999999", ".", "e1.1.1", "e1.²"])
def test_malformed_cursor_has_the_empty_epoch(text):
    assert parse_cursor(text).epoch == ""


def test_cursor_survives_a_round_trip_as_text():
    assert parse_cursor(str(Cursor(epoch="0a1b", seq=12))) == Cursor(epoch="0a1b", seq=12)
    assert parse_cursor(None) is None
    assert parse_cursor("") is None


@given(st.text("0123456789abcdef", min_size=1), st.integers(0, 10**18 - 1))
def test_every_cursor_survives_a_round_trip(epoch, seq):
    assert parse_cursor(f"{epoch}.{seq}") == Cursor(epoch=epoch, seq=seq)


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        ("e.10", Cursor(epoch="e", seq=10)),
        ("e.9", Cursor(epoch="e", seq=9)),
        ("e.0", Cursor(epoch="e", seq=0)),
        ("e." + "9" * 18, Cursor(epoch="e", seq=10**18 - 1)),
        ("e." + "9" * 19, Cursor(epoch="", seq=0)),
        ("e.+1", Cursor(epoch="", seq=0)),
        ("e. 1", Cursor(epoch="", seq=0)),
        ("e.\u0661\u0660", Cursor(epoch="", seq=0)),
        ("e.1_0", Cursor(epoch="", seq=0)),
        (".5", Cursor(epoch="", seq=5)),
        (" ", Cursor(epoch="", seq=0)),
    ],
)
def test_cursor_is_epoch_and_decimal_sequence_number(text, cursor):
    assert parse_cursor(text) == cursor


def test_missed_transitions_are_replayed_for_24_hours():
    assert (timedelta(hours=24), 1000) == (REPLAY_WINDOW, MAX_REPLAYED_TRANSITIONS)
