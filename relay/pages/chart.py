"""Geometry of a bar chart in SVG user units. Colours and fonts are in the stylesheet."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 300
_GRID_LINES = 3
_LABEL_STEP = 7
"""Days between two labels. Five labels with day and month fit on a phone."""
_GAP_RATIO = 0.28
"""Share of a slot's width that stays empty around its bar."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """Rectangle of one value."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class GridLine:
    """Horizontal line with its value."""

    y: float
    value: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisLabel:
    """Place of a label below the bar in `slot`. `x` is the middle of the bar in percent of the chart's width."""

    slot: int
    x: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Bars from left to right and grid lines from the bottom up."""

    bars: tuple[Bar, ...]
    lines: tuple[GridLine, ...]
    width: int = WIDTH
    height: int = HEIGHT


def build_bar_chart(values: Sequence[int], *, slot_count: int) -> Chart:
    """Bars for the values in the first of `slot_count` slots; a month in progress has more slots than values."""
    step = find_grid_step(max(values, default=0))
    scale = HEIGHT / (step * _GRID_LINES)
    slot_width = WIDTH / max(slot_count, len(values), 1)
    bars = tuple(
        Bar(
            x=round((slot + _GAP_RATIO / 2) * slot_width, 1),
            y=round(HEIGHT - scale * value, 1),
            width=round(slot_width * (1 - _GAP_RATIO), 1),
            height=round(scale * value, 1),
        )
        for slot, value in enumerate(values)
    )
    lines = tuple(
        GridLine(y=round(HEIGHT - scale * step * number, 1), value=step * number) for number in range(_GRID_LINES + 1)
    )
    return Chart(bars=bars, lines=lines)


def build_date_axis(slot_count: int) -> tuple[AxisLabel, ...]:
    """Labels below the first day of each week."""
    return tuple(
        AxisLabel(slot=slot, x=round(100 * (slot + 0.5) / slot_count, 1)) for slot in range(0, slot_count, _LABEL_STEP)
    )


def find_grid_step(max_value: int) -> int:
    """Smallest step of the form 1, 2 or 5 times a power of ten with which the top grid line reaches `max_value`."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power * _GRID_LINES >= max_value:
                return digit * power
        power *= 10
