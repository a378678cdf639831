"""What vendors are known to get wrong, put right in one place: a table of rules over the merged state of a car.

A correction is laid over the raw state, group by group, and named in the car's record; the raw state itself stays as
Enode said it, because merging and polling compare with that. A rule looks only at the newest state and at what it
remembered of earlier ones, so that the same state seen again gives the same correction, and a rule without anything to
put right costs nothing and changes nothing.

A correction that ends with time ends when the car next says something: nothing here runs by the clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import cos, hypot, radians
from typing import Any

from relay.gateways.enode.json_fields import parse_bool, parse_datetime, parse_float, parse_object, parse_text
from relay.vehicles.merge import parse_version_time
from relay.vehicles.models import CorrectionOverlay, Json, VehicleState

UNPLUGGED = "UNPLUGGED"
PLUGGED_IN_PREFIX = "PLUGGED_IN:"
CHARGING = "PLUGGED_IN:CHARGING"
COMPLETE = "PLUGGED_IN:COMPLETE"

MAX_PLUGGED_IN_HOLD = timedelta(hours=24)
"""For so long after a car was last seen plugged in it is believed to be."""
MIN_MOVED_KM = 0.5
"""By odometer: less is rounding."""
MIN_MOVED_METRES = 200.0
"""By position: less is a weak signal in a garage."""
MIN_LEVEL_DROP = 3.0
"""Percentage points that a battery loses only by driving."""

MIN_ESTIMATE_SPAN = timedelta(minutes=10)
"""A charge rate is estimated over at least so long; reports are two minutes apart."""
MAX_ESTIMATE_AGE = timedelta(hours=1)
"""A level that has not risen for so long says that the estimate is no longer true."""
MAX_CHARGE_RATE_KW = 400.0

NOT_CHARGING_STATES = frozenset({UNPLUGGED, "PLUGGED_IN:STOPPED", COMPLETE, "PLUGGED_IN:NO_POWER", "PLUGGED_IN:FAULT"})
"""States in which nothing flows into the battery. INITIALIZING is about to: a vendor may call that charging."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurrentState:
    """A car's newest state. `charge` is its chargeState, with what earlier rules put right; `at`: when it was true."""

    groups: Json = field(repr=False)
    charge: Json = field(repr=False)
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """Members of chargeState that are to be shown instead (none: all is well), and what to remember."""

    replacements: Mapping[str, Any] = field(default_factory=dict)
    memory: Json | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectionRule:
    """One known fault. `name` is what the record calls its correction; `vendors` None: seen at several."""

    name: str
    vendors: frozenset[str] | None = None
    evaluate: Callable[[CurrentState, Json | None], RuleResult]


def derive_corrections(memory: Json, state: VehicleState) -> CorrectionOverlay:
    """What to lay over `state`. `memory` is that of the correction before."""
    raw = parse_object(state.groups, "chargeState")
    at = parse_version_time(state.versions.get("chargeState", "")) if "chargeState" in state.versions else None
    if raw is None or at is None:
        return CorrectionOverlay(memory=memory)
    vendor = parse_text(state.groups, "vendor")
    charge, names, remembered = dict(raw), [], {}
    for rule in RULES:
        if rule.vendors is not None and vendor not in rule.vendors:
            continue
        kept = parse_object(memory, rule.name)
        verdict = rule.evaluate(CurrentState(groups=state.groups, charge=charge, at=at), kept)
        if verdict.replacements:
            charge |= verdict.replacements
            names.append(rule.name)
        if verdict.memory is not None:
            remembered[rule.name] = verdict.memory
    return CorrectionOverlay(overlay={"chargeState": charge} if names else {}, names=tuple(names), memory=remembered)


def correct_false_unplugged(current: CurrentState, memory: Json | None) -> RuleResult:
    """UNPLUGGED after a completed charge, while the cable is still in: until the car moves, or charges once more.

    Some cars say COMPLETE first, others fall from CHARGING to UNPLUGGED when they are full. Who really pulls the cable
    out of a full car and leaves it where it is cannot be told from that, and is believed to be plugged in meanwhile.
    """
    if parse_text(current.charge, "powerDeliveryState") in {CHARGING, COMPLETE}:
        # Where it stood is noted when this was first said: an odometer that comes later is that of a car driven off.
        again = memory is not None and parse_datetime(memory, "at") == current.at
        return RuleResult(memory=memory if again else _build_position_memory(current))
    if memory is None or not _is_unplugged(current.charge) or _has_left(current, memory):
        return RuleResult()
    if memory.get("complete") is not True and not _is_full(current.charge):
        return RuleResult()
    return RuleResult(
        replacements={"isPluggedIn": True, "isCharging": False, "powerDeliveryState": COMPLETE},
        memory={**memory, "complete": True},
    )


def correct_is_charging(current: CurrentState, _memory: Json | None) -> RuleResult:
    """An isCharging that flips on a parked car: where the power delivery state says otherwise, that is believed."""
    said, word = parse_bool(current.charge, "isCharging"), parse_text(current.charge, "powerDeliveryState")
    plugged_in = parse_bool(current.charge, "isPluggedIn")
    if said is True and word != CHARGING and (word in NOT_CHARGING_STATES or plugged_in is False):
        return RuleResult(replacements={"isCharging": False})
    if said is False and word == CHARGING and plugged_in is not False:
        return RuleResult(replacements={"isCharging": True})
    return RuleResult()


def estimate_charge_rate(current: CurrentState, memory: Json | None) -> RuleResult:
    """A chargeRate that is always null: from the battery's capacity and the times at which its level rose.

    The level is a whole number at most vendors, so it is exact only when it has just changed: what counts is the time
    between two rises, at least SPAN apart.
    """
    level, capacity = parse_float(current.charge, "batteryLevel"), parse_float(current.charge, "batteryCapacity")
    charging = (
        parse_bool(current.charge, "isCharging") is True and parse_bool(current.charge, "isPluggedIn") is not False
    )
    if not charging or current.charge.get("chargeRate") is not None or level is None or not capacity or capacity <= 0:
        return RuleResult()
    memory = _update_level_memory(current.at, level, capacity, memory)
    rate, since = parse_float(memory, "rate"), parse_datetime(memory, "rose_at")
    fresh = rate is not None and since is not None and current.at - since <= MAX_ESTIMATE_AGE
    return RuleResult(replacements={"chargeRate": rate} if fresh else {}, memory=memory)


# In the order in which they are asked; each sees what those before it put right.
RULES: tuple[CorrectionRule, ...] = (
    CorrectionRule(name="powerDeliveryState:held", vendors=frozenset({"XPENG"}), evaluate=correct_false_unplugged),
    CorrectionRule(name="isCharging:powerDeliveryState", evaluate=correct_is_charging),
    CorrectionRule(name="chargeRate:estimated", evaluate=estimate_charge_rate),
)


def _is_unplugged(charge: Json) -> bool:
    word = parse_text(charge, "powerDeliveryState") or "UNKNOWN"
    return word == UNPLUGGED or (word == "UNKNOWN" and parse_bool(charge, "isPluggedIn") is False)


def _is_full(charge: Json) -> bool:
    level, goal = parse_float(charge, "batteryLevel"), parse_float(charge, "chargeLimit")
    return parse_bool(charge, "isFullyCharged") is True or (level is not None and level >= (goal or 100))


def _build_position_memory(current: CurrentState) -> Json:
    place = parse_object(current.groups, "location") or {}
    return {
        "at": current.at.isoformat(),
        "complete": parse_text(current.charge, "powerDeliveryState") == COMPLETE,
        "level": parse_float(current.charge, "batteryLevel"),
        "distance": parse_float(parse_object(current.groups, "odometer") or {}, "distance"),
        "latitude": parse_float(place, "latitude"),
        "longitude": parse_float(place, "longitude"),
    }


def _has_left(current: CurrentState, memory: Json) -> bool:
    """Whether the car cannot be where it was plugged in, or that was too long ago to say. What is null says nothing."""
    at, now = parse_datetime(memory, "at"), _build_position_memory(current)
    if at is None or not timedelta() <= current.at - at <= MAX_PLUGGED_IN_HOLD:
        return True
    driven, drained = _get_difference(now, memory, "distance"), _get_difference(memory, now, "level")
    north, east = _get_difference(now, memory, "latitude"), _get_difference(now, memory, "longitude")
    if (driven is not None and abs(driven) >= MIN_MOVED_KM) or (drained is not None and drained >= MIN_LEVEL_DROP):
        return True
    if north is None or east is None:
        return False
    east = (east + 180) % 360 - 180  # across the date line
    return hypot(north, east * cos(radians(now["latitude"]))) * 111_320 >= MIN_MOVED_METRES


def _update_level_memory(at: datetime, level: float, capacity: float, memory: Json | None) -> Json:
    """What is remembered of the level: as last seen, when it last rose, and where the estimate begins."""
    seen_at = parse_datetime(memory, "at") if memory else None
    known = parse_float(memory, "level") if memory else None
    if memory is None or known is None or seen_at is None or at < seen_at or level < known:
        return {"at": at.isoformat(), "level": level}  # a level that falls begins anew
    moved = {**memory, "at": at.isoformat(), "level": level}
    if level == known:
        return moved
    moved["rose_at"] = at.isoformat()
    begun_at, begun = parse_datetime(memory, "begun_at"), parse_float(memory, "begun")
    if begun_at is None or begun is None:
        return moved | {"begun_at": at.isoformat(), "begun": level}
    if at - begun_at < MIN_ESTIMATE_SPAN:
        return moved
    rate = capacity * (level - begun) / 100 / ((at - begun_at) / timedelta(hours=1))
    fits = {"rate": round(rate, 1)} if 0 < rate <= MAX_CHARGE_RATE_KW else {"rate": None}
    return moved | fits | {"begun_at": at.isoformat(), "begun": level}


def _get_difference(one: Json, other: Json, key: str) -> float | None:
    a, b = parse_float(one, key), parse_float(other, key)
    return None if a is None or b is None else a - b
