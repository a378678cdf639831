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

from relay.gateways.enode.fields import flag, member, moment, number, text
from relay.vehicles.merge import time_of
from relay.vehicles.models import Corrected, Json, State

UNPLUGGED = "UNPLUGGED"
PLUGGED_IN = "PLUGGED_IN:"
CHARGING = "PLUGGED_IN:CHARGING"
COMPLETE = "PLUGGED_IN:COMPLETE"

HELD_FOR = timedelta(hours=24)
"""For so long after a car was last seen plugged in it is believed to be."""
MOVED_KM = 0.5
"""By odometer: less is rounding."""
MOVED_METRES = 200.0
"""By position: less is a weak signal in a garage."""
DROPPED = 3.0
"""Percentage points that a battery loses only by driving."""

SPAN = timedelta(minutes=10)
"""A charge rate is estimated over at least so long; reports are two minutes apart."""
STALE = timedelta(hours=1)
"""A level that has not risen for so long says that the estimate is no longer true."""
MOST_KW = 400.0

NOT_CHARGING = frozenset({UNPLUGGED, "PLUGGED_IN:STOPPED", COMPLETE, "PLUGGED_IN:NO_POWER", "PLUGGED_IN:FAULT"})
"""States in which nothing flows into the battery. INITIALIZING is about to: a vendor may call that charging."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A car's newest state. `charge` is its chargeState, with what earlier rules put right; `at`: when it was true."""

    groups: Json = field(repr=False)
    charge: Json = field(repr=False)
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Members of chargeState that are to be shown instead (none: all is well), and what to remember."""

    instead: Mapping[str, Any] = field(default_factory=dict)
    memory: Json | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One known fault. `name` is what the record calls its correction; `vendors` None: seen at several."""

    name: str
    vendors: frozenset[str] | None = None
    judge: Callable[[Seen, Json | None], Verdict]


def correct(memory: Json, state: State) -> Corrected:
    """What to lay over `state`. `memory` is that of the correction before."""
    raw = member(state.groups, "chargeState")
    at = time_of(state.versions.get("chargeState", "")) if "chargeState" in state.versions else None
    if raw is None or at is None:
        return Corrected(memory=memory)
    vendor = text(state.groups, "vendor")
    charge, names, remembered = dict(raw), [], {}
    for rule in RULES:
        if rule.vendors is not None and vendor not in rule.vendors:
            continue
        kept = member(memory, rule.name)
        verdict = rule.judge(Seen(groups=state.groups, charge=charge, at=at), kept)
        if verdict.instead:
            charge |= verdict.instead
            names.append(rule.name)
        if verdict.memory is not None:
            remembered[rule.name] = verdict.memory
    return Corrected(overlay={"chargeState": charge} if names else {}, names=tuple(names), memory=remembered)


def still_plugged_in(seen: Seen, memory: Json | None) -> Verdict:
    """UNPLUGGED after a completed charge, while the cable is still in: until the car moves, or charges once more.

    Some cars say COMPLETE first, others fall from CHARGING to UNPLUGGED when they are full. Who really pulls the cable
    out of a full car and leaves it where it is cannot be told from that, and is believed to be plugged in meanwhile.
    """
    if text(seen.charge, "powerDeliveryState") in {CHARGING, COMPLETE}:
        # Where it stood is noted when this was first said: an odometer that comes later is that of a car driven off.
        again = memory is not None and moment(memory, "at") == seen.at
        return Verdict(memory=memory if again else _standing(seen))
    if memory is None or not _unplugged(seen.charge) or _has_left(seen, memory):
        return Verdict()
    if memory.get("complete") is not True and not _full(seen.charge):
        return Verdict()
    return Verdict(
        instead={"isPluggedIn": True, "isCharging": False, "powerDeliveryState": COMPLETE},
        memory={**memory, "complete": True},
    )


def flag_against_word(seen: Seen, _memory: Json | None) -> Verdict:
    """An isCharging that flips on a parked car: where the power delivery state says otherwise, that is believed."""
    said, word = flag(seen.charge, "isCharging"), text(seen.charge, "powerDeliveryState")
    plugged_in = flag(seen.charge, "isPluggedIn")
    if said is True and word != CHARGING and (word in NOT_CHARGING or plugged_in is False):
        return Verdict(instead={"isCharging": False})
    if said is False and word == CHARGING and plugged_in is not False:
        return Verdict(instead={"isCharging": True})
    return Verdict()


def estimate_rate(seen: Seen, memory: Json | None) -> Verdict:
    """A chargeRate that is always null: from the battery's capacity and the times at which its level rose.

    The level is a whole number at most vendors, so it is exact only when it has just changed: what counts is the time
    between two rises, at least SPAN apart.
    """
    level, capacity = number(seen.charge, "batteryLevel"), number(seen.charge, "batteryCapacity")
    charging = flag(seen.charge, "isCharging") is True and flag(seen.charge, "isPluggedIn") is not False
    if not charging or seen.charge.get("chargeRate") is not None or level is None or not capacity or capacity <= 0:
        return Verdict()
    memory = _follow(seen.at, level, capacity, memory)
    rate, since = number(memory, "rate"), moment(memory, "rose_at")
    fresh = rate is not None and since is not None and seen.at - since <= STALE
    return Verdict(instead={"chargeRate": rate} if fresh else {}, memory=memory)


# In the order in which they are asked; each sees what those before it put right.
RULES: tuple[Rule, ...] = (
    Rule(name="powerDeliveryState:held", vendors=frozenset({"XPENG"}), judge=still_plugged_in),
    Rule(name="isCharging:powerDeliveryState", judge=flag_against_word),
    Rule(name="chargeRate:estimated", judge=estimate_rate),
)


def _unplugged(charge: Json) -> bool:
    word = text(charge, "powerDeliveryState") or "UNKNOWN"
    return word == UNPLUGGED or (word == "UNKNOWN" and flag(charge, "isPluggedIn") is False)


def _full(charge: Json) -> bool:
    level, goal = number(charge, "batteryLevel"), number(charge, "chargeLimit")
    return flag(charge, "isFullyCharged") is True or (level is not None and level >= (goal or 100))


def _standing(seen: Seen) -> Json:
    place = member(seen.groups, "location") or {}
    return {
        "at": seen.at.isoformat(),
        "complete": text(seen.charge, "powerDeliveryState") == COMPLETE,
        "level": number(seen.charge, "batteryLevel"),
        "distance": number(member(seen.groups, "odometer") or {}, "distance"),
        "latitude": number(place, "latitude"),
        "longitude": number(place, "longitude"),
    }


def _has_left(seen: Seen, then: Json) -> bool:
    """Whether the car cannot be where it was plugged in, or that was too long ago to say. What is null says nothing."""
    at, now = moment(then, "at"), _standing(seen)
    if at is None or not timedelta() <= seen.at - at <= HELD_FOR:
        return True
    driven, drained = _difference(now, then, "distance"), _difference(then, now, "level")
    north, east = _difference(now, then, "latitude"), _difference(now, then, "longitude")
    if (driven is not None and abs(driven) >= MOVED_KM) or (drained is not None and drained >= DROPPED):
        return True
    if north is None or east is None:
        return False
    east = (east + 180) % 360 - 180  # across the date line
    return hypot(north, east * cos(radians(now["latitude"]))) * 111_320 >= MOVED_METRES


def _follow(at: datetime, level: float, capacity: float, memory: Json | None) -> Json:
    """What is remembered of the level: as last seen, when it last rose, and where the estimate begins."""
    seen_at = moment(memory, "at") if memory else None
    known = number(memory, "level") if memory else None
    if memory is None or known is None or seen_at is None or at < seen_at or level < known:
        return {"at": at.isoformat(), "level": level}  # a level that falls begins anew
    moved = {**memory, "at": at.isoformat(), "level": level}
    if level == known:
        return moved
    moved["rose_at"] = at.isoformat()
    begun_at, begun = moment(memory, "begun_at"), number(memory, "begun")
    if begun_at is None or begun is None:
        return moved | {"begun_at": at.isoformat(), "begun": level}
    if at - begun_at < SPAN:
        return moved
    rate = capacity * (level - begun) / 100 / ((at - begun_at) / timedelta(hours=1))
    fits = {"rate": round(rate, 1)} if 0 < rate <= MOST_KW else {"rate": None}
    return moved | fits | {"begun_at": at.isoformat(), "begun": level}


def _difference(one: Json, other: Json, key: str) -> float | None:
    a, b = number(one, key), number(other, key)
    return None if a is None or b is None else a - b
