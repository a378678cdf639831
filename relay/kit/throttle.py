"""Throttling in SQL: a statement acts on a row at most once per interval, across all processes."""

from typing import LiteralString


def interval_has_passed(column: LiteralString) -> LiteralString:
    """Return the condition that the time in `column` is null or at least the parameter `interval` ago.

    The statement must set `column` in the same update: the row's lock then lets one of any concurrent callers through.
    """
    return f"({column} is null or {column} <= clock_timestamp() - %(interval)s)"
