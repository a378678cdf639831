"""Geometry of the bar chart: a drawing area of 1000 by 300 units, with 0 at the top."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pages.chart import AxisLabel, Bar, GridLine, build_bar_chart, build_date_axis, find_grid_step


@pytest.mark.parametrize(
    ("max_value", "step"),
    [
        *((0, 1), (1, 1), (3, 1), (4, 2), (6, 2), (7, 5), (15, 5), (16, 10), (30, 10), (31, 20), (60, 20)),
        *((61, 50), (150, 50), (151, 100), (300, 100), (301, 200), (1_500_000, 500_000), (1_500_001, 1_000_000)),
    ],
)
def test_grid_step_is_the_smallest_round_number_whose_third_line_reaches_the_maximum(max_value, step):
    assert find_grid_step(max_value) == step


def test_bars_stand_on_the_bottom_line_in_the_middle_of_their_slots():
    chart = build_bar_chart([0, 15, 30], slot_count=4)
    assert chart.bars == (
        Bar(x=35.0, y=300.0, width=180.0, height=0.0),
        Bar(x=285.0, y=150.0, width=180.0, height=150.0),
        Bar(x=535.0, y=0.0, width=180.0, height=300.0),
    )
    assert chart.lines == tuple(GridLine(y=300.0 - 100 * number, value=10 * number) for number in range(4))
    assert (chart.width, chart.height) == (1000, 300)


@pytest.mark.parametrize(("values", "slot_count", "width"), [([1, 1], 1, 360.0), ([1], 0, 720.0), ([1], 2, 360.0)])
def test_there_are_at_least_as_many_slots_as_values(values, slot_count, width):
    assert [bar.width for bar in build_bar_chart(values, slot_count=slot_count).bars] == [width] * len(values)


def test_chart_without_values_has_grid_lines_only():
    chart = build_bar_chart([], slot_count=0)
    assert chart.bars == ()
    assert [line.value for line in chart.lines] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("slot_count", "labels"),
    [
        (0, []),
        (1, [(0, 50.0)]),
        (8, [(0, 6.2), (7, 93.8)]),
        (30, [(0, 1.7), (7, 25.0), (14, 48.3), (21, 71.7), (28, 95.0)]),
    ],
)
def test_date_axis_has_a_label_below_the_first_day_of_each_week(slot_count, labels):
    assert build_date_axis(slot_count) == tuple(AxisLabel(slot=slot, x=x) for slot, x in labels)


@given(st.integers(0, 31))
def test_labels_of_the_date_axis_are_below_their_bars_and_apart(slot_count):
    bars = build_bar_chart([1] * slot_count, slot_count=slot_count).bars
    labels = build_date_axis(slot_count)
    for label in labels:
        bar = bars[label.slot]
        assert bar.x / 10 < label.x < (bar.x + bar.width) / 10
    assert all(right.x - left.x > 20 for left, right in pairwise(labels))


@given(st.lists(st.integers(0, 10**7), max_size=31), st.integers(0, 31))
def test_every_bar_is_inside_the_drawing_area_and_ends_at_its_value(values, slot_count):
    chart = build_bar_chart(values, slot_count=slot_count)
    top = chart.lines[-1]
    assert top.y == 0
    assert top.value >= max(values, default=0)
    for value, bar in zip(values, chart.bars, strict=True):
        assert bar.y + bar.height == pytest.approx(300, abs=0.11)
        assert bar.height == pytest.approx(300 * value / top.value, abs=0.06)
        assert 0 <= bar.x < bar.x + bar.width <= 1000
