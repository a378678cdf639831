"""Distances between places, and whether a vehicle is at another one."""

import pytest

from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from relay.vehicles.places import get_distance_m, is_elsewhere


def place(latitude=None, longitude=None, km=None):
    return VehiclePlace(latitude=latitude, longitude=longitude, odometer_km=km)


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        pytest.param((52.0, 5.0), (52.0, 5.0), 0, id="the same"),
        pytest.param((52.0, 5.0), (53.0, 5.0), 111_195, id="a degree north"),
        pytest.param((60.0, 5.0), (60.0, 6.0), 55_597, id="a degree east at 60 degrees"),
        pytest.param((0.0, 179.999), (0.0, -179.999), 222, id="across the date line"),
        pytest.param((89.999, 0.0), (89.999, 180.0), 222, id="across the pole"),
        pytest.param((10.0, 20.0), (-10.0, -160.0), 20_015_087, id="the other side of the globe"),
    ],
)
def test_distance_is_that_on_the_globe(one, other, metres):
    for pair in ((one, other), (other, one)):
        assert get_distance_m(place(*pair[0]), place(*pair[1])) == pytest.approx(metres, abs=1)


@pytest.mark.parametrize("unknown", [(None, 5.0), (52.0, None), (None, None)])
def test_distance_to_an_unknown_position_is_unknown(unknown):
    assert get_distance_m(place(*unknown), place(52, 5)) is get_distance_m(place(52, 5), place(*unknown)) is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(place(52, 5, 100), place(52, 5, 100), False, id="the same place"),
        pytest.param(place(km=0), place(km=500), True, id="a new vehicle"),
        pytest.param(place(km=0), place(km=501), None, id="an odometer of 0, which was unknown"),
        pytest.param(place(km=12345), place(km=0), None, id="an odometer of 0, which is unknown"),
        pytest.param(place(52, 5, 0), place(52, 5, 12345), False, id="an odometer of 0 at the same place"),
        pytest.param(place(km=100), place(km=100.4), False, id="rounding of the odometer"),
        pytest.param(place(km=100), place(km=100.5), True, id="half a kilometre"),
        pytest.param(place(km=100.5), place(km=100), True, id="an odometer that fell"),
        pytest.param(place(52, 5), place(52.00269, 5), False, id="299 m"),
        pytest.param(place(52, 5), place(52.00271, 5), True, id="301 m"),
        pytest.param(place(52, 5, 100), place(53, 5, 100), True, id="towed, with the same odometer"),
        pytest.param(place(52, 5, 100), place(52, 5, 200), True, id="a round trip"),
        pytest.param(place(52, 5), place(km=100), None, id="nothing known at both moments"),
        pytest.param(UNKNOWN_PLACE, UNKNOWN_PLACE, None, id="nothing known"),
    ],
)
def test_vehicle_is_elsewhere_if_odometer_or_position_shows_it(before, after, expected):
    assert is_elsewhere(before, after, min_distance_m=300) is expected
