"""Show a full vehicle as plugged in that reports UNPLUGGED though the cable is in. Pure functions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from relay.vehicles.plausibility.movement import MIN_MOVED_KM, MIN_MOVED_METRES, Position, get_distance_m
from relay.vehicles.plausibility.raw_samples import CHARGING, COMPLETE, UNPLUGGED, ChargeMembers

VENDORS = frozenset({"XPENG"})
"""Vendors whose vehicles are known for it. Another vehicle has to show it MIN_RETURNS times."""
MIN_RETURNS = 2
MAX_FALSE_DELAY = timedelta(hours=1)
"""How soon after it was full another vehicle must report UNPLUGGED: later, somebody may well have unplugged it."""
MAX_PLUGGED_IN_HOLD = timedelta(hours=24)
"""How long after it was last seen plugged in a vehicle is shown as plugged in."""
MIN_LEVEL_DROP = 3.0
"""Percentage points of a drop that only driving explains."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlugMemory:
    """Where and at which level the vehicle was when it last was charging or complete, and what followed.

    `full_at`: when it was first reported as full. `is_out`: it has reported UNPLUGGED since, soon after that.
    `returns`: how often it was plugged in again after that without having moved; it is never reset.
    """

    position: Position | None = None
    level: float | None = None
    complete: bool = False
    full_at: datetime | None = None
    is_out: bool = False
    returns: int = 0


def correct_false_unplugged(
    memory: PlugMemory, charge: ChargeMembers, position: Position, *, vendor: str | None, has_charger: bool
) -> tuple[ChargeMembers, PlugMemory]:
    """Show a vehicle as plugged in that reports UNPLUGGED after a completed charge, until it moves or charges again.

    Some vehicles report COMPLETE first, others change from CHARGING to UNPLUGGED when they are full. A full vehicle
    that is really unplugged and stays where it is can't be distinguished, and is shown as plugged in meanwhile.
    """
    if _is_unplugged(charge):
        return _hold_plug(memory, charge, position, is_known=vendor in VENDORS or has_charger)
    if memory.is_out and charge.is_plugged_in is True and not has_left(memory, charge, position):
        memory = replace(memory, returns=min(memory.returns + 1, MIN_RETURNS), is_out=False, full_at=None)
    if charge.state in {CHARGING, COMPLETE}:
        return charge, _remember_position(memory, charge, position)
    # An unknown state between two reports of UNPLUGGED doesn't mean that the vehicle was plugged in again.
    if charge.is_plugged_in is None and memory.position is not None and not has_left(memory, charge, position):
        return charge, memory
    return charge, PlugMemory(returns=memory.returns)


def _hold_plug(
    memory: PlugMemory, charge: ChargeMembers, position: Position, *, is_known: bool
) -> tuple[ChargeMembers, PlugMemory]:
    is_full = memory.complete or _is_full(charge)
    if memory.position is None or not is_full or has_left(memory, charge, position):
        return charge, PlugMemory(returns=memory.returns)
    full_at = memory.full_at or position.at
    is_soon = memory.is_out or position.at - full_at <= MAX_FALSE_DELAY
    memory = replace(memory, complete=True, full_at=full_at, is_out=is_soon)
    if not is_known and not (is_soon and memory.returns >= MIN_RETURNS):
        return charge, memory
    held = replace(charge, plugged_in=True, charging=False, state=COMPLETE)
    return held, memory


def _remember_position(memory: PlugMemory, charge: ChargeMembers, position: Position) -> PlugMemory:
    # Keep the position of the first report of this state: a later odometer may be of a vehicle that drove off.
    if memory.position is not None and memory.position.at == position.at:
        return memory
    full_at = (memory.full_at or position.at) if charge.state == COMPLETE or _is_full(charge) else None
    return PlugMemory(
        position=position,
        level=charge.level,
        complete=charge.state == COMPLETE,
        full_at=full_at,
        returns=memory.returns,
    )


def _is_unplugged(charge: ChargeMembers) -> bool:
    return charge.state == UNPLUGGED or (charge.state is None and charge.plugged_in is False)


def _is_full(charge: ChargeMembers) -> bool:
    return charge.full is True or (charge.level is not None and charge.level >= (charge.limit or 100))


def has_left(memory: PlugMemory, charge: ChargeMembers, now: Position) -> bool:
    """Whether the vehicle has moved since it was plugged in, or that was too long ago. Unknown values don't count."""
    before = memory.position
    if before is None or not timedelta() <= now.at - before.at <= MAX_PLUGGED_IN_HOLD:
        return True
    start, end = before.place.odometer_km, now.place.odometer_km
    if start is not None and end is not None and abs(end - start) >= MIN_MOVED_KM:
        return True
    if memory.level is not None and charge.level is not None and memory.level - charge.level >= MIN_LEVEL_DROP:
        return True
    distance = get_distance_m(before.place, now.place)
    return distance is not None and distance >= MIN_MOVED_METRES
