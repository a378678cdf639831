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
