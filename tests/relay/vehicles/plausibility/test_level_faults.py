"""When a level that returns shows that the change before was a fault: the edges of each condition."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.vehicles.charging.samples import VehiclePlace
from relay.vehicles.plausibility.level_faults import Doubt, doubt_rise, has_returned, is_fault_over, update_doubt
from relay.vehicles.plausibility.level_points import LevelPoint
from relay.vehicles.plausibility.movement import Position

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def point(minutes, level, *, plugged=True, km=None, capacity=60.0, state="PLUGGED_IN:STOPPED", **members):
    position = Position(at=at(minutes), place=VehiclePlace(odometer_km=km), plugged_in=plugged)
    return LevelPoint(at=at(minutes), level=level, capacity=capacity, state=state, position=position, **members)


def charging(minutes, level, **members):
    return point(minutes, level, state="PLUGGED_IN:CHARGING", charging=True, **members)


def out(minutes, level, **members):
    return point(minutes, level, plugged=False, state="UNPLUGGED", **members)


@pytest.mark.parametrize(
    ("before", "last", "now", "is_over"),
    [
        # 60 kWh: 22 kW charge 6.11 points in ten minutes; the step is 1.
        pytest.param(point(0, 72), point(60, 62), point(70, 72), True, id="faster than AC"),
        pytest.param(point(0, 72), point(60, 65), point(70, 72.1), False, id="7.1 points in ten minutes"),
        pytest.param(point(0, 72), point(60, 64.8), point(70, 72), True, id="7.2 points in ten minutes"),
        pytest.param(point(0, 72), point(60, 62), charging(70, 72), False, id="charging now"),
        pytest.param(point(0, 72), charging(60, 62), point(70, 72), False, id="charging before"),
        pytest.param(out(0, 72), out(60, 66), out(90, 72), True, id="unplugged for half an hour"),
        pytest.param(out(0, 72), point(60, 66), out(90, 72), False, id="plugged in before"),
        pytest.param(out(0, 72), out(60, 66), point(90, 72), False, id="plugged in now"),
        pytest.param(out(0, 72), out(60, 72), out(90, 72), False, id="the level stays"),
        pytest.param(out(0, 72, km=1), out(60, 62, km=1), out(70, 72, km=9), False, id="driven"),
        pytest.param(point(0, 72), point(60, 62), point(70, 69), False, id="another level"),
        pytest.param(point(0, 72), point(60, 62), point(70, 68.9), False, id="3.1 points lower after an hour"),
        pytest.param(point(0, 72), point(60, 50), point(70, 68.9), True, id="as much lower as a car drains"),
    ],
)
def test_fall_that_returns_was_a_fault_if_nothing_can_have_charged_so_fast(before, last, now, is_over):
    assert is_fault_over(Doubt(before=before, kind="fall"), last, now, 1.0) is is_over


@pytest.mark.parametrize(
    ("fall", "minutes", "capacity", "is_over"),
    [
        # 60 kWh: 3 kW take 5 points in an hour, 6 in 72 minutes.
        pytest.param(6, 71, 60, True, id="six points, faster than heating"),
        pytest.param(6, 72, 60, False, id="six points, as fast as heating"),
        pytest.param(5.9, 60, 60, False, id="less than six points"),
        pytest.param(10, 119, 60, True, id="ten points, faster than heating"),
        pytest.param(10, 120, 60, False, id="ten points, as fast as heating"),
        pytest.param(10, 60, 30, False, id="a small battery"),
        pytest.param(-1, 60, 60, False, id="it rises"),
        pytest.param(5, 1, 60, True, id="an impossible fall"),
    ],
)
def test_rise_that_returns_was_a_fault_if_no_heating_explains_it(fall, minutes, capacity, is_over):
    before, last = point(0, 50, capacity=capacity), point(60, 50 + fall, capacity=capacity)
    now = point(60 + minutes, 50, capacity=capacity)
    assert is_fault_over(Doubt(before=before, kind="rise"), last, now, 1.0) is is_over


@pytest.mark.parametrize(
    ("before", "low", "now", "fell_at", "is_over"),
    [
        pytest.param(point(0, 72), point(2, 0), point(4, 72), 2, True, id="the same level"),
        pytest.param(point(0, 72), point(2, 0), point(4, 74), 2, True, id="two points higher"),
        pytest.param(point(0, 72), point(2, 0), point(4, 74.1), 2, False, id="more than two points higher"),
        pytest.param(point(0, 72), point(2, 0), point(120, 68), 2, True, id="two points and what it lost in two hours"),
        pytest.param(point(0, 72), point(2, 0), point(120, 67.9), 2, False, id="more than that"),
        pytest.param(point(0, 72), point(2, 0), point(6000, 60), 2, True, id="ten points lost at most"),
        pytest.param(point(0, 72), point(2, 0), point(6000, 59.9), 2, False, id="more than ten points lost"),
        pytest.param(point(0, 72), charging(2, 0), point(4, 72), 2, False, id="charging at the low level"),
        pytest.param(point(0, 72), point(2, 72), point(4, 72), 2, False, id="no low level"),
        pytest.param(point(0, 72), point(2, 0), charging(4, 72), 2, True, id="charging, but not so fast"),
        pytest.param(point(0, 72), point(2, 60), charging(60, 72), 2, False, id="charging as fast as it returned"),
        pytest.param(out(0, 72, km=1), out(2, 0, km=1), out(4, 72, km=9), 2, False, id="driven"),
        # 12 kW and a fifth charge 60 kWh by 12 points in half an hour, AC of unknown power by 18.3.
        pytest.param(charging(0, 50, rate=12), point(30, 0), point(32, 63.9), 30, True, id="charged until the fault"),
        pytest.param(charging(0, 50, rate=12), point(30, 0), point(32, 64.1), 30, False, id="more than it can charge"),
        pytest.param(charging(0, 50), point(30, 0), point(32, 70.3), 30, True, id="charged with unknown power"),
        pytest.param(charging(0, 50), point(30, 0), point(32, 70.4), 30, False, id="more than AC charges"),
        pytest.param(charging(0, 50), point(30, 0), point(32, 53), None, False, id="no time until which it charged"),
        pytest.param(point(0, 50), point(30, 0), point(32, 53), 30, False, id="it did not charge"),
    ],
)
def test_level_has_returned_if_nothing_else_explains_it(before, low, now, fell_at, is_over):
    until = None if fell_at is None else at(fell_at)
    assert has_returned(before, low, now, until) is is_over
    assert is_fault_over(Doubt(before=before, kind="impossible", fell_at=until), low, now, 1.0) is is_over


@pytest.mark.parametrize(
    ("doubt", "last", "now", "kind"),
    [
        pytest.param(None, point(0, 50), point(60, 56), "rise", id="a rise of six points"),
        pytest.param(None, point(0, 50), point(60, 55.9), None, id="a smaller rise"),
        pytest.param(None, point(0, 50), point(60, 44), "fall", id="a fall of six points"),
        pytest.param(None, point(0, 50), out(60, 56), None, id="another state"),
        pytest.param(None, out(0, 50, km=1), out(60, 40, km=9), None, id="driven"),
        pytest.param(None, point(0, 50, discharging=True), point(60, 40), None, id="discharging before"),
        pytest.param(None, point(0, 50), point(60, 40, discharging=True), None, id="discharging now"),
        pytest.param("rise", point(0, 50), point(60, 52), "rise", id="the level stays"),
        pytest.param("rise", point(0, 50), point(60, 47.9), None, id="the level moves on"),
        pytest.param(None, charging(0, 50), charging(10, 60), "charge", id="steeper than AC"),
        pytest.param(None, charging(0, 50), charging(60, 60), None, id="as steep as AC"),
        pytest.param(None, point(0, 50), charging(10, 60), None, id="it has just begun to charge"),
        pytest.param("charge", charging(0, 60), charging(10, 62), "charge", id="it goes on charging"),
        pytest.param("rise", charging(0, 60), charging(10, 62), None, id="a rise at rest is over when it charges"),
        pytest.param("charge", point(0, 60), out(10, 60), None, id="the cable is out"),
    ],
)
def test_change_is_doubtful_until_something_explains_it(doubt, last, now, kind):
    before = point(-60, 40)
    updated = update_doubt(doubt and Doubt(before=before, kind=doubt), last, now)
    assert (updated and updated.kind) == kind
    if updated is not None:
        assert updated.before == (before if doubt else last)
        assert updated.is_counted is True


def test_rise_that_did_not_count_is_not_taken_back():
    assert doubt_rise(point(0, 50), point(60, 80)) == Doubt(before=point(0, 50), kind="rise", is_counted=False)
    assert doubt_rise(out(0, 50, km=1), out(60, 80, km=9)) is None


@pytest.mark.parametrize(
    ("now", "is_over"),
    [
        pytest.param(point(20, 51), True, id="back at what AC charges"),
        pytest.param(out(20, 51), False, id="the cable is out"),
        pytest.param(point(20, 95), False, id="another level"),
        pytest.param(point(20, 48.1), True, id="two points lower"),
        pytest.param(point(20, 99.5), False, id="a possible fall"),
    ],
)
def test_jump_while_charging_is_taken_back_before_the_cable_is_out(now, is_over):
    doubt = Doubt(before=charging(0, 50), kind="charge")
    assert is_fault_over(doubt, charging(10, 100), now, 1.0) is is_over
