"""Where vehicles are: the distance between two places, and whether a vehicle is at another one. Pure functions."""

from math import asin, cos, radians, sin, sqrt

from relay.vehicles.charging.samples import VehiclePlace

EARTH_RADIUS_M = 6_371_000.0
MIN_DRIVEN_KM = 0.5
"""Movement by odometer. Odometers are read in whole kilometres or miles at most vendors; less than this is rounding."""
MAX_FIRST_DRIVE_KM = 500.0
"""How far a new vehicle may drive until its next report. If an odometer of 0 becomes more, it was unknown before: some
makers' clouds report 0 until they have read the vehicle."""


def get_distance_m(one: VehiclePlace, other: VehiclePlace) -> float | None:
    """Great-circle distance between two positions (haversine formula); None when a position is unknown."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    phi, other_phi = radians(one.latitude), radians(other.latitude)
    latitude_term = sin((other_phi - phi) / 2) ** 2
    longitude_term = cos(phi) * cos(other_phi) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(latitude_term + longitude_term)))


def is_elsewhere(before: VehiclePlace, after: VehiclePlace, *, min_distance_m: float) -> bool | None:
    """Whether a vehicle is at another place, by odometer or position; None when neither is known at both moments.

    `min_distance_m`: how far positions must be apart; those of a parked vehicle scatter.
    """
    answers = []
    if before.odometer_km is not None and after.odometer_km is not None and not _was_unknown(before, after):
        answers.append(abs(after.odometer_km - before.odometer_km) >= MIN_DRIVEN_KM)
    distance = get_distance_m(before, after)
    if distance is not None:
        answers.append(distance >= min_distance_m)
    return any(answers) if answers else None


def _was_unknown(before: VehiclePlace, after: VehiclePlace) -> bool:
    lower, higher = sorted((before.odometer_km or 0.0, after.odometer_km or 0.0))
    return lower == 0 and higher > MAX_FIRST_DRIVE_KM
