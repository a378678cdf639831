"""Levels that return to where they were, which shows that the change was a fault. Pure functions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from relay.vehicles.plausibility.level_changes import is_possible_change
from relay.vehicles.plausibility.level_points import LevelPoint, get_capacity, get_minutes, get_percent, get_slack
from relay.vehicles.plausibility.movement import has_moved

MAX_RETURN_DIFFERENCE = 2.0
"""Percentage points around the value before a fault that count as a return."""
MAX_DRAIN_PER_HOUR = 1.0
MAX_DRAIN = 10.0
"""Percentage points that a parked vehicle may have lost meanwhile."""
MIN_REMEMBERED_CHANGE = 6.0
"""Percentage points of a change at rest after which a return to the level before shows that it was a fault."""
MAX_RESTING_KW = 3.0
"""The most that a parked vehicle takes for longer than preconditioning does: its heater keeps it warm at frost. When a
level has risen without charging and returns faster than that to where it was, it hadn't risen."""
MAX_UNSEEN_STOP = timedelta(minutes=30)
"""Nobody plugs a parked vehicle in, charges what it just lost, and unplugs it again within this time."""
MAX_AC_KW = 22.0
"""A parked vehicle that returns faster than by AC charging, and reports that it doesn't charge, didn't charge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """A change of the level that was accepted and may still turn out to be a fault: the level before, and its kind."""

    before: LevelPoint
    kind: Literal["impossible", "fall", "rise", "charge"]
    # When a fault began that ended charging: until then the level may have risen.
    fell_at: datetime | None = None
    # Whether the change counted, so that it must be taken back.
    is_counted: bool = True


def doubt_rise(before: LevelPoint, now: LevelPoint) -> Doubt | None:
    """The doubt after a rise that didn't count; None if the vehicle drove, which explains a fall."""
    return (
        None
        if has_moved(before.position, now.position) is True
        else Doubt(before=before, kind="rise", is_counted=False)
    )


def update_doubt(doubt: Doubt | None, last: LevelPoint, now: LevelPoint) -> Doubt | None:
    """The doubt after a level that is accepted: a new one, or the old one while the level stays where it is."""
    change = now.level - last.level
    if last.discharging or now.discharging or has_moved(last.position, now.position) is True:
        return None
    if doubt is not None and doubt.kind == "charge" and now.position.plugged_in is not True:
        doubt = None  # from now on, driving explains a fall
    if last.charging or now.charging:
        is_steep = change >= MIN_REMEMBERED_CHANGE and not _is_near(last, now, charged_until=now.at)
        is_same = doubt is not None and doubt.kind == "charge" and abs(change) <= MAX_RETURN_DIFFERENCE
        return Doubt(before=last, kind="charge") if is_steep and last.charging else doubt if is_same else None
    if abs(change) >= MIN_REMEMBERED_CHANGE and last.state == now.state:
        return Doubt(before=last, kind="fall" if change < 0 else "rise")
    return doubt if abs(change) <= MAX_RETURN_DIFFERENCE else None


def is_fault_over(doubt: Doubt, last: LevelPoint, now: LevelPoint, step: float | None) -> bool:
    """Whether the level is back where it was before a change, so that the change was a fault."""
    if doubt.kind == "impossible":
        return has_returned(doubt.before, last, now, doubt.fell_at)
    if doubt.kind == "charge":
        is_fall = now.level < last.level and not is_possible_change(last, now, step)
        return is_fall and now.position.plugged_in is True and _is_near(doubt.before, now, charged_until=now.at)
    is_at_rest = not now.charging and not last.charging and has_moved(doubt.before.position, now.position) is not True
    return is_at_rest and _is_near(doubt.before, now) and _is_return(doubt, last, now, step)


def _is_return(doubt: Doubt, last: LevelPoint, now: LevelPoint, step: float | None) -> bool:
    """Whether a change at rest was taken back faster than a vehicle at rest can do that."""
    if doubt.kind == "rise":
        return now.level < last.level and (not is_possible_change(last, now, step) or _is_steep_fall(last, now))
    if now.level > last.level and _is_unplugged_look(last, now):
        return True
    charged = get_percent(MAX_AC_KW * get_minutes(last, now) / 60, get_capacity(last, now))
    return now.level - last.level > charged + get_slack(last, now, step)


def has_returned(before: LevelPoint, low: LevelPoint, now: LevelPoint, fell_at: datetime | None) -> bool:
    """Whether the level is back where it was before it fell, though nothing charged the vehicle in between."""
    if not _is_near(before, now, charged_until=fell_at) or low.charging or low.level >= now.level:
        return False
    if now.charging and is_possible_change(low, replace(now, rate=None), None):
        return False
    return has_moved(before.position, now.position) is not True


def _is_near(before: LevelPoint, now: LevelPoint, *, charged_until: datetime | None = None) -> bool:
    """Whether both levels are the same, but for what the vehicle lost and what it charged until a fault began."""
    drained = min(MAX_DRAIN, MAX_DRAIN_PER_HOUR * get_minutes(before, now) / 60)
    charged = 0.0
    if before.charging and charged_until is not None:
        charged_kwh = _get_charging_kw(before, now) * ((charged_until - before.at) / timedelta(hours=1))
        charged = get_percent(charged_kwh, get_capacity(before, now))
    return -drained - MAX_RETURN_DIFFERENCE <= now.level - before.level <= charged + MAX_RETURN_DIFFERENCE


def _get_charging_kw(before: LevelPoint, after: LevelPoint) -> float:
    """The most with which a charging vehicle charges: what it says and a fifth, or else AC."""
    return max(before.rate or 0.0, after.rate or 0.0) * 1.2 or MAX_AC_KW


def _is_steep_fall(before: LevelPoint, after: LevelPoint) -> bool:
    """Whether a parked vehicle lost more than it takes over a longer time."""
    fall = before.level - after.level
    usual = get_percent(MAX_RESTING_KW * get_minutes(before, after) / 60, get_capacity(before, after))
    return fall >= MIN_REMEMBERED_CHANGE and fall > usual


def _is_unplugged_look(before: LevelPoint, after: LevelPoint) -> bool:
    """Whether a vehicle is unplugged in two reports between which it can't have been plugged in, charged, and left."""
    is_unplugged = before.position.plugged_in is False and after.position.plugged_in is False
    return is_unplugged and after.at - before.at <= MAX_UNSEEN_STOP
