"""A user's home, as it applies to charging sessions. Pure functions."""

from dataclasses import dataclass

from relay.vehicles.charging.samples import VehiclePlace
from relay.vehicles.places import get_distance_m


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
