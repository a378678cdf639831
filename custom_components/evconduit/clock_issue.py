"""When the difference between Home Assistant's clock and the relay's is a repair issue."""

from datetime import timedelta
from typing import Final

SIGNIFICANT_DIFFERENCE: Final = timedelta(minutes=1)
"""A larger difference becomes a repair issue."""
RESOLVED_DIFFERENCE: Final = timedelta(seconds=45)
"""A smaller one resolves it. Less than the other, so that an issue doesn't come and go around it."""


def is_significant(difference: timedelta | None) -> bool:
    """Return whether the clocks differ so much that the user should know."""
    return difference is not None and abs(difference) > SIGNIFICANT_DIFFERENCE


def is_resolved(difference: timedelta | None) -> bool:
    """Return whether the clocks agree so well that an existing issue is resolved."""
    return difference is not None and abs(difference) < RESOLVED_DIFFERENCE


def format_duration(difference: timedelta) -> str:
    """Format the difference for a placeholder: as hours and minutes, without words that need a translation."""
    minutes = round(abs(difference).total_seconds() / 60)
    return f"{minutes // 60}:{minutes % 60:02}"
