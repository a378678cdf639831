"""The evidence that a vehicle charged between two samples, by a table of rules. Pure functions.

A rise of the level is the only evidence of charging that wasn't reported: the vehicle's cloud sent nothing, or two
reports were far apart. How much it must rise depends on what else could have raised it: regeneration downhill, or a
hybrid's engine.
"""

from dataclasses import dataclass
from datetime import timedelta

from relay.vehicles.charging.samples import ChargingSample, VehiclePlace
from relay.vehicles.places import is_elsewhere

MAX_SILENCE = timedelta(hours=48)
"""The longest time between two samples over which a rise of the level proves anything. A weekend at a charger."""
MIN_MOVE_METRES = 500.0
"""Positions of a parked vehicle scatter by tens of metres, in garages by hundreds."""
MAX_HYBRID_CAPACITY_KWH = 30.0
"""Batteries up to this size are taken for those of plug-in hybrids, whose engine charges while driving."""
MIN_RISE_PLUGGED_IN = 2.0
"""Percentage points that prove charging while plugged in; a battery at rest fluctuates by less."""
MIN_RISE_UNPLUGGED = 5.0
"""Percentage points that prove charging without a plug, parked; warming up restores up to 4 points."""
MIN_RISE_MOVED = 10.0
"""Percentage points that prove a stop at a fast charger between two reports; regeneration rarely gives more."""
MIN_FULL_LEVEL = 95.0
"""An engine keeps room for regeneration, so a hybrid with a fuller battery was charged at a plug."""
MAX_ENGINE_KW = 15.0
"""The most with which the engine of a plug-in hybrid charges its battery while driving."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RiseRule:
    """The rise that proves charging in this situation; None in a condition matches anything.

    `min_rise` None: no rise proves charging.
    """

    plugged_before: bool | None = None
    plugged_after: bool | None = None
    moved: bool | None = None
    hybrid: bool | None = None
    by_engine: bool | None = None
    min_rise: float | None


# The first rule that matches decides. A vehicle that may have moved counts as moved where nothing was plugged in, and
# as parked where something was.
RISE_RULES: tuple[RiseRule, ...] = (
    RiseRule(plugged_before=True, moved=False, min_rise=MIN_RISE_PLUGGED_IN),
    RiseRule(plugged_before=True, plugged_after=True, hybrid=False, min_rise=MIN_RISE_PLUGGED_IN),
    RiseRule(plugged_before=True, hybrid=False, min_rise=MIN_RISE_UNPLUGGED),
    RiseRule(plugged_before=True, min_rise=MIN_RISE_MOVED),
    RiseRule(plugged_after=True, moved=False, min_rise=MIN_RISE_PLUGGED_IN),
    RiseRule(plugged_after=True, hybrid=False, min_rise=MIN_RISE_UNPLUGGED),
    RiseRule(plugged_after=True, by_engine=False, min_rise=MIN_RISE_MOVED),
    RiseRule(plugged_after=True, min_rise=None),
    RiseRule(moved=False, min_rise=MIN_RISE_UNPLUGGED),
    RiseRule(hybrid=True, min_rise=None),
    RiseRule(min_rise=MIN_RISE_MOVED),
)


def get_min_rise(last: ChargingSample, now: ChargingSample) -> float | None:
    """The rise of the level between two samples that proves charging; None when no rise does."""
    plugged = (_is_plugged_in(last), _is_plugged_in(now))
    moved = has_moved(last.place, now.place)
    may_have_moved = not any(plugged) if moved is None else moved
    situation = (*plugged, may_have_moved, is_hybrid(now), _can_engine_charge(last, now))
    return next(rule.min_rise for rule in RISE_RULES if _matches(rule, situation))


def has_moved(before: VehiclePlace, after: VehiclePlace) -> bool | None:
    """Whether the vehicle was driven between two samples, which may be days apart; None when that is unknown."""
    return is_elsewhere(before, after, min_distance_m=MIN_MOVE_METRES)


def is_hybrid(sample: ChargingSample) -> bool:
    """Whether the battery is as small as those of plug-in hybrids."""
    capacity = sample.reading.capacity_kwh
    return capacity is not None and capacity <= MAX_HYBRID_CAPACITY_KWH


def _can_engine_charge(last: ChargingSample, now: ChargingSample) -> bool:
    """Whether a hybrid's engine can have raised the level like that."""
    before, after, capacity = last.reading.soc, now.reading.soc, now.reading.capacity_kwh
    if before is None or after is None or capacity is None or after >= MIN_FULL_LEVEL:
        return False
    return capacity * (after - before) / 100 <= MAX_ENGINE_KW * ((now.at - last.at) / timedelta(hours=1))


def _is_plugged_in(sample: ChargingSample) -> bool:
    return bool(sample.reading.plugged_in or sample.reading.charging or sample.reading.discharging)


def _matches(rule: RiseRule, situation: tuple[bool, ...]) -> bool:
    conditions = (rule.plugged_before, rule.plugged_after, rule.moved, rule.hybrid, rule.by_engine)
    return all(condition in (None, actual) for condition, actual in zip(conditions, situation, strict=True))
