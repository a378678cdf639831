"""What a car said of charging at one moment, and how two things said of the same moment become one.

A sample is keyed by the time at which the charge state was true. Samples of one car are a set: seen again, in whatever
order, they make the same set, so everything that follows from them is the same too.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from relay.gateways.enode.fields import member, moment, number
from relay.vehicles.merge import stamp
from relay.vehicles.models import Json, Sighting, Version
from relay.vehicles.transitions import read_charge


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The charge state; None is unknown. `soc` in %, `power_kw` only while charging, `capacity_kwh` usable."""

    charging: bool | None = None
    plugged_in: bool | None = None
    soc: float | None = None
    power_kw: float | None = None
    capacity_kwh: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the car was and how far it had gone, in degrees and km."""

    latitude: float | None = field(default=None, repr=False)
    longitude: float | None = field(default=None, repr=False)
    odometer_km: float | None = None


NOWHERE = Place()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A reading and a place, each with the version of the event that it is from."""

    at: datetime
    reading: Reading
    version: Version
    place: Place = NOWHERE
    place_version: Version

    def says_the_same(self, other: Sample) -> bool:
        """Whether nothing follows from the one that does not follow from the other."""
        return (self.at, self.reading, self.place) == (other.at, other.reading, other.place)


def take_sample(sighting: Sighting) -> Sample | None:
    """The sample in what Enode shows; None for a car that says nothing about charging."""
    group = member(sighting.vehicle, "chargeState")
    if sighting.partial or group is None:
        return None
    reading = read_reading(sighting.vehicle)
    if reading.charging is None and reading.soc is None:
        return None
    version = f"{stamp(sighting.created_at)} {sighting.event_id:019d}"
    return Sample(
        at=min(moment(group, "lastUpdated") or sighting.created_at, sighting.created_at),
        reading=reading,
        version=version,
        place=_read_place(sighting.vehicle),
        place_version=version,
    )


def united(one: Sample, other: Sample) -> Sample:
    """Two samples of one moment. The newer event corrects the reading; only the older one was still at the place.

    A car that drives off repeats its last charge state from wherever it is by then.
    """
    newer = max(one, other, key=lambda it: it.version)
    older = min(one, other, key=lambda it: it.place_version)
    return replace(newer, place=older.place, place_version=older.place_version)


def read_reading(vehicle: Json) -> Reading:
    """The charge state in Enode's vehicle object. Numbers that cannot be true are unknown."""
    group = member(vehicle, "chargeState") or {}
    charge = read_charge(vehicle)
    soc, power, capacity = (number(group, key) for key in ("batteryLevel", "chargeRate", "batteryCapacity"))
    return Reading(
        charging=charge.charging,
        plugged_in=charge.plugged_in,
        soc=soc if soc is not None and 0 <= soc <= 100 else None,  # noqa: PLR2004 - per cent
        power_kw=power if charge.charging and power is not None and 0 < power <= MOST_POWER_KW else None,
        capacity_kwh=capacity if capacity is not None and 0 < capacity <= MOST_CAPACITY_KWH else None,
    )


MOST_POWER_KW = 2000.0
MOST_CAPACITY_KWH = 2000.0


def _read_place(vehicle: Json) -> Place:
    location, odometer = member(vehicle, "location") or {}, member(vehicle, "odometer") or {}
    latitude, longitude = number(location, "latitude"), number(location, "longitude")
    known = latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180  # noqa: PLR2004 - degrees
    distance = number(odometer, "distance")
    return Place(
        latitude=latitude if known else None,
        longitude=longitude if known else None,
        odometer_km=distance if distance is not None and distance >= 0 else None,
    )
