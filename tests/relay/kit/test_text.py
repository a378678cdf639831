"""Text that is shown or stored: one visible line, no NUL; timestamps of the API."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.kit.sanitize import sanitize_line, strip_nul
from relay.kit.timestamps import format_timestamp


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Ada", "Ada"),
        ("  Ada\t\n Lovelace ", "Ada Lovelace"),
        ("Ada\u2028Lovelace\u00a0!", "Ada Lovelace !"),
        ("a\x00b\x1bc\x7f", "abc"),
        ("a\u202eb\u200bc\ufeff", "abc"),
        ("a\ud800b\U000e0001c\ue000", "abc"),
        ("u\u0308", "ü"),
        ("Ada 🚗", "Ada 🚗"),
        ("\u200b\n", ""),
        ("", ""),
    ],
)
def test_text_becomes_one_visible_line(text, line):
    assert sanitize_line(text) == line


@given(st.text())
def test_sanitized_line_does_not_change_again(text):
    line = sanitize_line(text)
    assert sanitize_line(line) == line
    assert line.isprintable() or not line


@given(st.text())
def test_only_nul_is_removed(text):
    assert strip_nul(text) == "".join(character for character in text if character != "\0")
    assert strip_nul(f"\0{text}\0") == strip_nul(text)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC), "2026-02-28T23:59:59.999Z"),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00.000Z"),
        (datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-02-28T23:30:00.000Z"),
        (datetime(2026, 12, 31, 23, 0, 0, 1000, tzinfo=timezone(timedelta(hours=-5))), "2027-01-01T04:00:00.001Z"),
    ],
)
def test_timestamp_is_utc_with_milliseconds_cut_off(moment, text):
    assert format_timestamp(moment) == text


def test_timestamp_is_in_utc_on_a_machine_in_another_time_zone(monkeypatch):
    with monkeypatch.context() as context:
        context.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        text = format_timestamp(datetime(2026, 3, 1, tzinfo=UTC))
    time.tzset()
    assert text == "2026-03-01T00:00:00.000Z"


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy adds the time zone
def test_timestamp_is_at_most_a_millisecond_before_the_moment(moment):
    assert timedelta(0) <= moment - datetime.fromisoformat(format_timestamp(moment)) < timedelta(milliseconds=1)
