"""Charging samples: what a report says about charging at one moment, and how two reports of one moment are merged.

A sample is keyed by the time at which the charge state was true. The samples of a vehicle form a set: the order of
reports and repeated reports don't matter, so neither do they matter for anything derived from the samples.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from relay.gateways.enode.json_fields import parse_datetime, parse_float, parse_object
from relay.kit.json_object import JsonObject
from relay.vehicles.merge import format_version_time
from relay.vehicles.models import GroupVersion, VehicleReport
from relay.vehicles.transitions import parse_charge_flags

# Greater values are treated as unknown.
MAX_POWER_KW = 2000.0
MAX_CAPACITY_KWH = 2000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeReading:
    """A plausible charge state; None is unknown. `soc` is in percent, `capacity_kwh` is usable capacity.

    Field names are JSON keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them, and give new ones
    a default.
    """

    charging: bool | None = None
    # Feeding energy from the battery through the plug (V2L, V2H, V2G).
    discharging: bool | None = None
    plugged_in: bool | None = None
    soc: float | None = None
    # Greater than 0; known only while charging.
    power_kw: float | None = None
    # Greater than 0; known only while discharging.
    discharge_kw: float | None = None
    capacity_kwh: float | None = None
    # The smallest step of the level that this vehicle has shown, in percentage points; None: not known yet.
    step: float | None = None
    # The level before can't be compared with this one, and nothing was charged or discharged in between.
    rebased: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class VehiclePlace:
    """Position in degrees and odometer in km; None is unknown."""

    latitude: float | None = field(default=None, repr=False)
    longitude: float | None = field(default=None, repr=False)
    odometer_km: float | None = None


UNKNOWN_PLACE = VehiclePlace()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSample:
    """A reading and a place at one moment, each with the version of the event that reported it.

    Field names are JSON keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them.
    """

    at: datetime
    reading: ChargeReading
    version: GroupVersion
    place: VehiclePlace = UNKNOWN_PLACE
    place_version: GroupVersion

    def is_equivalent(self, other: ChargingSample) -> bool:
        """Whether both samples differ in their versions at most, so that the same sessions follow from them."""
        return (self.at, self.reading, self.place) == (other.at, other.reading, other.place)


def parse_sample(report: VehicleReport) -> ChargingSample | None:
    """The sample in a report; None for a partial report and for one without charging state and charge level."""
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
    """Merge two samples of the same moment: the reading of the newer event, the place of the older one.

    A vehicle that drives off repeats its last charge state with its new position, so only the first report has the
    place where it charged.
    """
    newer = max(one, other, key=lambda sample: sample.version)
    older = min(one, other, key=lambda sample: sample.place_version)
    return replace(newer, place=older.place, place_version=older.place_version)


def parse_reading(vehicle: JsonObject) -> ChargeReading:
    """The charge state in Enode's vehicle object. Impossible numbers become unknown."""
    group = parse_object(vehicle, "chargeState") or {}
    flags = parse_charge_flags(vehicle)
    soc, power, capacity = (parse_float(group, key) for key in ("batteryLevel", "chargeRate", "batteryCapacity"))
    return ChargeReading(
        charging=flags.charging,
        plugged_in=flags.plugged_in,
        soc=soc if soc is not None and 0 <= soc <= 100 else None,  # noqa: PLR2004 - percent
        power_kw=power if flags.charging and power is not None and 0 < power <= MAX_POWER_KW else None,
        capacity_kwh=capacity if capacity is not None and 0 < capacity <= MAX_CAPACITY_KWH else None,
    )


def _parse_place(vehicle: JsonObject) -> VehiclePlace:
    location, odometer = parse_object(vehicle, "location") or {}, parse_object(vehicle, "odometer") or {}
    latitude, longitude = parse_float(location, "latitude"), parse_float(location, "longitude")
    is_valid = latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180  # noqa: PLR2004 - degrees
    distance = parse_float(odometer, "distance")
    return VehiclePlace(
        latitude=latitude if is_valid else None,
        longitude=longitude if is_valid else None,
        odometer_km=distance if distance is not None and distance >= 0 else None,
    )
