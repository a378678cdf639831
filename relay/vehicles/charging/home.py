"""A user's home, as it applies to charging sessions. Pure functions."""

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

from relay.vehicles.charging.samples import VehiclePlace

EARTH_RADIUS_M = 6_371_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeLocation:
    """A user's home: a circle, in degrees and metres."""

    latitude: float
    longitude: float
    radius_m: float

    def contains(self, place: VehiclePlace) -> bool | None:
        """Whether `place` is at home; None when it is unknown."""
        distance = get_distance_m(VehiclePlace(latitude=self.latitude, longitude=self.longitude), place)
        return None if distance is None else distance <= self.radius_m


def get_distance_m(one: VehiclePlace, other: VehiclePlace) -> float | None:
    """Great-circle distance between two positions (haversine formula); None when a position is unknown."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    phi, other_phi = radians(one.latitude), radians(other.latitude)
    latitude_term = sin((other_phi - phi) / 2) ** 2
    longitude_term = cos(phi) * cos(other_phi) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(latitude_term + longitude_term)))
