"""Whether a place is at home."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.samples import VehiclePlace
from relay.vehicles.places import EARTH_RADIUS_M


def is_at_home(home, place, radius_m=500):
    latitude, longitude = home
    home = HomeLocation(latitude=latitude, longitude=longitude, radius_m=radius_m)
    return home.contains(VehiclePlace(latitude=place[0], longitude=place[1]))


@pytest.mark.parametrize(
    ("home", "place", "expected"),
    [
        pytest.param((52.0, 5.0), (52.0, 5.0), True, id="the centre"),
        pytest.param((52.0, 5.0), (52.00449, 5.0), True, id="499 m north"),
        pytest.param((52.0, 5.0), (52.00451, 5.0), False, id="501 m north"),
        pytest.param((52.0, 5.0), (51.99551, 5.0), True, id="499 m south"),
        pytest.param((52.0, 5.0), (51.99549, 5.0), False, id="501 m south"),
        pytest.param((52.0, 5.0), (52.0, 5.00729), True, id="499 m east"),
        pytest.param((52.0, 5.0), (52.0, 5.00732), False, id="501 m east"),
        pytest.param((52.0, 5.0), (52.0, 4.99271), True, id="499 m west"),
        pytest.param((52.0, 5.0), (52.0, 4.99268), False, id="501 m west"),
        pytest.param((52.0, 5.0), (52.0031, 5.0050), True, id="345 m north and 342 m east"),
        pytest.param((52.0, 5.0), (52.0034, 5.0053), False, id="378 m north and 363 m east"),
        pytest.param((0.0, 5.0), (0.0, 5.00449), True, id="499 m east at the equator"),
        pytest.param((0.0, 5.0), (0.0, 5.00451), False, id="501 m east at the equator"),
        pytest.param((89.9, 5.0), (89.9, 7.57), True, id="499 m around the pole"),
        pytest.param((89.9, 5.0), (89.9, 7.59), False, id="503 m around the pole"),
        pytest.param((89.999, 0.0), (89.999, 180.0), True, id="222 m across the pole"),
        pytest.param((0.0, 179.998), (0.0, -179.998), True, id="445 m across the date line"),
        pytest.param((0.0, 179.9977), (0.0, -179.9977), False, id="511 m across the date line"),
        pytest.param((0.0, -180.0), (0.0, 180.0), True, id="the date line itself"),
        pytest.param((52.0, 5.0), (52.0, 185.0 - 360), False, id="the same latitude on the other side"),
        pytest.param((52.0, 5.0), (-52.0, -175.0), False, id="the opposite point of the world"),
        pytest.param((52.0, 5.0), (-52.0, 5.0), False, id="the other hemisphere"),
    ],
)
def test_home_is_a_circle_on_the_globe(home, place, expected):
    assert is_at_home(home, place) is expected
    assert is_at_home(place, home) is expected


def test_place_on_the_edge_of_home_is_at_home():
    assert is_at_home((52.0, 5.0), (52.0, 5.0), radius_m=0) is True


@pytest.mark.parametrize(("latitude", "longitude"), [(None, 5.0), (52.0, None), (None, None)])
def test_place_without_both_degrees_is_unknown(latitude, longitude):
    assert is_at_home((52.0, 5.0), (latitude, longitude)) is None


latitudes, longitudes, offsets = st.floats(-90, 90), st.floats(-180, 180), st.floats(-0.01, 0.01)


@given(latitudes, longitudes, offsets, offsets, st.integers(50, 1000))
def test_place_is_at_home_when_its_distance_is_within_the_radius(latitude, longitude, north, east, radius_m):
    place = (
        max(-90.0, min(90.0, latitude + north)),
        (longitude + east / max(1e-6, math.cos(math.radians(latitude))) + 180) % 360 - 180,
    )
    vectors = []
    for phi, theta in ((math.radians(one), math.radians(other)) for one, other in ((latitude, longitude), place)):
        vectors.append((math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)))
    distance = 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.dist(*vectors) / 2))
    assume(abs(distance - radius_m) > 0.01)
    assert is_at_home((latitude, longitude), place, radius_m) is (distance < radius_m)


@given(latitudes, longitudes, latitudes, longitudes)
def test_any_two_places_have_a_distance(latitude, longitude, other_latitude, other_longitude):
    """Rounding must not leave the domain of the arcsine, even for opposite points."""
    assert is_at_home((latitude, longitude), (other_latitude, other_longitude), 20_100_000) is True
    assert is_at_home((latitude, longitude), (-latitude, longitude - 180), 20_000_000) is False
