"""Times that other machines report, compared with the arrival of their events."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.kit.clock_skew import correct_created_time

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes):
    return None if minutes is None else NOON + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("created", "observed", "expected"),
    [
        pytest.param(-300, -1, -1, id="created hours before what it reports"),
        pytest.param(-11, -1, -1, id="created eleven minutes before its arrival"),
        pytest.param(-10, -1, -10, id="an event that was under way for ten minutes"),
        pytest.param(-300, -10, -10, id="observed ten minutes ago"),
        pytest.param(-300, -11, -300, id="observed longer ago: an old event of a clock that was ahead"),
        pytest.param(-300, 2, 0, id="a clock that is slightly ahead"),
        pytest.param(-300, 3, -300, id="a clock that is ahead of the arrival"),
        pytest.param(-12, -10, -12, id="observed no more than two minutes later"),
        pytest.param(0, -300, 0, id="an old observation"),
        pytest.param(0, 60, 0, id="a clock that is ahead"),
        pytest.param(-300, None, -300, id="nothing observed"),
    ],
)
def test_event_is_not_created_long_before_what_it_reports(created, observed, expected):
    assert correct_created_time(at(created), at(observed), NOON) == at(expected)
