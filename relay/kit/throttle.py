"""Throttling in SQL: a statement acts on a row at most once per interval, across all processes."""

from typing import LiteralString

from relay.kit.stored_times import CLOCK_TOLERANCE


def interval_has_passed(column: LiteralString) -> LiteralString:
    """Return the condition that the time in `column` is null, at least the parameter `interval` ago, or ahead.

    The statement must set `column` in the same update: the row's lock then lets one of any concurrent callers through.
    """
    return (
        f"({column} is null or {column} <= clock_timestamp() - %(interval)s "
        f"or {column} > clock_timestamp() + {CLOCK_TOLERANCE})"
    )
