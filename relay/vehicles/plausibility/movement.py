"""Whether a vehicle has moved between two moments, from odometer, position and plug. Pure functions."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import cos, hypot, radians

from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from relay.vehicles.plausibility.raw_samples import RawSample

MIN_MOVED_KM = 0.5
"""Movement by odometer; less may be rounding."""
MIN_MOVED_METRES = 200.0
"""Movement by position; less may be a weak GPS signal in a garage."""
MAX_SPEED_KMH = 250.0
"""The fastest that an odometer counts: most electric cars are limited to 180 km/h or less."""
MAX_ODOMETER_ROUNDING_KM = 2.0
"""Differences of an odometer that are rounding: of miles, of hundreds of metres, of two sources in one cloud."""
MIN_ODOMETER_SPAN = timedelta(minutes=5)
"""Over a shorter time an odometer in whole kilometres or miles may stay the same while the vehicle drives."""
MAX_ODOMETER_HOLD = timedelta(hours=24)
METRES_PER_DEGREE = 111_320


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a vehicle was at a moment, and when odometer and position were read."""

    at: datetime
    place: VehiclePlace = field(default=UNKNOWN_PLACE, repr=False)
    odometer_at: datetime | None = None
    located_at: datetime | None = None
    plugged_in: bool | None = None


def get_position(sample: RawSample, *, plugged_in: bool | None) -> Position:
    """The position in a sample."""
    return Position(
        at=sample.at,
        place=sample.place,
        odometer_at=sample.odometer_at,
        located_at=sample.located_at,
        plugged_in=plugged_in,
    )


def has_moved(before: Position, after: Position) -> bool | None:
    """Whether the vehicle moved in between; None if nothing tells.

    An odometer or position that wasn't read since `before` proves nothing: some vehicles report them after the drive.
    """
    driven, is_odometer_possible = _get_driven_km(before, after)
    if driven is not None and is_odometer_possible and abs(driven) >= MIN_MOVED_KM:
        return True
    distance = get_distance_m(before.place, after.place)
    if distance is not None and distance >= MIN_MOVED_METRES:
        return True
    is_odometer_read = driven is not None and _is_read_since(after.odometer_at, before.at + MIN_ODOMETER_SPAN)
    is_position_read = distance is not None and _is_read_since(after.located_at, before.at)
    is_plugged_in = before.plugged_in is True and after.plugged_in is True
    return False if is_odometer_read or is_position_read or is_plugged_in else None


def replace_impossible_odometer(before: Position | None, now: Position) -> Position:
    """`now` with the odometer of `before` where its own is one that no drive explains, for a day at most."""
    if before is None or before.place.odometer_km is None or now.place.odometer_km is None:
        return now
    driven, is_possible = _get_driven_km(before, now)
    read_at = before.odometer_at or before.at
    if driven is None or is_possible or now.at - read_at > MAX_ODOMETER_HOLD:
        return now
    place = replace(now.place, odometer_km=before.place.odometer_km)
    return replace(now, place=place, odometer_at=read_at)


def get_distance_m(one: VehiclePlace, other: VehiclePlace) -> float | None:
    """The distance between two nearby positions in metres; None if either is unknown."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    north, east = other.latitude - one.latitude, other.longitude - one.longitude
    east = (east + 180) % 360 - 180  # the short way across the date line
    return hypot(north, east * cos(radians(other.latitude))) * METRES_PER_DEGREE


def is_possible_drive(driven_km: float, duration: timedelta) -> bool:
    """Whether an odometer can change by `driven_km` in `duration`. Odometers don't fall."""
    if driven_km <= -MAX_ODOMETER_ROUNDING_KM:
        return False
    return driven_km <= MAX_SPEED_KMH * max(duration / timedelta(hours=1), 0.0) + MAX_ODOMETER_ROUNDING_KM


def _get_driven_km(before: Position, after: Position) -> tuple[float | None, bool]:
    """The kilometres driven, None if unknown, and whether that is possible."""
    start, end = before.place.odometer_km, after.place.odometer_km
    if start is None or end is None:
        return None, False
    duration = (after.odometer_at or after.at) - (before.odometer_at or before.at)
    return end - start, is_possible_drive(end - start, duration)


def _is_read_since(read_at: datetime | None, since: datetime) -> bool:
    return read_at is not None and read_at > since
