"""Whether a car moved between two reports, from its odometer, its position and its plug."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.vehicles.charging.samples import VehiclePlace
from relay.vehicles.plausibility.movement import get_position, has_moved
from relay.vehicles.plausibility.raw_samples import RawSample

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOME, AWAY = (52.0, 5.0), (52.1, 5.0)


def follow(*reports):
    """The positions of reports (minutes, odometer, place, plugged in)."""
    positions, before = [], None
    for minutes, km, place, plugged_in in reports:
        at = NOON + timedelta(minutes=minutes)
        latitude, longitude = place or (None, None)
        sample = RawSample(
            at=at,
            version="1",
            place=VehiclePlace(latitude=latitude, longitude=longitude, odometer_km=km),
            odometer_at=at,
            place_version="1",
        )
        before = get_position(sample, before, plugged_in=plugged_in)
        positions.append(before)
    return positions


@pytest.mark.parametrize(
    ("reports", "moved"),
    [
        pytest.param([(0, 1000, HOME, False), (2, 1000, HOME, False)], False, id="the same position"),
        pytest.param([(0, 1000, None, False), (2, 1000, None, False)], None, id="the same odometer for two minutes"),
        pytest.param([(0, 1000, None, False), (5, 1000, None, False)], False, id="the same odometer for five minutes"),
        pytest.param([(0, 1000, None, False), (9, 1000, None, False), (10, 1000, None, False)], False, id="in all"),
        pytest.param([(0, None, None, True), (2, None, None, True)], False, id="plugged in before and after"),
        pytest.param([(0, None, None, True), (2, None, None, False)], None, id="plugged in before"),
        pytest.param([(0, 1000, HOME, False), (30, 1010, HOME, False)], True, id="another odometer"),
        pytest.param([(0, 1000, HOME, False), (30, 1000, AWAY, False)], True, id="towed"),
        pytest.param([(0, 1000, HOME, True), (30, 1010, AWAY, True)], True, id="plugged in elsewhere"),
        pytest.param([(0, 1000, None, False), (60, 0, None, False)], None, id="an odometer that no drive explains"),
        pytest.param([(0, 0, None, False), (60, 0, None, False)], None, id="an odometer of 0, which is unknown"),
        pytest.param([(0, 0, HOME, False), (60, 90, HOME, False)], False, id="an odometer of 0 before the true one"),
        pytest.param(
            [(0, 0, None, False), (60, 12345, None, False), (120, 12345, None, False)], False, id="the true one after 0"
        ),
        pytest.param([(0, 1000, None, False), (9, 0, None, False), (20, 1000, None, False)], None, id="and is back"),
        pytest.param([(0, 1000, None, False), (9, 0, None, False), (20, 1005, None, False)], True, id="and drove"),
    ],
)
def test_car_has_moved_if_its_odometer_or_position_changed(reports, moved):
    *_, before, after = follow(*reports)
    assert has_moved(before, after) is moved
