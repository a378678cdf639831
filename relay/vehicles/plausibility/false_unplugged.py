"""Show a full vehicle as plugged in that reports UNPLUGGED though the cable is in. Pure functions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from relay.vehicles.places import is_elsewhere
from relay.vehicles.plausibility.movement import MIN_MOVED_METRES, Position
from relay.vehicles.plausibility.raw_samples import CHARGING, COMPLETE, STOPPED, UNPLUGGED, ChargeMembers, RawSample

VENDORS = frozenset({"XPENG"})
"""Vendors whose vehicles are known for it. Another vehicle has to show it MIN_RETURNS times."""
MIN_RETURNS = 2
MAX_FALSE_DELAY = timedelta(hours=1)
"""How soon after it was full another vehicle must report UNPLUGGED: later, somebody may well have unplugged it."""
MAX_PLUGGED_IN_HOLD = timedelta(hours=24)
"""How long after it was last seen plugged in a vehicle is shown as plugged in."""
MIN_LEVEL_DROP = 3.0
"""Percentage points of a drop that only driving explains."""


type NamedCharger = Literal["none", "new", "same"]
"""Whether Enode names the charger at which the vehicle is plugged in, and whether it did in the report before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlugMemory:
    """Where and at which level the vehicle was when it last was charging or complete, and what followed.

    While Enode names a charger, any other state of being plugged in is remembered, too.

    `full_at`: when it was first reported as full. `is_out`: it has reported UNPLUGGED since, soon after that.
    `returns`: how often it was plugged in again after that without having moved, as odometer or position show. It is
    never reset.
    """

    position: Position | None = None
    level: float | None = None
    complete: bool = False
    full_at: datetime | None = None
    is_out: bool = False
    returns: int = 0


def correct_false_unplugged(
    memory: PlugMemory, charge: ChargeMembers, position: Position, *, vendor: str | None, charger: NamedCharger
) -> tuple[ChargeMembers, PlugMemory]:
    """Show a vehicle as plugged in that reports UNPLUGGED after a completed charge, until it moves or charges again.

    Some vehicles report COMPLETE first, others change from CHARGING to UNPLUGGED when they are full. A full vehicle
    that is really unplugged and stays where it is can't be distinguished, and is shown as plugged in meanwhile.

    A charger that appears proves that the cable is in, whatever the vehicle reports.
    """
    has_charger = charger != "none"
    if charger == "new" and (_is_unplugged(charge) or memory.position is None):
        memory = _remember_position(PlugMemory(returns=memory.returns), charge, position)
    if _is_unplugged(charge):
        return _hold_plug(memory, charge, position, is_known=vendor in VENDORS, has_charger=has_charger)
    if memory.is_out and charge.is_plugged_in is True and _has_stayed(memory, charge, position):
        memory = replace(memory, returns=min(memory.returns + 1, MIN_RETURNS), is_out=False, full_at=None)
    if charge.state in {CHARGING, COMPLETE} or (has_charger and charge.is_plugged_in is True):
        return charge, _remember_position(memory, charge, position)
    # An unknown state between two reports of UNPLUGGED doesn't mean that the vehicle was plugged in again.
    if charge.is_plugged_in is None and memory.position is not None and not has_left(memory, charge, position):
        return charge, memory
    return charge, PlugMemory(returns=memory.returns)


def get_named_charger(sample: RawSample, before: RawSample | None) -> NamedCharger:
    """Whether `sample` names a charger that the sample before didn't name."""
    if not sample.has_charger:
        return "none"
    return "same" if before is not None and before.has_charger else "new"


def _hold_plug(
    memory: PlugMemory, charge: ChargeMembers, position: Position, *, is_known: bool, has_charger: bool
) -> tuple[ChargeMembers, PlugMemory]:
    is_full = memory.complete or _is_full(charge)
    if (
        memory.position is None
        or not (is_full or has_charger)
        or has_left(memory, charge, position, has_charger=has_charger)
    ):
        return charge, PlugMemory(returns=memory.returns)
    if has_charger:
        # The named charger proves that the cable is in, full or not.
        return replace(charge, plugged_in=True, charging=False, state=COMPLETE if is_full else STOPPED), memory
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


def has_left(memory: PlugMemory, charge: ChargeMembers, now: Position, *, has_charger: bool = False) -> bool:
    """Whether the vehicle has moved since it was plugged in, or that was too long ago. Unknown values don't count.

    At a charger that Enode names, a vehicle that stands still may use energy.
    """
    before = memory.position
    if before is None or not timedelta() <= now.at - before.at <= MAX_PLUGGED_IN_HOLD:
        return True
    has_moved = is_elsewhere(before.place, now.place, min_distance_m=MIN_MOVED_METRES)
    drop = 0.0 if memory.level is None or charge.level is None else memory.level - charge.level
    return has_moved is True or (drop >= MIN_LEVEL_DROP and not (has_charger and has_moved is False))


def _has_stayed(memory: PlugMemory, charge: ChargeMembers, now: Position) -> bool:
    """Whether the vehicle is where it was plugged in. Without odometer and position it may have driven."""
    if memory.position is None or has_left(memory, charge, now):
        return False
    return is_elsewhere(memory.position.place, now.place, min_distance_m=MIN_MOVED_METRES) is False
