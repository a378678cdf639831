"""Hold a battery level that can't be true: falls and jumps that no battery makes. Pure functions.

While a level is held, the value before it is shown. A held level is accepted when it isn't contradicted for
MAX_HOLD. When the level returns to where it was before an impossible fall, the fall was a fault: nothing was charged.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from relay.vehicles.plausibility.level_changes import (
    is_battery_swap,
    is_first_level_wrong,
    is_possible_change,
    is_unexplained_rise,
)
from relay.vehicles.plausibility.level_faults import Doubt, doubt_rise, has_returned, is_fault_over, update_doubt
from relay.vehicles.plausibility.level_points import LevelPoint
from relay.vehicles.plausibility.movement import has_moved

MAX_HOLD = timedelta(minutes=30)
"""How long a level is held that nothing contradicts: four reports of the slowest vendor."""
MAX_HOLD_IN_TOTAL = timedelta(hours=6)
"""How long the level is held when each report contradicts the one before."""
MIN_STEP = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A level that isn't accepted yet: since when, the newest report of it, and why."""

    since: datetime
    begun_at: datetime
    pending: LevelPoint
    is_fall: bool
    # A rise that is possible, but faster than anything the vehicle reports: it counts as charged once it is accepted.
    is_unexplained: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelMemory:
    """What is kept of earlier levels: the last accepted one, the one that is held, a doubt, the smallest step."""

    last: LevelPoint | None = None
    hold: Hold | None = None
    doubt: Doubt | None = None
    step: float | None = None
    # `last` is the first level that the vehicle ever reported, so that nothing confirms it.
    is_first: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelVerdict:
    """The result for one report: its level is accepted, or held. `rebased`: nothing was charged since the last one."""

    memory: LevelMemory
    is_held: bool = False
    rebased: bool = False
    # The last change of the level was a fault, and so was what it seemed to have charged.
    returned: bool = False
    # The vehicle drove while its odometer and position stayed the same: it reports them only after a drive.
    is_place_late: bool = False

    @property
    def held_since(self) -> datetime | None:
        """Since when the level is held."""
        return self.memory.hold.since if self.memory.hold else None


def check_level(memory: LevelMemory, now: LevelPoint, vendor: str | None) -> LevelVerdict:
    """Decide whether the level of the newest report is accepted."""
    last, hold = memory.last, memory.hold
    if last is None:
        return LevelVerdict(memory=replace(memory, last=now, is_first=True))
    if hold is not None:
        return _check_held_level(memory, last, hold, now)
    if memory.doubt is not None and is_fault_over(memory.doubt, last, now, memory.step):
        return replace(_accept(memory, now, rebased=True), returned=memory.doubt.is_counted)
    if is_possible_change(last, now, memory.step):
        is_unexplained = is_unexplained_rise(last, now, memory.step)
        is_rebased = is_battery_swap(last, now, vendor) or (
            memory.is_first and is_first_level_wrong(last, now, is_unexplained=is_unexplained)
        )
        if is_unexplained:
            return _start_hold(memory, now, is_fall=False, is_unexplained=not is_rebased)
        return _accept(memory, now, rebased=is_rebased, doubt=doubt_rise(last, now) if is_rebased else None)
    return _start_hold(memory, now, is_fall=now.level < last.level)


def _check_held_level(memory: LevelMemory, last: LevelPoint, hold: Hold, now: LevelPoint) -> LevelVerdict:
    if hold.is_fall and has_returned(last, hold.pending, now, hold.begun_at):
        # What a vehicle charges that reports charging is compared with the level that was shown meanwhile.
        return _accept(memory, now, rebased=not now.charging)
    # With time, both levels can lead to the new one: then the nearer one counts.
    is_nearer = abs(now.level - hold.pending.level) < abs(now.level - last.level)
    is_confirmed = is_nearer and is_possible_change(hold.pending, now, memory.step)
    is_contradicted = not is_confirmed and is_possible_change(last, now, memory.step)
    if is_confirmed and hold.is_fall and has_moved(last.position, now.position) is True:
        # It fell because the vehicle drove: its odometer and position came late.
        return replace(_accept(memory, now, rebased=True), is_place_late=True)
    if is_confirmed and (now.at - hold.since >= MAX_HOLD or _is_used_up(hold, now)):
        # A vehicle that charged since it fell has a reason to return.
        has_charged = now.charging or hold.pending.charging
        doubt = None
        if not has_charged:
            is_fall = hold.is_fall
            doubt = Doubt(before=last, kind="impossible", fell_at=hold.begun_at) if is_fall else doubt_rise(last, now)
        return _accept(memory, now, rebased=not hold.is_unexplained, doubt=doubt)
    if is_contradicted:
        return _accept(memory, now, rebased=False)
    if now.at - hold.begun_at >= MAX_HOLD_IN_TOTAL:
        return _accept(memory, now, rebased=True)
    since = hold.since if is_confirmed else now.at
    charging = now.charging or (is_confirmed and hold.pending.charging)
    held = replace(hold, since=since, pending=replace(now, charging=charging), is_fall=now.level < last.level)
    return LevelVerdict(memory=replace(memory, hold=held), is_held=True)


def _is_used_up(hold: Hold, now: LevelPoint) -> bool:
    """Whether a level that rose falls as the vehicle drives: it is that of its battery. A wrong one stays the same."""
    has_driven = has_moved(hold.pending.position, now.position) is True
    return not hold.is_fall and has_driven and now.level < hold.pending.level


def _accept(memory: LevelMemory, now: LevelPoint, *, rebased: bool, doubt: Doubt | None = None) -> LevelVerdict:
    last = memory.last
    step = memory.step if rebased or last is None else _learn_step(memory.step, last, now)
    if last is not None and not rebased:
        doubt = update_doubt(memory.doubt, last, now)
    return LevelVerdict(memory=LevelMemory(last=now, doubt=doubt, step=step), rebased=rebased)


def _start_hold(memory: LevelMemory, now: LevelPoint, *, is_fall: bool, is_unexplained: bool = False) -> LevelVerdict:
    hold = Hold(since=now.at, begun_at=now.at, pending=now, is_fall=is_fall, is_unexplained=is_unexplained)
    return LevelVerdict(memory=replace(memory, hold=hold), is_held=True)


def _learn_step(step: float | None, before: LevelPoint, after: LevelPoint) -> float | None:
    change = round(abs(after.level - before.level), 3)
    if change < MIN_STEP:
        return step
    return change if step is None else min(step, change)
