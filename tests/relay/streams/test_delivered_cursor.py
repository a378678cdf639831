from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from relay.feed.cursor import Cursor
from relay.streams.delivered_cursor import ASSUME_DELIVERED_AFTER, DeliveredCursorTracker


@given(st.lists(st.floats(0.1, 40), min_size=1, max_size=60))
def test_delivered_cursor_is_the_newest_sample_older_than_the_lag(intervals):
    assert timedelta(seconds=60) == ASSUME_DELIVERED_AFTER
    tracker, now, samples = DeliveredCursorTracker(ASSUME_DELIVERED_AFTER), 0.0, []
    for seq, interval in enumerate(intervals):
        now += interval
        samples.append((now, seq))
        delivered = tracker.update(Cursor(epoch="e", seq=seq), now)
        old = [cursor for at, cursor in samples if at <= now - 60]
        assert (delivered.seq if delivered else None) == (old[-1] if old else None)


def test_nothing_is_delivered_before_the_first_cursor_is_sent():
    tracker = DeliveredCursorTracker(timedelta(seconds=60))
    assert [tracker.update(None, now) for now in (0.0, 100.0, 200.0)] == [None] * 3
    cursor = Cursor(epoch="e", seq=1)
    assert tracker.update(cursor, 300.0) is None
    assert tracker.update(None, 359.9) is None
    assert tracker.update(None, 360.0) == cursor
    assert tracker.update(Cursor(epoch="e", seq=2), 400.0) == cursor
    assert tracker.update(None, 460.0) == Cursor(epoch="e", seq=2)
