"""Raw samples: what a vehicle reported about itself at one moment, before anything is corrected.

A sample is keyed by the time at which its charge state was true. The samples of a vehicle form a set: the order of
reports and repeated reports don't matter, so neither do they matter for anything derived from the samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from relay.gateways.enode.json_fields import parse_bool, parse_float, parse_object, parse_text
from relay.kit.json_object import JsonObject
from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from relay.vehicles.merge import find_unknown_members, format_version_time, get_valid_time
from relay.vehicles.models import GroupVersion, VehicleReport

MAX_TEXT_LENGTH = 64
"""Longer texts aren't states or vendors. Samples are stored with each vehicle, so they must stay small."""
ASSUMED_STEP = 1.0
"""The step of a level whose own isn't known yet: most vendors report whole percents."""

UNPLUGGED = "UNPLUGGED"
CHARGING = "PLUGGED_IN:CHARGING"
STOPPED = "PLUGGED_IN:STOPPED"
COMPLETE = "PLUGGED_IN:COMPLETE"
FAULT = "PLUGGED_IN:FAULT"
DISCHARGING = "PLUGGED_IN:DISCHARGING"
PLUGGED_IN_PREFIX = "PLUGGED_IN:"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeMembers:
    """Members of Enode's chargeState, None where unknown: as the vehicle reported them, or corrected.

    Field names are JSON keys in `charging_samples.raw` and `vehicle_energy`: don't rename them.
    """

    state: str | None = None
    plugged_in: bool | None = None
    charging: bool | None = None
    full: bool | None = None
    level: float | None = None
    range_km: float | None = None
    # In kW. Greater than 0 while charging; some vehicles report less than 0 while discharging.
    rate: float | None = None
    minutes_left: float | None = None
    capacity: float | None = None
    limit: float | None = None

    @property
    def is_plugged_in(self) -> bool | None:
        """Whether the vehicle is plugged in, from the flag or else from the state."""
        if self.plugged_in is not None:
            return self.plugged_in
        return None if self.state is None or not is_known_state(self.state) else self.state != UNPLUGGED

    @property
    def is_charging(self) -> bool | None:
        """Whether the vehicle charges, from the flag or else from the state. Never while unplugged."""
        if self.charging is not None:
            return self.charging
        if self.state is not None and is_known_state(self.state):
            return self.state == CHARGING
        return False if self.is_plugged_in is False else None


MEMBER_NAMES: Mapping[str, str] = {
    "state": "powerDeliveryState",
    "plugged_in": "isPluggedIn",
    "charging": "isCharging",
    "full": "isFullyCharged",
    "level": "batteryLevel",
    "range_km": "range",
    "rate": "chargeRate",
    "minutes_left": "chargeTimeRemaining",
    "capacity": "batteryCapacity",
    "limit": "chargeLimit",
}
"""Enode's name of each member."""
FLAG_NAMES = frozenset({"state", "plugged_in", "charging", "rate", "minutes_left"})
"""Members that are kept together, or not at all, while a vehicle can't be reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawSample:
    """What a vehicle reported at one moment. Its charge state and its place each have the version of their event.

    `odometer_at` and `located_at` are the times at which odometer and position were read.
    """

    at: datetime
    version: GroupVersion
    charge: ChargeMembers = ChargeMembers()
    vendor: str | None = None
    # Whether Enode names the charger at which the vehicle is plugged in.
    has_charger: bool = False
    place: VehiclePlace = field(default=UNKNOWN_PLACE, repr=False)
    odometer_at: datetime | None = None
    located_at: datetime | None = None
    place_version: GroupVersion
    # The vehicle couldn't be reached: members that are unknown stay as they were.
    is_incomplete: bool = False

    def is_equivalent(self, other: RawSample) -> bool:
        """Whether both samples differ in their versions at most, so that the same follows from them."""
        return replace(other, version=self.version, place_version=self.place_version) == self


def is_known_state(state: str) -> bool:
    """Whether a powerDeliveryState shows if the vehicle is plugged in."""
    return state == UNPLUGGED or state.startswith(PLUGGED_IN_PREFIX)


def parse_raw_sample(report: VehicleReport) -> RawSample | None:
    """The sample in a report; None for a partial report and for one without data about charging."""
    group = parse_object(report.vehicle, "chargeState")
    if report.is_partial or group is None:
        return None
    charge = parse_charge_members(group)
    if charge.is_charging is None and charge.level is None and charge.is_plugged_in is None:
        return None
    version = f"{format_version_time(report.created_at)} {report.event_id:019d}"
    location = parse_object(report.vehicle, "location") or {}
    odometer = parse_object(report.vehicle, "odometer") or {}
    return RawSample(
        at=get_valid_time(group, report.created_at),
        version=version,
        charge=charge,
        vendor=_parse_short_text(report.vehicle, "vendor"),
        has_charger=bool(parse_text(group, "pluggedInChargerId")),
        place=parse_place(location, odometer),
        odometer_at=get_valid_time(odometer, report.created_at) if odometer else None,
        located_at=get_valid_time(location, report.created_at) if location else None,
        place_version=version,
        is_incomplete=bool(find_unknown_members("chargeState", report.vehicle)),
    )


def complete_charge(charge: ChargeMembers, before: ChargeMembers) -> ChargeMembers:
    """`charge` with what an incomplete report doesn't know as it was before, as merging does."""
    has_flags = any(flag is not None for flag in (charge.state, charge.plugged_in, charge.charging))
    names = set(MEMBER_NAMES) - (FLAG_NAMES if has_flags else set())
    changes = {name: getattr(before, name) for name in names if getattr(charge, name) is None}
    if charge.level is None and not charge.full:
        changes["full"] = before.full
    return replace(charge, **changes)


def parse_charge_members(group: JsonObject) -> ChargeMembers:
    """The members of Enode's chargeState. Values of a wrong type are unknown, and so is the state UNKNOWN."""
    state = _parse_short_text(group, "powerDeliveryState")
    return ChargeMembers(
        state=None if state == "UNKNOWN" else state,
        plugged_in=parse_bool(group, "isPluggedIn"),
        charging=parse_bool(group, "isCharging"),
        full=parse_bool(group, "isFullyCharged"),
        level=parse_float(group, "batteryLevel"),
        range_km=parse_float(group, "range"),
        rate=parse_float(group, "chargeRate"),
        minutes_left=parse_float(group, "chargeTimeRemaining"),
        capacity=parse_float(group, "batteryCapacity"),
        limit=parse_float(group, "chargeLimit"),
    )


def parse_place(location: JsonObject, odometer: JsonObject) -> VehiclePlace:
    """The position and odometer in Enode's groups. Impossible values are unknown."""
    latitude, longitude = parse_float(location, "latitude"), parse_float(location, "longitude")
    is_valid = latitude is not None and longitude is not None and is_on_globe(latitude, longitude)
    distance = parse_float(odometer, "distance")
    return VehiclePlace(
        latitude=latitude if is_valid else None,
        longitude=longitude if is_valid else None,
        odometer_km=distance if distance is not None and is_possible_odometer(distance) else None,
    )


def is_on_globe(latitude: float, longitude: float) -> bool:
    """Whether a position exists and isn't 0/0, which clouds send for an unknown position (in the Atlantic Ocean)."""
    is_null_island = abs(latitude) < NULL_ISLAND_DEGREES and abs(longitude) < NULL_ISLAND_DEGREES
    return abs(latitude) <= 90 and abs(longitude) <= 180 and not is_null_island  # noqa: PLR2004 - degrees


NULL_ISLAND_DEGREES = 0.001
"""About 100 m around 0/0."""
MAX_ODOMETER_KM = 5_000_000.0
"""No electric vehicle has driven that far (the record of any car is 5.2 million km). Some vendors send 2^24 - 1 for
an unknown odometer."""


def is_possible_odometer(distance_km: float) -> bool:
    """Whether a vehicle can have driven that far."""
    return 0 <= distance_km <= MAX_ODOMETER_KM


def merge_raw_samples(one: RawSample, other: RawSample) -> RawSample:
    """Merge two samples of the same moment: the charge state of the newer event, the place of the older one.

    A vehicle that drives off repeats its last charge state with its new position, so only the first report has the
    place where it charged.
    """
    newer = max(one, other, key=lambda sample: sample.version)
    older = min(one, other, key=lambda sample: sample.place_version)
    replaced = other if newer is one else one
    if newer.is_incomplete:
        charge = complete_charge(newer.charge, replaced.charge)
        newer = replace(newer, charge=charge, is_incomplete=replaced.is_incomplete)
    return replace(
        newer,
        place=older.place,
        odometer_at=older.odometer_at,
        located_at=older.located_at,
        place_version=older.place_version,
    )


def _parse_short_text(source: Mapping[str, Any], key: str) -> str | None:
    text = parse_text(source, key)
    return text if text is not None and len(text) <= MAX_TEXT_LENGTH else None
