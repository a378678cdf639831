"""A bar chart as a page draws it: numbers in, places on a canvas out. How it looks is the stylesheet's business."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 300
_GRID_LINES = 3
_GAP_RATIO = 0.28
"""The part of a bar's place that stays empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One value."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class GridLine:
    """A line across with the value it stands for."""

    y: float
    value: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """All of it; lines from the floor up."""

    bars: tuple[Bar, ...]
    lines: tuple[GridLine, ...]
    width: int = WIDTH
    height: int = HEIGHT


def build_bar_chart(values: Sequence[int], *, slot_count: int) -> Chart:
    """Bars for the values, from the left, with room for `places` of them (a month, of which a part is over)."""
    step = find_grid_step(max(values, default=0))
    scale, wide = HEIGHT / (step * _GRID_LINES), WIDTH / max(slot_count, len(values), 1)
    bars = tuple(
        Bar(
            x=round((place + _GAP_RATIO / 2) * wide, 1),
            y=round(HEIGHT - scale * value, 1),
            width=round(wide * (1 - _GAP_RATIO), 1),
            height=round(scale * value, 1),
        )
        for place, value in enumerate(values)
    )
    lines = tuple(
        GridLine(y=round(HEIGHT - scale * step * line, 1), value=step * line) for line in range(_GRID_LINES + 1)
    )
    return Chart(bars=bars, lines=lines)


def find_grid_step(max_value: int) -> int:
    """The smallest 1, 2 or 5, with zeros behind, of which three reach `most`."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power * _GRID_LINES >= max_value:
                return digit * power
        power *= 10
