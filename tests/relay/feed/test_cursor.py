import pytest

from relay.feed.cursor import Cursor, parse_cursor


@pytest.mark.parametrize("text", ["e1", "e1.", "e1.-1", "e1.x", "e1.99999999999999999999", ".", "e1.1.1", "e1.²"])
def test_malformed_cursor_has_the_empty_epoch(text):
    assert parse_cursor(text).epoch == ""


def test_cursor_survives_a_round_trip_as_text():
    assert parse_cursor(str(Cursor(epoch="0a1b", seq=12))) == Cursor(epoch="0a1b", seq=12)
    assert parse_cursor(None) is None
    assert parse_cursor("") is None
