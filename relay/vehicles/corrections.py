"""What to show instead of a vehicle's raw state: the result of the plausibility stage, as an overlay. Pure functions.

A correction replaces whole state groups and is named in the vehicle's record. The raw state stays as Enode reported it,
because merging and polling compare with that. docs/corrections.md describes each rule.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from relay.gateways.enode.json_fields import parse_bool, parse_datetime, parse_float, parse_object
from relay.kit.json_object import JsonObject
from relay.kit.timestamps import EARLIEST_TIME, format_timestamp
from relay.vehicles.charging.derivation import MAX_GAP
from relay.vehicles.merge import (
    CHARGING_FLAGS,
    GROUPS_WITH_OWN_TIME,
    get_valid_time,
    parse_created_time,
    parse_version_time,
)
from relay.vehicles.models import CorrectionOverlay, GroupVersion, VehicleReport, VehicleState
from relay.vehicles.plausibility.false_unplugged import has_left
from relay.vehicles.plausibility.level import MAX_HOLD, Hold
from relay.vehicles.plausibility.movement import Position
from relay.vehicles.plausibility.odometer import (
    OdometerMemory,
    OdometerReading,
    add_readings,
    derive_odometer,
)
from relay.vehicles.plausibility.raw_samples import (
    CHARGING,
    DISCHARGING,
    MEMBER_NAMES,
    ChargeMembers,
    RawSample,
    complete_charge,
    is_on_globe,
    is_possible_odometer,
    parse_charge_members,
    parse_place,
)
from relay.vehicles.plausibility.stage import HELD_LEVEL, HELD_PLUG, CheckedCharge, PlausibilityMemory, check_sample

MAX_CLOCK_AHEAD = timedelta(minutes=2)
"""How far a vendor's clock may be ahead of Enode's before a time is corrected."""
MAX_CHARGING_AGE = MAX_GAP
"""How long a vehicle that can't be reached is shown as charging: as long as the derivation assumes it."""
EXPIRY_LEEWAY = timedelta(seconds=1)
MAX_REVIEW_AHEAD = MAX_CHARGING_AGE + EXPIRY_LEEWAY
"""How far ahead the next review of a vehicle's corrections can be."""
ACTIVE_STATES = frozenset({CHARGING, DISCHARGING})

ODOMETER_ADAPTER: TypeAdapter[OdometerMemory] = TypeAdapter(OdometerMemory)
ODOMETER_KEY = "odometer"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownState:
    """A merged state under correction. `as_of` is the time for which it is shown."""

    state: VehicleState
    plausibility: PlausibilityMemory
    odometer: OdometerMemory
    as_of: datetime
    overlay: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def get_group(self, name: str) -> JsonObject | None:
        """A group as corrected so far; None if it isn't an object."""
        return self.overlay.get(name) or parse_object(self.state.groups, name)

    def correct(self, group: str, members: JsonObject, *names: str) -> None:
        """Show `members` in a group instead of what it has."""
        self.overlay[group] = {**(self.get_group(group) or {}), **members}
        self.names.extend(names)


def derive_corrections(
    state: VehicleState, plausibility: PlausibilityMemory, memory: JsonObject, *, as_of: datetime | None = None
) -> CorrectionOverlay:
    """The corrections of `state`. `plausibility` is that of its newest sample, `memory` that of earlier corrections.

    `as_of` is the time for which the state is shown, by default that of its newest event. The same reports give the
    same corrections, in whatever order they arrived.
    """
    shown = ShownState(
        state=state,
        plausibility=plausibility,
        odometer=parse_odometer_memory(memory),
        as_of=as_of or get_newest_event_time(state),
    )
    for correct in GROUP_CORRECTIONS:
        correct(shown)
    names = tuple(dict.fromkeys(shown.names))
    hold = plausibility.levels.hold if HELD_LEVEL in names else None
    return CorrectionOverlay(
        overlay=shown.overlay,
        names=names,
        memory=memory,
        held_since=None if hold is None else hold.begun_at,
        review_at=_get_review_time(shown, hold),
    )


def remember_odometer(memory: JsonObject, report: VehicleReport) -> JsonObject:
    """The memory of corrections after a report's odometer."""
    group = parse_object(report.vehicle, "odometer")
    km = parse_float(group or {}, "distance")
    if group is None or km is None or report.is_partial or not is_possible_odometer(km):
        return memory
    version = f"{report.created_at.isoformat()} {report.event_id:019d}"
    reading = OdometerReading(at=get_valid_time(group, report.created_at), km=km, version=version)
    before = parse_odometer_memory(memory)
    after = add_readings(before, (reading,))
    return memory if after == before else {**memory, ODOMETER_KEY: ODOMETER_ADAPTER.dump_python(after, mode="json")}


def merge_odometers(memory: JsonObject, other: JsonObject) -> JsonObject:
    """The memory of two vehicles that turn out to be one."""
    after = add_readings(parse_odometer_memory(memory), parse_odometer_memory(other).readings)
    return {**memory, ODOMETER_KEY: ODOMETER_ADAPTER.dump_python(after, mode="json")}


def parse_odometer_memory(memory: JsonObject) -> OdometerMemory:
    """The odometer's part of the memory of corrections."""
    return ODOMETER_ADAPTER.validate_python(parse_object(memory, ODOMETER_KEY) or {})


def get_newest_event_time(state: VehicleState) -> datetime:
    """The time of the newest event in `state`."""
    times = [parse_created_time(version) for version in state.versions.values()]
    return max((at for at in times if at is not None), default=EARLIEST_TIME)


def _correct_charge_state(shown: ShownState) -> None:
    raw, version = parse_object(shown.state.groups, "chargeState"), shown.state.versions.get("chargeState")
    if raw is None:
        return
    reported = parse_charge_members(raw)
    checked = _find_checked_charge(shown, reported, version)
    members = {
        MEMBER_NAMES[name]: _to_json(getattr(checked.charge, name))
        for name in MEMBER_NAMES
        if getattr(checked.charge, name) != getattr(reported, name)
    }
    if members:
        shown.correct("chargeState", members, *checked.names)


def _find_checked_charge(shown: ShownState, reported: ChargeMembers, version: GroupVersion | None) -> CheckedCharge:
    """The merged charge state as checked: with the newest sample's memory if it is of that sample, else on its own."""
    memory, at = shown.plausibility, parse_version_time(version) if version else None
    last = memory.last
    if last is not None and last.at == at and _is_same(last, reported) and not _has_left_plug(shown, last):
        is_accepted = memory.held_since is not None and shown.as_of - memory.held_since >= MAX_HOLD
        return memory.released if is_accepted and memory.released else memory.checked
    sample = RawSample(at=at or shown.as_of, version="", place_version="", charge=reported)
    return check_sample(PlausibilityMemory(), sample)[0].checked


def _is_same(last: RawSample, reported: ChargeMembers) -> bool:
    """Whether the merged charge state is that of the newest sample."""
    return reported == (complete_charge(last.charge, reported) if last.is_incomplete else last.charge)


def _get_review_time(shown: ShownState, hold: Hold | None) -> datetime | None:
    """When something else is shown without any report: the level is no longer held, or charging expires."""
    times = [] if hold is None else [hold.since + MAX_HOLD]
    at, is_reachable = _get_flags_time(shown.state), parse_bool(shown.state.groups, "isReachable")
    if at is not None and is_reachable is not True and _is_active(shown):
        times.append(at + MAX_CHARGING_AGE + EXPIRY_LEEWAY)
    return min(times, default=None)


def _get_flags_time(state: VehicleState) -> datetime | None:
    """The time at which it was known whether the vehicle charges; the rest of the charge state may be newer."""
    version = state.versions.get("chargeState")
    leaves = state.leaves.get("chargeState", {})
    version = version and max(leaves.get(flag, version) for flag in CHARGING_FLAGS)
    return parse_version_time(version) if version else None


def _is_active(shown: ShownState) -> bool:
    """Whether the vehicle is shown as charging or discharging."""
    charge = parse_charge_members(shown.get_group("chargeState") or {})
    return bool(charge.is_charging) or charge.state in ACTIVE_STATES


def _has_left_plug(shown: ShownState, last: RawSample) -> bool:
    """Whether a vehicle that is held as plugged in moved after its newest sample.

    A vehicle that drives off may repeat its last charge state with its new odometer and position.
    """
    if HELD_PLUG not in shown.plausibility.checked.names:
        return False
    location, odometer = (parse_object(shown.state.groups, name) or {} for name in ("location", "odometer"))
    now = Position(at=shown.as_of, place=parse_place(location, odometer))
    return has_left(shown.plausibility.plug, last.charge, now, has_charger=last.has_charger)


def _expire_charging(shown: ShownState) -> None:
    """Don't show a vehicle as charging that couldn't be reached for MAX_CHARGING_AGE."""
    at = _get_flags_time(shown.state)
    is_reachable = parse_bool(shown.state.groups, "isReachable") is True
    if at is None or shown.as_of - at <= MAX_CHARGING_AGE or is_reachable or not _is_active(shown):
        return
    expired: dict[str, Any] = {"isCharging": None, "chargeRate": None, "chargeTimeRemaining": None}
    if (shown.get_group("chargeState") or {}).get("powerDeliveryState") in ACTIVE_STATES:
        expired["powerDeliveryState"] = "UNKNOWN"
    shown.correct("chargeState", expired, "isCharging:expired")


def _correct_location(shown: ShownState) -> None:
    group = shown.get_group("location") or {}
    latitude, longitude = parse_float(group, "latitude"), parse_float(group, "longitude")
    if latitude is None or longitude is None or is_on_globe(latitude, longitude):
        return
    shown.correct("location", {"latitude": None, "longitude": None}, "location:outOfRange")


def _correct_odometer(shown: ShownState) -> None:
    km = parse_float(shown.get_group("odometer") or {}, "distance")
    if km is None:
        return
    if not is_possible_odometer(km):
        shown.correct("odometer", {"distance": None}, "odometer:outOfRange")
        return
    odometer = derive_odometer(shown.odometer)
    if odometer is None or odometer.shown_km == km:
        return
    if odometer.shown_km is None:
        shown.correct("odometer", {"distance": None}, "odometer:unconfirmed")
        return
    is_converted = odometer.factor != 1.0 and odometer.pending is None
    name = "odometer:units" if is_converted else "odometer:held"
    shown.correct("odometer", {"distance": _to_json(odometer.shown_km)}, name)


def _correct_future_times(shown: ShownState) -> None:
    """Don't show times later than the event that reported them."""
    for name in sorted(GROUPS_WITH_OWN_TIME):
        group, version = shown.get_group(name), shown.state.versions.get(name)
        created_at = parse_created_time(version) if version else None
        if group is not None and created_at is not None and _is_ahead(group, "lastUpdated", created_at):
            shown.correct(name, {"lastUpdated": format_timestamp(created_at)}, f"{name}:future")
    version = shown.state.versions.get("lastSeen")
    created_at = parse_created_time(version) if version else None
    if created_at is not None and _is_ahead(shown.state.groups, "lastSeen", created_at):
        shown.overlay["lastSeen"] = format_timestamp(created_at)
        shown.names.append("lastSeen:future")


GROUP_CORRECTIONS: tuple[Callable[[ShownState], None], ...] = (
    _correct_charge_state,
    _expire_charging,
    _correct_location,
    _correct_odometer,
    _correct_future_times,
)
"""In order of evaluation; each one applies to the result of those before it."""


def _is_ahead(source: Mapping[str, Any], key: str, created_at: datetime) -> bool:
    at = parse_datetime(source, key)
    return at is not None and at > created_at + MAX_CLOCK_AHEAD


def _to_json(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
