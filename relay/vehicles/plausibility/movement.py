"""Whether a vehicle has moved between two moments, from odometer, position and plug. Pure functions."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from relay.vehicles.places import MIN_DRIVEN_KM, get_distance_m
from relay.vehicles.plausibility.raw_samples import RawSample

MIN_MOVED_METRES = 200.0
"""Movement by position between two reports; less may be a weak GPS signal in a garage."""
MAX_SPEED_KMH = 250.0
"""The fastest that an odometer counts: most electric cars are limited to 180 km/h or less."""
MAX_ODOMETER_ROUNDING_KM = 2.0
"""Differences of an odometer that are rounding: of miles, of hundreds of metres, of two sources in one cloud."""
MIN_ODOMETER_SPAN = timedelta(minutes=5)
"""For a shorter time an odometer in whole kilometres or miles may stay the same while the vehicle drives."""
MAX_ODOMETER_HOLD = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a vehicle was at a moment, and when its odometer was read.

    `odometer_since` is since when the odometer has been the same. `is_late`: this vehicle reports odometer and position
    only after a drive, so that neither proves that it is parked.
    """

    at: datetime
    place: VehiclePlace = field(default=UNKNOWN_PLACE, repr=False)
    odometer_at: datetime | None = None
    odometer_since: datetime | None = None
    plugged_in: bool | None = None
    is_late: bool = False


def get_position(sample: RawSample, before: Position | None, *, plugged_in: bool | None) -> Position:
    """The position in a sample; `before` is that of the sample before.

    An odometer that no drive explains is replaced by the one before, for a day at most.
    """
    now = Position(
        at=sample.at,
        place=sample.place,
        odometer_at=sample.odometer_at,
        odometer_since=sample.odometer_at or sample.at,
        plugged_in=plugged_in,
        is_late=before is not None and before.is_late,
    )
    if before is None:
        return now
    now = _replace_impossible_odometer(before, now)
    driven = get_driven_km(before, now)
    is_same = driven is not None and abs(driven) < MIN_DRIVEN_KM and now.odometer_since is not None
    return replace(now, odometer_since=before.odometer_since or now.odometer_since) if is_same else now


def has_moved(before: Position, after: Position) -> bool | None:
    """Whether the vehicle moved in between; None if that is unknown."""
    driven, distance = get_driven_km(before, after), get_distance_m(before.place, after.place)
    if (driven is not None and abs(driven) >= MIN_DRIVEN_KM) or (distance is not None and distance >= MIN_MOVED_METRES):
        return True
    if before.plugged_in is True and after.plugged_in is True:
        return False
    if after.is_late:
        return None
    since = after.odometer_since
    is_odometer_same = driven is not None and since is not None and after.at - since >= MIN_ODOMETER_SPAN
    return False if is_odometer_same or distance is not None else None


def get_driven_km(before: Position, after: Position) -> float | None:
    """The kilometres driven by the odometer; None if that is unknown, or if no drive explains them.

    Since an odometer of 0 that is unknown: some makers' clouds report it until they have read the vehicle.
    """
    start, end = before.place.odometer_km, after.place.odometer_km
    if not start or end is None:
        return None
    duration = (after.odometer_at or after.at) - (before.odometer_at or before.at)
    return end - start if is_possible_drive(end - start, duration) else None


def is_possible_drive(driven_km: float, duration: timedelta) -> bool:
    """Whether an odometer can change by `driven_km` in `duration`. Odometers don't fall."""
    if driven_km <= -MAX_ODOMETER_ROUNDING_KM:
        return False
    return driven_km <= MAX_SPEED_KMH * max(duration / timedelta(hours=1), 0.0) + MAX_ODOMETER_ROUNDING_KM


def _replace_impossible_odometer(before: Position, now: Position) -> Position:
    if not before.place.odometer_km or now.place.odometer_km is None or get_driven_km(before, now) is not None:
        return now
    read_at = before.odometer_at or before.at
    if now.at - read_at > MAX_ODOMETER_HOLD:
        return now
    place = replace(now.place, odometer_km=before.place.odometer_km)
    # It doesn't prove that the vehicle is parked.
    return replace(now, place=place, odometer_at=read_at, odometer_since=None)
