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
        if self.home is None:
            return None
        home = VehiclePlace(latitude=self.home.latitude, longitude=self.home.longitude)
        distance = get_distance_m(home, place)
        return None if distance is None else distance <= self.home.radius_m

    def find_rate(self, at: datetime) -> ElectricityRate | None:
        """The rate in force at `at`."""
        return max(
            (rate for rate in self.rates if rate.valid_from <= at), key=lambda rate: rate.valid_from, default=None
        )


def get_distance_m(one: VehiclePlace, other: VehiclePlace) -> float | None:
    """Great-circle distance between two positions (haversine formula); None when a position is unknown."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    phi, other_phi = radians(one.latitude), radians(other.latitude)
    latitude_term = sin((other_phi - phi) / 2) ** 2
    longitude_term = cos(phi) * cos(other_phi) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(latitude_term + longitude_term)))
