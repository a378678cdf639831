"""Stored times that work waits for, as SQL conditions that survive a clock that was ahead and has been corrected.

A board without a battery-backed clock may start hours or days ahead until NTP answers. What it stored until then lies
in the future afterwards. So a time that is further ahead than the relay can have set counts as due.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString

CLOCK_TOLERANCE: LiteralString = "interval '1 minute'"
"""How far beyond its limit a stored time may be. Longer than any transaction: `now()` is the time at which it began."""


def is_due(column: LiteralString, max_ahead: LiteralString = "interval '0'") -> LiteralString:
    """Return the condition that the time in `column` has come, or can't have been set with a right clock.

    `max_ahead` is an SQL interval: how far ahead of the clock the relay sets the column. Null is never due.
    """
    return f"({column} <= now() or {column} > now() + {max_ahead} + {CLOCK_TOLERANCE})"


def is_before(column: LiteralString, age: LiteralString) -> LiteralString:
    """Return the condition that `column`, which the relay sets to the current time, is older than `age`, or ahead."""
    return f"({column} < now() - {age} or {column} > now() + {CLOCK_TOLERANCE})"


def is_recent(column: LiteralString, window: LiteralString) -> LiteralString:
    """Return the condition that `column`, which the relay sets to the current time, lies within the last `window`."""
    return f"({column} > now() - {window} and {column} <= now() + {CLOCK_TOLERANCE})"


def select_delay(count_column: LiteralString, delays: Sequence[timedelta]) -> LiteralString:
    """Return an SQL interval: 0 for a count of 0, then the delay after so many attempts; the last one repeats."""
    cases = " ".join(
        f"when {count} then interval '{_format_seconds(delay)}'" for count, delay in enumerate((timedelta(), *delays))
    )
    return f"(case {count_column} {cases} else interval '{_format_seconds(delays[-1])}' end)"


def format_interval(duration: timedelta) -> LiteralString:
    """Return the duration as an SQL interval."""
    return f"interval '{_format_seconds(duration)}'"


def _format_seconds(duration: timedelta) -> LiteralString:
    # An integer formatted as such can't hold SQL.
    return f"{int(duration.total_seconds()):d} seconds"
