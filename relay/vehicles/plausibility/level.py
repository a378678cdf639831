"""Hold a battery level that can't be true: falls and jumps that no battery makes. Pure functions.

While a level is held, the value before it is shown. A held level is accepted when it isn't contradicted for
MAX_HOLD. When the level returns to where it was before an impossible fall, the fall was a fault: nothing was charged.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from relay.vehicles.plausibility.movement import (
    MAX_ODOMETER_ROUNDING_KM,
    Position,
    get_driven_km,
    has_moved,
)
from relay.vehicles.plausibility.raw_samples import ASSUMED_STEP, CHARGING, DISCHARGING, ChargeMembers

MAX_PARKED_KW = 15.0
"""The most that a parked vehicle takes from its battery: preconditioning at frost, heater and battery (about 12 kW)."""
MAX_DRIVING_KW = 250.0
"""The most that a vehicle takes on average while it may be driving."""
MAX_KWH_PER_KM = 1.0
"""The most that driving takes: three times a van on a motorway in winter."""
MAX_KWH_PER_KM_OF_CAPACITY = 0.01
"""The same for a truck or a bus, which needs more: by the size of its battery."""
MAX_UNREPORTED_DISCHARGE_KW = 50.0
"""The most that a vehicle feeds through its plug without reporting how much: the largest bidirectional DC chargers."""
MAX_RISE_PER_MINUTE = 12.0
"""Percentage points a minute. The fastest batteries charge 10 to 70 % in five minutes (CATL Shenxing, 2025)."""
MAX_UNREPORTED_KW = 43.0
"""The most that a vehicle charges within MAX_FRESH_GAP without reporting it: AC with 63 A on three phases."""
MAX_FRESH_GAP = timedelta(minutes=10)
"""How long two reports may be apart for both to be fresh; Enode polls vendors every two to seven minutes."""
UNKNOWN_CAPACITY_KWH = 10.0
"""Assumed where the capacity is unknown: that of a plug-in hybrid, so that its true falls pass."""
USUAL_CAPACITY_KWH = 60.0
"""Assumed where a capacity that is too small would hide a fault."""
COARSE_STEP = 5.0
"""Some vendors report multiples of five."""
MIN_STEP = 0.1

MIN_UNFOLLOWED_FALL = 6.0
MIN_UNFOLLOWED_KW = 3.0
MIN_FOLLOWED_SHARE = 0.25
"""A parked fall of 6 points at 3 kW or more must lower the range by a quarter of the same share. Slower falls are
those of a battery at rest, and smaller ones are less than the rounding of some ranges."""

MAX_HOLD = timedelta(minutes=30)
"""How long a level is held that nothing contradicts: four reports of the slowest vendor."""
MAX_HOLD_IN_TOTAL = timedelta(hours=6)
"""How long the level is held when each report contradicts the one before."""
MAX_RETURN_DIFFERENCE = 2.0
"""Percentage points around the value before a fault that count as a return."""
MAX_DRAIN_PER_HOUR = 1.0
MAX_DRAIN = 10.0
"""Percentage points that a parked vehicle may have lost meanwhile."""
MIN_REMEMBERED_CHANGE = 6.0
"""Percentage points of a change at rest after which a return to the level before shows that it was a fault."""
MAX_AC_KW = 22.0
"""A parked vehicle that returns faster than by AC charging, and reports that it doesn't charge, didn't charge."""

MIN_SWAP_RISE = 20.0
MAX_UNPLUGGED_KW = 150.0
"""A faster rise of a vehicle that is unplugged before and after is a battery swap. It takes five minutes; a charge that
fits between two reports takes longer, with the drives to the charger and away from it."""
SWAP_VENDORS = frozenset({"NIO"})
MAX_SWAP_GAP = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelPoint:
    """A reported level with what decides whether the next one is possible."""

    at: datetime
    level: float
    range_km: float | None = None
    capacity: float | None = None
    rate: float | None = None
    state: str | None = None
    # Whether the vehicle reports that it charges, that it discharges.
    charging: bool = False
    discharging: bool = False
    position: Position = field(repr=False)


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
class Doubt:
    """A change of the level that was accepted and may still turn out to be a fault: the level before, and its kind."""

    before: LevelPoint
    kind: Literal["impossible", "fall", "rise", "charge"]
    # When a fault began that ended charging: until then the level may have risen.
    fell_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelMemory:
    """What is kept of earlier levels: the last accepted one, the one that is held, a doubt, the smallest step."""

    last: LevelPoint | None = None
    hold: Hold | None = None
    doubt: Doubt | None = None
    step: float | None = None


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


def make_point(charge: ChargeMembers, position: Position) -> LevelPoint | None:
    """The point of a report; None if its level is unknown."""
    if charge.level is None:
        return None
    is_discharging = charge.state == DISCHARGING or (charge.rate is not None and charge.rate < 0)
    return LevelPoint(
        at=position.at,
        level=charge.level,
        range_km=charge.range_km,
        capacity=charge.capacity,
        rate=charge.rate,
        state=charge.state,
        charging=not is_discharging and (charge.state == CHARGING or charge.charging is True),
        discharging=is_discharging,
        position=position,
    )


def check_level(memory: LevelMemory, now: LevelPoint, vendor: str | None) -> LevelVerdict:
    """Decide whether the level of the newest report is accepted."""
    last, hold = memory.last, memory.hold
    if last is None:
        return LevelVerdict(memory=replace(memory, last=now))
    if hold is not None:
        return _check_held_level(memory, last, hold, now)
    if memory.doubt is not None and _is_fault_over(memory.doubt, last, now, memory.step):
        return replace(_accept(memory, now, rebased=True), returned=True)
    if is_possible_change(last, now, memory.step):
        if _is_unexplained_rise(last, now, memory.step):
            return _start_hold(memory, now, is_fall=False, is_unexplained=True)
        return _accept(memory, now, rebased=is_battery_swap(last, now, vendor))
    return _start_hold(memory, now, is_fall=now.level < last.level)


def _check_held_level(memory: LevelMemory, last: LevelPoint, hold: Hold, now: LevelPoint) -> LevelVerdict:
    if hold.is_fall and _has_returned(last, hold.pending, now, hold.begun_at):
        # What a vehicle charges that reports charging is compared with the level that was shown meanwhile.
        return _accept(memory, now, rebased=not now.charging)
    # With time, both levels can lead to the new one: then the nearer one counts.
    is_nearer = abs(now.level - hold.pending.level) < abs(now.level - last.level)
    is_confirmed = is_nearer and is_possible_change(hold.pending, now, memory.step)
    is_contradicted = not is_confirmed and is_possible_change(last, now, memory.step)
    if is_confirmed and hold.is_fall and has_moved(last.position, now.position) is True:
        # It fell because the vehicle drove: its odometer and position came late.
        return replace(_accept(memory, now, rebased=True), is_place_late=True)
    if is_confirmed and now.at - hold.since >= MAX_HOLD:
        # A vehicle that charged since it fell has a reason to return.
        has_charged = now.charging or hold.pending.charging
        is_doubtful = hold.is_fall and not has_charged
        doubt = Doubt(before=last, kind="impossible", fell_at=hold.begun_at) if is_doubtful else None
        return _accept(memory, now, rebased=not hold.is_unexplained, doubt=doubt)
    if is_contradicted:
        return _accept(memory, now, rebased=False)
    if now.at - hold.begun_at >= MAX_HOLD_IN_TOTAL:
        return _accept(memory, now, rebased=True)
    since = hold.since if is_confirmed else now.at
    charging = now.charging or (is_confirmed and hold.pending.charging)
    held = replace(hold, since=since, pending=replace(now, charging=charging), is_fall=now.level < last.level)
    return LevelVerdict(memory=replace(memory, hold=held), is_held=True)


def is_possible_change(before: LevelPoint, after: LevelPoint, step: float | None) -> bool:
    """Whether a battery can change from one level to the other in the time between two reports."""
    change, minutes = after.level - before.level, _get_minutes(before, after)
    slack = _get_slack(before, after, step)
    if change > 0:
        rate = max(before.rate or 0.0, after.rate or 0.0)
        by_power = _get_percent(rate * 1.2 * minutes / 60, _get_capacity(before, after))
        return change <= max(MAX_RISE_PER_MINUTE * minutes, by_power) + slack
    if -change > _get_percent(_get_max_kwh_taken(before, after), _get_capacity(before, after)) + slack:
        return False
    return not (_is_parked(before, after) and _has_range_stayed(before, after))


def _get_max_kwh_taken(before: LevelPoint, after: LevelPoint) -> float:
    """The most energy that can have left the battery between two reports."""
    hours = _get_minutes(before, after) / 60
    if before.discharging or after.discharging:
        return _get_max_discharge(before, after) * hours
    if has_moved(before.position, after.position) is False:
        return MAX_PARKED_KW * hours
    driven = None if after.position.is_late else get_driven_km(before.position, after.position)
    if driven is None:
        return MAX_DRIVING_KW * hours
    per_km = max(MAX_KWH_PER_KM, (after.capacity or before.capacity or 0.0) * MAX_KWH_PER_KM_OF_CAPACITY)
    return min(MAX_DRIVING_KW * hours, (driven + MAX_ODOMETER_ROUNDING_KM) * per_km + MAX_PARKED_KW * hours)


def _is_parked(before: LevelPoint, after: LevelPoint) -> bool:
    is_discharging = before.discharging or after.discharging
    return not is_discharging and has_moved(before.position, after.position) is False


def is_battery_swap(before: LevelPoint, after: LevelPoint, vendor: str | None) -> bool:
    """Whether the battery was swapped: a large rise without a plug that no charging explains."""
    rise, capacity = after.level - before.level, after.capacity or before.capacity
    is_plugged_in = before.position.plugged_in is not False or after.position.plugged_in is not False
    if rise < MIN_SWAP_RISE or capacity is None or is_plugged_in or before.charging or after.charging:
        return False
    hours = _get_minutes(before, after) / 60
    # A vehicle that stays where it is can't have been at a charger that it doesn't report.
    is_parked = has_moved(before.position, after.position) is not True
    is_too_fast = capacity * rise / 100 > MAX_UNPLUGGED_KW * hours
    is_swap_vendor = vendor in SWAP_VENDORS and after.at - before.at <= MAX_SWAP_GAP
    has_other_battery = before.capacity is not None and before.capacity != capacity
    return is_parked or is_too_fast or is_swap_vendor or has_other_battery


def _is_fault_over(doubt: Doubt, last: LevelPoint, now: LevelPoint, step: float | None) -> bool:
    """Whether the level is back where it was before a change, so that the change was a fault."""
    if doubt.kind == "impossible":
        return _has_returned(doubt.before, last, now, doubt.fell_at)
    if doubt.kind == "charge":
        is_fall = now.level < last.level and not is_possible_change(last, now, step)
        return is_fall and now.position.plugged_in is True and _is_near(doubt.before, now, charged_until=now.at)
    if now.charging or last.charging or not _is_near(doubt.before, now):
        return False
    if has_moved(doubt.before.position, now.position) is True:
        return False
    if doubt.kind == "rise":
        return now.level < last.level and not is_possible_change(last, now, step)
    charged = _get_percent(MAX_AC_KW * _get_minutes(last, now) / 60, _get_capacity(last, now))
    return now.level - last.level > charged + _get_slack(last, now, step)


def _has_returned(before: LevelPoint, low: LevelPoint, now: LevelPoint, fell_at: datetime | None) -> bool:
    """Whether the level is back where it was before it fell, though nothing charged the vehicle in between."""
    if not _is_near(before, now, charged_until=fell_at) or low.charging or low.level >= now.level:
        return False
    if now.charging and is_possible_change(low, replace(now, rate=None), None):
        return False
    return has_moved(before.position, now.position) is not True


def _is_near(before: LevelPoint, now: LevelPoint, *, charged_until: datetime | None = None) -> bool:
    """Whether both levels are the same, but for what the vehicle lost and what it charged until a fault began."""
    drained = min(MAX_DRAIN, MAX_DRAIN_PER_HOUR * _get_minutes(before, now) / 60)
    charged = 0.0
    if before.charging and charged_until is not None:
        charged_kwh = _get_charging_kw(before, now) * ((charged_until - before.at) / timedelta(hours=1))
        charged = _get_percent(charged_kwh, _get_capacity(before, now))
    return -drained - MAX_RETURN_DIFFERENCE <= now.level - before.level <= charged + MAX_RETURN_DIFFERENCE


def _get_charging_kw(before: LevelPoint, after: LevelPoint) -> float:
    """The most with which a charging vehicle charges: what it says and a fifth, or else AC."""
    return max(before.rate or 0.0, after.rate or 0.0) * 1.2 or MAX_AC_KW


def _accept(memory: LevelMemory, now: LevelPoint, *, rebased: bool, doubt: Doubt | None = None) -> LevelVerdict:
    last = memory.last
    step = memory.step if rebased or last is None else _learn_step(memory.step, last, now)
    if last is not None and not rebased:
        doubt = _update_doubt(memory.doubt, last, now)
    return LevelVerdict(memory=LevelMemory(last=now, doubt=doubt, step=step), rebased=rebased)


def _update_doubt(doubt: Doubt | None, last: LevelPoint, now: LevelPoint) -> Doubt | None:
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


def _start_hold(memory: LevelMemory, now: LevelPoint, *, is_fall: bool, is_unexplained: bool = False) -> LevelVerdict:
    hold = Hold(since=now.at, begun_at=now.at, pending=now, is_fall=is_fall, is_unexplained=is_unexplained)
    return LevelVerdict(memory=replace(memory, hold=hold), is_held=True)


def _is_unexplained_rise(before: LevelPoint, after: LevelPoint, step: float | None) -> bool:
    """Whether a parked vehicle rose fast between two fresh reports of the same state, in which it doesn't charge."""
    is_same_state = before.state == after.state and not before.charging and not after.charging
    if not is_same_state or after.at - before.at > MAX_FRESH_GAP:
        return False
    if has_moved(before.position, after.position) is not False:
        return False
    allowed = _get_percent(MAX_UNREPORTED_KW * _get_minutes(before, after) / 60, _get_capacity(before, after))
    return after.level - before.level > allowed + _get_slack(before, after, step)


def _has_range_stayed(before: LevelPoint, after: LevelPoint) -> bool:
    """Whether the level fell but the range didn't follow."""
    fall = before.level - after.level
    if fall < MIN_UNFOLLOWED_FALL or not before.range_km or after.range_km is None:
        return False
    capacity = after.capacity or before.capacity or USUAL_CAPACITY_KWH
    if fall <= _get_percent(MIN_UNFOLLOWED_KW * _get_minutes(before, after) / 60, capacity):
        return False
    expected = before.range_km * fall / before.level
    return before.range_km - after.range_km < MIN_FOLLOWED_SHARE * expected


def _get_max_discharge(before: LevelPoint, after: LevelPoint) -> float:
    """The most that a discharging vehicle feeds and uses: half as much again as it reports."""
    reported_kw = max(abs(before.rate or 0.0), abs(after.rate or 0.0))
    return MAX_PARKED_KW + (reported_kw * 1.5 or MAX_UNREPORTED_DISCHARGE_KW)


def _get_slack(before: LevelPoint, after: LevelPoint, step: float | None) -> float:
    """One step of the level, because a rounded level changes by a whole step at once."""
    if step is not None:
        return min(step, COARSE_STEP)
    is_coarse = before.level % COARSE_STEP == 0 and after.level % COARSE_STEP == 0
    return COARSE_STEP if is_coarse else ASSUMED_STEP


def _learn_step(step: float | None, before: LevelPoint, after: LevelPoint) -> float | None:
    change = round(abs(after.level - before.level), 3)
    if change < MIN_STEP:
        return step
    return change if step is None else min(step, change)


def _get_capacity(before: LevelPoint, after: LevelPoint) -> float:
    return after.capacity or before.capacity or UNKNOWN_CAPACITY_KWH


def _get_minutes(before: LevelPoint, after: LevelPoint) -> float:
    return (after.at - before.at) / timedelta(minutes=1)


def _get_percent(energy_kwh: float, capacity_kwh: float) -> float:
    """Percentage points by which this energy changes the level."""
    return energy_kwh / capacity_kwh * 100
