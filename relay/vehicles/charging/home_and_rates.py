"""A user's home and electricity rates, as they apply to charging sessions. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import asin, cos, radians, sin, sqrt

from relay.vehicles.charging.samples import VehiclePlace

EARTH_RADIUS_M = 6_371_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeLocation:
    """A user's home: a circle, in degrees and metres."""

    latitude: float
    longitude: float
    radius_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricityRate:
    """The price of a kWh from `valid_from` on; `currency` is an ISO 4217 code."""

    valid_from: datetime
    cost_per_kwh: float
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeAndRates:
    """A user's home and all rates, in order of `valid_from`."""

    home: HomeLocation | None = None
    rates: Sequence[ElectricityRate] = ()

    def is_at_home(self, place: VehiclePlace) -> bool | None:
        """Whether `place` is at home; None when either is unknown."""
        if self.home is None or place.latitude is None or place.longitude is None:
            return None
        return (
            _get_distance_m(self.home.latitude, self.home.longitude, place.latitude, place.longitude)
            <= self.home.radius_m
        )

    def find_rate(self, at: datetime) -> ElectricityRate | None:
        """The rate in force at `at`."""
        return max(
            (rate for rate in self.rates if rate.valid_from <= at), key=lambda rate: rate.valid_from, default=None
        )


def _get_distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance between two positions (haversine formula)."""
    phi, other_phi = radians(latitude), radians(other_latitude)
    latitude_term = sin((other_phi - phi) / 2) ** 2
    longitude_term = cos(phi) * cos(other_phi) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(latitude_term + longitude_term)))
