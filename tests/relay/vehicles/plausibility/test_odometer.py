"""What is believed of an odometer: rounding, units, and readings that no drive explains, in any order of arrival."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.plausibility.odometer import (
    KM_PER_MILE,
    WINDOW,
    OdometerMemory,
    OdometerReading,
    add_readings,
    derive_odometer,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def make_reading(hours, km, version=1):
    return OdometerReading(at=NOON + timedelta(hours=hours), km=km, version=f"{version:04d}")


def get_shown(*readings):
    """The odometer shown after each reading (hours, km)."""
    shown, memory = [], OdometerMemory()
    for hours, km in readings:
        memory = add_readings(memory, [make_reading(hours, km)])
        shown.append(derive_odometer(memory).shown_km)
    return shown


@pytest.mark.parametrize(
    ("readings", "shown"),
    [
        pytest.param([(0, 100), (1, 180), (2, 430)], [100, 180, 430], id="drives up to 250 km/h"),
        pytest.param([(0, 100), (1, 352)], [100, 352], id="250 km in an hour and rounding"),
        pytest.param([(0, 100), (1, 353)], [100, 100], id="faster than 250 km/h"),
        pytest.param([(0, 100), (24 * 30, 9000)], [100, 9000], id="a month of sleep"),
        pytest.param([(0, 12345), (0.1, 0), (0.2, 12345)], [12345, 12345, 12345], id="a reset for a moment"),
        pytest.param([(0, 12345), (100, 12000), (101, 12346)], [12345, 12345, 12346], id="a slow fall"),
        pytest.param([(0, 12345), (1, 12343.1), (2, 12344)], [12345, 12345, 12345], id="rounding"),
        pytest.param([(0, 12345), (1, 12343.1), (2, 12347)], [12345, 12345, 12347], id="a drive after rounding"),
        pytest.param([(0, 12345), (1, 12343)], [12345, 12345], id="a fall of 2 km"),
        pytest.param(
            [(0, 50000), (1, 50000 / KM_PER_MILE), (2, 50010 / KM_PER_MILE), (3, 50020)],
            [50000, 50000, 50010, 50020],
            id="miles for a while",
        ),
        pytest.param([(0, 10000), (1, 16093), (2, 16109)], [10000, 10000, 10009.7], id="kilometres after miles"),
        pytest.param([(0, 50000), (1, 31068.6), (2, 31068.6)], [50000, 50000, 50000], id="miles rounded"),
        pytest.param(
            [(0, 12345), (1, 20), (13, 30), (25, 40), (26, 60)], [12345, 12345, 12345, 40, 60], id="a new instrument"
        ),
        pytest.param([(0, 12345), (1, 20), (25.1, 30)], [12345] * 3, id="a single confirmation"),
        pytest.param([(0, 12345), (1, 20), (2, 20), (24, 20)], [12345] * 4, id="confirmations within 24 hours"),
        pytest.param(
            [(0, 12345), (1, 20), (13, 900000), (25, 50), (26, 12350)], [12345] * 4 + [12350], id="different readings"
        ),
        pytest.param([(0, 20), (1, 0), (2, 21)], [20, 20, 21], id="a zero that isn't the first reading"),
        pytest.param([(0, 100), (1, 90000), (13, 90010), (25, 90020)], [100, 100, 100, 90020], id="a correction up"),
    ],
)
def test_odometer_is_believed_when_a_drive_explains_it(readings, shown):
    assert get_shown(*readings) == pytest.approx(shown, abs=0.11)


@pytest.mark.parametrize(
    ("readings", "shown"),
    [
        pytest.param([(0, 0)], [None], id="a single reading"),
        pytest.param([(0, 0), (0.1, 12345), (1, 12400)], [None, 12345, 12400], id="the true one a moment later"),
        pytest.param([(0, 0), (0.1, 0)], [None, 0], id="a new car"),
        pytest.param([(0, 0), (0.1, 0), (0.2, 12345)], [None, 0, 12345], id="zeros before the true one"),
        pytest.param([(0, 0), (0.1, 0), (0.2, 12345), (0.3, 0)], [None, 0, 12345, 12345], id="another zero after it"),
        pytest.param([(1, 0), (0, 12345)], [None, 12345], id="the true one is older and late"),
        pytest.param([(0, 0.4)], [0.4], id="the first metres"),
    ],
)
def test_zero_is_not_shown_until_another_reading_confirms_it(readings, shown):
    assert get_shown(*readings) == shown


def test_newer_event_about_the_same_moment_replaces_the_older_one():
    first, second = make_reading(1, 100, version=1), make_reading(1, 200, version=2)
    for order in ([first, second], [second, first]):
        assert derive_odometer(add_readings(OdometerMemory(), order)).km == 200


readings = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([0, 1000, 1000.7, 1400, 621.4, 1609, 50000]), st.integers(0, 99)),
    max_size=WINDOW,
    unique_by=lambda reading: reading[2],
)


@given(readings, st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_readings_gives_the_same_odometer(readings, shuffled):
    ordered = [make_reading(*reading) for reading in sorted(readings)]
    shuffled_readings = [*ordered, *ordered[:3]]
    shuffled.shuffle(shuffled_readings)
    memory = OdometerMemory()
    for reading in shuffled_readings:
        memory = add_readings(memory, [reading])
    assert derive_odometer(memory) == derive_odometer(add_readings(OdometerMemory(), ordered))


@given(st.lists(st.integers(0, 120), min_size=1, max_size=100), st.sampled_from([1.0, 0.1]))
def test_odometer_of_a_car_that_drives_is_never_corrected(drives, precision):
    memory, km = OdometerMemory(), 10_000.0
    for hour, driven in enumerate(drives):
        km += driven
        told = km // precision * precision
        memory = add_readings(memory, [make_reading(hour, told)])
        assert derive_odometer(memory).km == told
        assert len(memory.readings) <= WINDOW
