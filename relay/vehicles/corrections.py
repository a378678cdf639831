"""Correct known errors of vendors: a table of rules over the merged state of a vehicle. Pure functions.

A correction replaces whole state groups and is named in the vehicle's record. The raw state stays as Enode reported it,
because merging and polling compare with that. A rule depends only on the newest state and on its own memory of earlier
states, so the same state always gets the same correction.

A correction that expires ends with the vehicle's next report: no clock triggers it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import cos, hypot, radians
from typing import Any

from relay.gateways.enode.json_fields import parse_bool, parse_datetime, parse_float, parse_object, parse_text
from relay.kit.json_object import JsonObject
from relay.vehicles.merge import parse_version_time
from relay.vehicles.models import CorrectionOverlay, VehicleState
from relay.vehicles.transitions import parse_charge_flags

UNPLUGGED = "UNPLUGGED"
CHARGING = "PLUGGED_IN:CHARGING"
COMPLETE = "PLUGGED_IN:COMPLETE"

MAX_PLUGGED_IN_HOLD = timedelta(hours=24)
"""How long after it was last seen plugged in a vehicle is shown as plugged in."""
MIN_MOVED_KM = 0.5
"""Movement by odometer; less may be rounding."""
MIN_MOVED_METRES = 200.0
"""Movement by position; less may be a weak GPS signal in a garage."""
MIN_LEVEL_DROP = 3.0
"""Percentage points of a drop that only driving explains."""

MIN_ESTIMATE_SPAN = timedelta(minutes=10)
"""The shortest time over which a charge rate is estimated; reports are two minutes apart."""
MAX_ESTIMATE_AGE = timedelta(hours=1)
"""How long an estimated charge rate is shown without another rise of the level."""
MAX_CHARGE_RATE_KW = 400.0

NOT_CHARGING_STATES = frozenset({UNPLUGGED, "PLUGGED_IN:STOPPED", COMPLETE, "PLUGGED_IN:NO_POWER", "PLUGGED_IN:FAULT"})
"""States in which the battery isn't charging. INITIALIZING isn't among them: a vendor may call it charging."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurrentState:
    """A vehicle's newest state. `charge` is its chargeState as corrected by earlier rules, `at` its time."""

    groups: JsonObject = field(repr=False)
    charge: JsonObject = field(repr=False)
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """Members of chargeState to show instead (empty: nothing to correct), and the rule's new memory."""

    replacements: Mapping[str, Any] = field(default_factory=dict)
    memory: JsonObject | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectionRule:
    """The correction of one known error. Records list it by `name`. `vendors` None means that it applies to all."""

    name: str
    vendors: frozenset[str] | None = None
    evaluate: Callable[[CurrentState, JsonObject | None], RuleResult]


def derive_corrections(memory: JsonObject, state: VehicleState) -> CorrectionOverlay:
    """The corrections of `state`. `memory` is that of the previous corrections.

    The keys of a rule's memory are stored in `vehicles.correction_memory`: don't rename them.
    """
    raw = parse_object(state.groups, "chargeState")
    version = state.versions.get("chargeState")
    at = parse_version_time(version) if version else None
    if raw is None or at is None:
        return CorrectionOverlay(memory=memory)
    vendor = parse_text(state.groups, "vendor")
    charge, names, new_memory = dict(raw), [], {}
    for rule in RULES:
        if rule.vendors is not None and vendor not in rule.vendors:
            continue
        rule_memory = parse_object(memory, rule.name)
        result = rule.evaluate(CurrentState(groups=state.groups, charge=charge, at=at), rule_memory)
        if result.replacements:
            charge |= result.replacements
            names.append(rule.name)
        if result.memory is not None:
            new_memory[rule.name] = result.memory
    return CorrectionOverlay(overlay={"chargeState": charge} if names else {}, names=tuple(names), memory=new_memory)


def correct_false_unplugged(current: CurrentState, memory: JsonObject | None) -> RuleResult:
    """Show a vehicle as plugged in that reports UNPLUGGED after a completed charge, until it moves or charges again.

    Some vehicles report COMPLETE first, others change from CHARGING to UNPLUGGED when they are full. A full vehicle
    that is really unplugged and stays where it is can't be distinguished, and is shown as plugged in meanwhile.
    """
    if parse_text(current.charge, "powerDeliveryState") in {CHARGING, COMPLETE}:
        # Keep the position of the first report of this state: a later odometer may be of a vehicle that drove off.
        is_repeated = memory is not None and parse_datetime(memory, "at") == current.at
        return RuleResult(memory=memory if is_repeated else _build_position_memory(current))
    if memory is None or _has_left(current, memory):
        return RuleResult()
    if not _is_unplugged(current.charge):
        # An unknown state between two reports of UNPLUGGED doesn't mean that the vehicle was plugged in again.
        is_unknown = parse_charge_flags({"chargeState": current.charge}).plugged_in is None
        return RuleResult(memory=memory if is_unknown else None)
    if memory.get("complete") is not True and not _is_full(current.charge):
        return RuleResult()
    return RuleResult(
        replacements={"isPluggedIn": True, "isCharging": False, "powerDeliveryState": COMPLETE},
        memory={**memory, "complete": True},
    )


def correct_is_charging(current: CurrentState, _memory: JsonObject | None) -> RuleResult:
    """Correct an isCharging that flips on a parked vehicle, where powerDeliveryState contradicts it."""
    is_charging, state = parse_bool(current.charge, "isCharging"), parse_text(current.charge, "powerDeliveryState")
    plugged_in = parse_bool(current.charge, "isPluggedIn")
    if is_charging is True and state != CHARGING and (state in NOT_CHARGING_STATES or plugged_in is False):
        return RuleResult(replacements={"isCharging": False})
    if is_charging is False and state == CHARGING and plugged_in is not False:
        return RuleResult(replacements={"isCharging": True})
    return RuleResult()


def estimate_charge_rate(current: CurrentState, memory: JsonObject | None) -> RuleResult:
    """Estimate a chargeRate that is null, from the battery's capacity and the times at which its level rose.

    Most vendors report whole percents, so the level is exact only at the moment it changes. The estimate uses the time
    between two rises that are at least MIN_ESTIMATE_SPAN apart.
    """
    level, capacity = parse_float(current.charge, "batteryLevel"), parse_float(current.charge, "batteryCapacity")
    is_charging = (
        parse_bool(current.charge, "isCharging") is True and parse_bool(current.charge, "isPluggedIn") is not False
    )
    if (
        not is_charging
        or current.charge.get("chargeRate") is not None
        or level is None
        or capacity is None
        or capacity <= 0
    ):
        return RuleResult()
    memory = _update_level_memory(current.at, level, capacity, memory)
    rate, since = parse_float(memory, "rate"), parse_datetime(memory, "rose_at")
    is_current = rate is not None and since is not None and current.at - since <= MAX_ESTIMATE_AGE
    return RuleResult(replacements={"chargeRate": rate} if is_current else {}, memory=memory)


# In order of evaluation; each rule sees the corrections of those before it.
RULES: tuple[CorrectionRule, ...] = (
    CorrectionRule(name="powerDeliveryState:held", vendors=frozenset({"XPENG"}), evaluate=correct_false_unplugged),
    CorrectionRule(name="isCharging:powerDeliveryState", evaluate=correct_is_charging),
    CorrectionRule(name="chargeRate:estimated", evaluate=estimate_charge_rate),
)


def _is_unplugged(charge: JsonObject) -> bool:
    state = parse_text(charge, "powerDeliveryState") or "UNKNOWN"
    return state == UNPLUGGED or (state == "UNKNOWN" and parse_bool(charge, "isPluggedIn") is False)


def _is_full(charge: JsonObject) -> bool:
    level, limit = parse_float(charge, "batteryLevel"), parse_float(charge, "chargeLimit")
    return parse_bool(charge, "isFullyCharged") is True or (level is not None and level >= (limit or 100))


def _build_position_memory(current: CurrentState) -> JsonObject:
    location = parse_object(current.groups, "location") or {}
    return {
        "at": current.at.isoformat(),
        "complete": parse_text(current.charge, "powerDeliveryState") == COMPLETE,
        "level": parse_float(current.charge, "batteryLevel"),
        "distance": parse_float(parse_object(current.groups, "odometer") or {}, "distance"),
        "latitude": parse_float(location, "latitude"),
        "longitude": parse_float(location, "longitude"),
    }


def _has_left(current: CurrentState, memory: JsonObject) -> bool:
    """Whether the vehicle has moved since it was plugged in, or that was too long ago. Unknown values don't count."""
    at, now = parse_datetime(memory, "at"), _build_position_memory(current)
    if at is None or not timedelta() <= current.at - at <= MAX_PLUGGED_IN_HOLD:
        return True
    driven, dropped = _get_difference(now, memory, "distance"), _get_difference(memory, now, "level")
    north, east = _get_difference(now, memory, "latitude"), _get_difference(now, memory, "longitude")
    if (driven is not None and abs(driven) >= MIN_MOVED_KM) or (dropped is not None and dropped >= MIN_LEVEL_DROP):
        return True
    if north is None or east is None:
        return False
    east = (east + 180) % 360 - 180  # the short way across the date line
    return hypot(north, east * cos(radians(now["latitude"]))) * 111_320 >= MIN_MOVED_METRES


def _update_level_memory(at: datetime, level: float, capacity: float, memory: JsonObject | None) -> JsonObject:
    """The new memory of the level: its last value, when it last rose, where the estimate starts, and the rate.

    The first level doesn't start an estimate, because it is unknown when the level reached that percent.
    """
    seen_at = parse_datetime(memory, "at") if memory else None
    last_level = parse_float(memory, "level") if memory else None
    if memory is None or last_level is None or seen_at is None or at < seen_at or level < last_level:
        return {"at": at.isoformat(), "level": level}  # start again after a falling level
    updated = {**memory, "at": at.isoformat(), "level": level}
    if level == last_level:
        return updated
    updated["rose_at"] = at.isoformat()
    start_at, start_level = parse_datetime(memory, "begun_at"), parse_float(memory, "begun")
    if start_at is None or start_level is None:
        return updated | {"begun_at": at.isoformat(), "begun": level}
    if at - start_at < MIN_ESTIMATE_SPAN:
        return updated
    rate = capacity * (level - start_level) / 100 / ((at - start_at) / timedelta(hours=1))
    new_rate = {"rate": round(rate, 1)} if rate <= MAX_CHARGE_RATE_KW else {"rate": None}
    return updated | new_rate | {"begun_at": at.isoformat(), "begun": level}


def _get_difference(one: JsonObject, other: JsonObject, key: str) -> float | None:
    a, b = parse_float(one, key), parse_float(other, key)
    return None if a is None or b is None else a - b
