"""What a car said of charging at one moment, and how two things said of the same moment become one.

A sample is keyed by the time at which the charge state was true. Samples of one car are a set: seen again, in whatever
order, they make the same set, so everything that follows from them is the same too.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from relay.gateways.enode.json_fields import parse_datetime, parse_float, parse_object
from relay.vehicles.merge import format_version_time
from relay.vehicles.models import GroupVersion, Json, VehicleReport
from relay.vehicles.transitions import parse_charge_flags


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeReading:
    """The charge state; None is unknown. `soc` in %, `power_kw` only while charging, `capacity_kwh` usable."""

    charging: bool | None = None
    plugged_in: bool | None = None
    soc: float | None = None
    power_kw: float | None = None
    capacity_kwh: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VehiclePlace:
    """Where the car was and how far it had gone, in degrees and km."""

    latitude: float | None = field(default=None, repr=False)
    longitude: float | None = field(default=None, repr=False)
    odometer_km: float | None = None


UNKNOWN_PLACE = VehiclePlace()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSample:
    """A reading and a place, each with the version of the event that it is from."""

    at: datetime
    reading: ChargeReading
    version: GroupVersion
    place: VehiclePlace = UNKNOWN_PLACE
    place_version: GroupVersion

    def is_equivalent(self, other: ChargingSample) -> bool:
        """Whether nothing follows from the one that does not follow from the other."""
        return (self.at, self.reading, self.place) == (other.at, other.reading, other.place)


def parse_sample(report: VehicleReport) -> ChargingSample | None:
    """The sample in what Enode shows; None for a car that says nothing about charging."""
    group = parse_object(report.vehicle, "chargeState")
    if report.is_partial or group is None:
        return None
    reading = parse_reading(report.vehicle)
    if reading.charging is None and reading.soc is None:
        return None
    version = f"{format_version_time(report.created_at)} {report.event_id:019d}"
    return ChargingSample(
        at=min(parse_datetime(group, "lastUpdated") or report.created_at, report.created_at),
        reading=reading,
        version=version,
        place=_parse_place(report.vehicle),
        place_version=version,
    )


def merge_samples(one: ChargingSample, other: ChargingSample) -> ChargingSample:
    """Two samples of one moment. The newer event corrects the reading; only the older one was still at the place.

    A car that drives off repeats its last charge state from wherever it is by then.
    """
    newer = max(one, other, key=lambda it: it.version)
    older = min(one, other, key=lambda it: it.place_version)
    return replace(newer, place=older.place, place_version=older.place_version)


def parse_reading(vehicle: Json) -> ChargeReading:
    """The charge state in Enode's vehicle object. Numbers that cannot be true are unknown."""
    group = parse_object(vehicle, "chargeState") or {}
    charge = parse_charge_flags(vehicle)
    soc, power, capacity = (parse_float(group, key) for key in ("batteryLevel", "chargeRate", "batteryCapacity"))
    return ChargeReading(
        charging=charge.charging,
        plugged_in=charge.plugged_in,
        soc=soc if soc is not None and 0 <= soc <= 100 else None,  # noqa: PLR2004 - per cent
        power_kw=power if charge.charging and power is not None and 0 < power <= MAX_POWER_KW else None,
        capacity_kwh=capacity if capacity is not None and 0 < capacity <= MAX_CAPACITY_KWH else None,
    )


MAX_POWER_KW = 2000.0
MAX_CAPACITY_KWH = 2000.0


def _parse_place(vehicle: Json) -> VehiclePlace:
    location, odometer = parse_object(vehicle, "location") or {}, parse_object(vehicle, "odometer") or {}
    latitude, longitude = parse_float(location, "latitude"), parse_float(location, "longitude")
    known = latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180  # noqa: PLR2004 - degrees
    distance = parse_float(odometer, "distance")
    return VehiclePlace(
        latitude=latitude if known else None,
        longitude=longitude if known else None,
        odometer_km=distance if distance is not None and distance >= 0 else None,
    )
