"""Charging that nobody reported: what a rise of the level proves in which situation, and what it doesn't."""

from dataclasses import replace

import pytest

from relay.vehicles.charging.evidence import get_min_rise, has_moved
from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from tests.relay.support.charging import at, charging, derive_sessions, make_sample, stopped, unplugged, with_step

SECOND = 1 / 60
HERE = VehiclePlace(latitude=52.2, longitude=5.2, odometer_km=12345.0)
THERE = VehiclePlace(latitude=52.6, longitude=5.6, odometer_km=12405.0)


def get_spans(*samples):
    return [(session.started_at, session.ended_at) for session in derive_sessions(*samples)]


def test_car_that_slept_while_it_charged_gets_one_estimated_session():
    """Case 10: nine hours of silence while charging."""
    samples = [stopped(0, 20, capacity=60), charging(1, 20, capacity=60), stopped(541, 80, capacity=60)]
    [session] = derive_sessions(*samples)
    assert (session.started_at, session.ended_at, session.open) == (at(1), at(541), False)
    assert (session.soc_start, session.soc_end, session.energy_kwh) == (20, 80, pytest.approx(36))
    assert (session.energy_source, session.is_estimated) == ("soc", True)


def test_car_that_was_plugged_in_before_a_silence_gets_one_estimated_session():
    [session] = derive_sessions(stopped(0, 20, capacity=60), stopped(720, 80, capacity=60))
    assert (session.energy_kwh, session.is_estimated) == (pytest.approx(36), True)


def test_hybrid_whose_engine_charges_while_driving_has_no_session():
    """Case 14: 20 to 52 % in 55 minutes and 60 km, unplugged before and after."""
    samples = [unplugged(0, 20, capacity=13, place=HERE), unplugged(55, 52, capacity=13, place=THERE)]
    assert derive_sessions(*samples) == []


@pytest.mark.parametrize("capacity", [30.1, 77, None])
def test_stop_at_a_fast_charger_between_two_looks_is_one_estimated_session(capacity):
    samples = [unplugged(0, 20, capacity=capacity, place=HERE), unplugged(40, 52, capacity=capacity, place=THERE)]
    [session] = derive_sessions(*samples, unplugged(50, 50, capacity=capacity, place=THERE))
    assert (session.soc_start, session.soc_end, session.is_estimated) == (20, 52, True)
    assert session.energy_kwh == (capacity and pytest.approx(0.32 * capacity))


def test_charging_reported_before_the_next_look_is_not_estimated():
    for samples in ([stopped(0, 40), charging(7, 42)], [charging(0, 40), stopped(30, 44)]):
        assert [session.is_estimated for session in derive_sessions(*samples)] == [False]
    for samples in ([stopped(0, 40), charging(30 + SECOND, 52)], [charging(0, 40), stopped(30 + SECOND, 44)]):
        assert [session.is_estimated for session in derive_sessions(*samples)] == [True]


BEFORE = {"plugged": stopped, "unplugged": unplugged}
MIN_RISES = [
    # before, after, moved, capacity, the rise that proves charging
    ("plugged", "plugged", False, 60, 2),
    ("plugged", "plugged", True, 60, 2),
    ("plugged", "plugged", None, 60, 2),
    ("plugged", "plugged", True, 13, 10),
    ("plugged", "unplugged", False, 60, 2),
    ("plugged", "unplugged", True, 60, 5),
    ("plugged", "unplugged", None, 60, 2),
    ("plugged", "unplugged", True, 13, 10),
    ("unplugged", "plugged", False, 60, 2),
    ("unplugged", "plugged", True, 60, 5),
    ("unplugged", "plugged", None, 60, 2),
    ("unplugged", "plugged", True, 13, None),
    ("unplugged", "unplugged", False, 60, 5),
    ("unplugged", "unplugged", True, 60, 10),
    ("unplugged", "unplugged", None, 60, 10),
    ("unplugged", "unplugged", True, None, 10),
    ("unplugged", "unplugged", False, 30, 5),
    ("unplugged", "unplugged", True, 30, None),
    ("unplugged", "unplugged", None, 30, None),
    ("unplugged", "unplugged", True, 30.1, 10),
]


@pytest.mark.parametrize("row", MIN_RISES)
@pytest.mark.parametrize("minutes", [7, 480, 481, 2880])
def test_rise_that_proves_charging_depends_on_what_else_could_raise_the_level(row, minutes):
    before, after, moved, capacity, min_rise = row
    places = {True: (HERE, THERE), False: (HERE, HERE), None: (HERE, UNKNOWN_PLACE)}[moved]
    last = BEFORE[before](0, 40, capacity=capacity, place=places[0])
    now = BEFORE[after](minutes, 40, capacity=capacity, place=places[1])
    assert get_min_rise(last, now) == min_rise

    def rise_to(level):
        return get_spans(last, replace(now, reading=replace(now.reading, soc=level)))

    if min_rise is None:
        assert rise_to(52 if minutes < 10 and after == "plugged" else 90) == []
    else:
        assert rise_to(40 + min_rise) == [(at(0), at(minutes))]
        assert rise_to(40 + min_rise - 0.01) == []


@pytest.mark.parametrize(
    ("minutes", "before", "after", "sessions"),
    [
        pytest.param(55, 40, 94.9, 0, id="charged by its engine"),
        pytest.param(55, 40, 95, 1, id="fuller than an engine charges"),
        pytest.param(55, 85.1, 95, 0, id="less than ten points"),
        pytest.param(26, 40, 90, 0, id="as fast as an engine charges"),
        pytest.param(25.9, 40, 90, 1, id="faster than an engine charges"),
    ],
)
def test_hybrid_that_drove_and_is_plugged_in_then_was_charged_at_the_plug_if_no_engine_charges_so(
    minutes, before, after, sessions
):
    samples = [unplugged(0, before, capacity=13, place=HERE), stopped(minutes, after, capacity=13, place=THERE)]
    assert len(derive_sessions(*samples)) == sessions


def test_nothing_is_concluded_from_a_rise_over_more_than_two_days_or_one_that_cannot_be_compared():
    assert get_spans(stopped(0, 20), stopped(2880 + SECOND, 80)) == []
    swapped = unplugged(20, 90)
    assert get_spans(unplugged(0, 20), replace(swapped, reading=replace(swapped.reading, rebased=True))) == []


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (HERE, HERE, False),
        (HERE, THERE, True),
        (HERE, UNKNOWN_PLACE, None),
        (UNKNOWN_PLACE, HERE, None),
        (HERE, replace(HERE, odometer_km=12345.4), False),
        (HERE, replace(HERE, odometer_km=12345.5), True),
        (HERE, replace(HERE, latitude=52.2044), False),
        (HERE, replace(HERE, latitude=52.2046), True),
        (HERE, replace(THERE, odometer_km=None), True),
        (HERE, replace(UNKNOWN_PLACE, odometer_km=12345.0), False),
        (HERE, replace(HERE, odometer_km=None, longitude=None), None),
    ],
)
def test_car_has_moved_if_odometer_or_position_says_so(before, after, moved):
    assert has_moved(before, after) is moved


def charge(minutes, level, **more):
    return charging, minutes, level, {"power": 11, **more}


CHARGE = [charge(0, 40), charge(10, 43)]
END = (stopped, 40, 51, {})


@pytest.mark.parametrize(
    ("rest", "number", "kwh"),
    [
        pytest.param([(unplugged, 20, 47, {}), charge(24, 48), (stopped, 34, 52, {})], 1, 11 * 34 / 60, id="4 minutes"),
        pytest.param([(unplugged, 20, 47, {}), charge(30, 51), (stopped, 40, 54, {})], 1, 22 / 3, id="10 minutes"),
        pytest.param(
            [(unplugged, 20, 47, {}), charge(30 + SECOND, 51), (stopped, 40, 54, {})], 2, None, id="over 10 minutes"
        ),
        pytest.param(
            [(unplugged, 20, 47, {}), (unplugged, 22, 47, {}), charge(24, 47), (stopped, 34, 51, {})],
            2,
            11 * 30 / 60,
            id="two readings",
        ),
        pytest.param(
            [(unplugged, 20, 47, {}), (stopped, 25, 47, {}), charge(30, 47), (stopped, 40, 51, {})],
            1,
            11 * 30 / 60,
            id="a pause after it",
        ),
        pytest.param(
            [(unplugged, 20, 47, {}), charge(30, 47), (stopped, 40, 51, {})], 1, 11 * 30 / 60, id="no rise meanwhile"
        ),
        pytest.param(
            [(unplugged, 20, 47, {"place": THERE}), charge(24, 47, place=THERE), (stopped, 34, 51, {})],
            2,
            11 * 30 / 60,
            id="moved",
        ),
        pytest.param([(unplugged, 20, 47, {}), (unplugged, 300, 46, {})], 1, 11 * 20 / 60, id="really unplugged"),
        pytest.param(
            [(stopped, 20, 47, {}), (unplugged, 22, 47, {}), (stopped, 26, 47, {}), charge(30, 47), END],
            1,
            11 * 30 / 60,
            id="in a pause",
        ),
    ],
)  # fmt: skip
def test_one_unplugged_reading_between_two_plugged_ones_does_not_split_a_session(rest, number, kwh):
    readings = [(make, minutes, level, {"place": HERE} | more) for make, minutes, level, more in [*CHARGE, *rest]]
    samples = with_step(1.0, *(make(minutes, level, **more) for make, minutes, level, more in readings))
    sessions = derive_sessions(*samples)
    assert len(sessions) == number
    assert kwh is None or sum(session.energy_kwh for session in sessions) == pytest.approx(kwh)


@pytest.mark.parametrize(("minutes", "number"), [(3, 1), (3 + SECOND, 2)])
def test_car_without_a_place_may_have_been_driven_after_three_minutes(minutes, number):
    samples = [charging(0, 40, 11), charging(10, 43, 11), unplugged(20, 47), charging(20 + minutes, 47, 11)]
    assert len(derive_sessions(*samples, stopped(35, 51))) == number


def test_plug_that_is_unknown_after_an_unplugged_reading_confirms_it():
    samples = [charging(0, 40, 11), charging(10, 43, 11), unplugged(20, 47), make_sample(21), charging(22, 47, 11)]
    assert len(derive_sessions(*samples, stopped(32, 51))) == 2
