"""What a battery's level can do between two reports: a table of limits. Pure functions."""

from datetime import timedelta

from relay.vehicles.plausibility.level_points import LevelPoint, get_capacity, get_minutes, get_percent, get_slack
from relay.vehicles.plausibility.movement import MAX_ODOMETER_ROUNDING_KM, get_driven_km, has_moved

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
USUAL_CAPACITY_KWH = 60.0
"""Assumed where a capacity that is too small would hide a fault."""

MIN_UNFOLLOWED_FALL = 6.0
MIN_UNFOLLOWED_KW = 3.0
MIN_FOLLOWED_SHARE = 0.25
"""A parked fall of 6 points at 3 kW or more must lower the range by a quarter of the same share. Slower falls are
those of a battery at rest, and smaller ones are less than the rounding of some ranges."""

MIN_SWAP_RISE = 20.0
MAX_UNPLUGGED_KW = 150.0
"""A faster rise of a vehicle that is unplugged before and after is a battery swap. It takes five minutes; a charge that
fits between two reports takes longer, with the drives to the charger and away from it."""
SWAP_VENDORS = frozenset({"NIO"})
MAX_SWAP_GAP = timedelta(hours=1)
MAX_FIRST_GAP = timedelta(hours=1)
"""How soon after it was linked a vehicle's cloud reports the level that it didn't know at first."""
MIN_FIRST_RISE = 6.0
"""Percentage points of a rise from 0 that no battery makes by warming up."""


def is_possible_change(before: LevelPoint, after: LevelPoint, step: float | None) -> bool:
    """Whether a battery can change from one level to the other in the time between two reports."""
    change, minutes = after.level - before.level, get_minutes(before, after)
    slack = get_slack(before, after, step)
    if change > 0:
        rate = max(before.rate or 0.0, after.rate or 0.0)
        by_power = get_percent(rate * 1.2 * minutes / 60, get_capacity(before, after))
        return change <= max(MAX_RISE_PER_MINUTE * minutes, by_power) + slack
    if -change > get_percent(_get_max_kwh_taken(before, after), get_capacity(before, after)) + slack:
        return False
    return not (_is_parked(before, after) and _has_range_stayed(before, after))


def is_battery_swap(before: LevelPoint, after: LevelPoint, vendor: str | None) -> bool:
    """Whether the battery was swapped: a large rise without a plug that no charging explains."""
    rise, capacity = after.level - before.level, after.capacity or before.capacity
    is_plugged_in = before.position.plugged_in is not False or after.position.plugged_in is not False
    if rise < MIN_SWAP_RISE or capacity is None or is_plugged_in or before.charging or after.charging:
        return False
    hours = get_minutes(before, after) / 60
    # A vehicle that stays where it is can't have been at a charger that it doesn't report.
    is_parked = has_moved(before.position, after.position) is not True
    is_too_fast = capacity * rise / 100 > MAX_UNPLUGGED_KW * hours
    is_swap_vendor = vendor in SWAP_VENDORS and after.at - before.at <= MAX_SWAP_GAP
    has_other_battery = before.capacity is not None and before.capacity != capacity
    return is_parked or is_too_fast or is_swap_vendor or has_other_battery


def is_unexplained_rise(before: LevelPoint, after: LevelPoint, step: float | None) -> bool:
    """Whether a parked vehicle rose fast between two fresh reports of the same state, in which it doesn't charge."""
    is_same_state = before.state == after.state and not before.charging and not after.charging
    if not is_same_state or after.at - before.at > MAX_FRESH_GAP:
        return False
    if has_moved(before.position, after.position) is not False:
        return False
    allowed = get_percent(MAX_UNREPORTED_KW * get_minutes(before, after) / 60, get_capacity(before, after))
    return after.level - before.level > allowed + get_slack(before, after, step)


def is_first_level_wrong(first: LevelPoint, now: LevelPoint, *, is_unexplained: bool) -> bool:
    """Whether the first level ever was that of an unknown one: 0, and the vehicle rose from there without a charge.

    An empty vehicle can't have driven to a charger and away from it.
    """
    is_unplugged = first.position.plugged_in is False and now.position.plugged_in is False
    has_charged = first.charging or now.charging or not (is_unplugged or is_unexplained)
    is_soon = now.at - first.at <= MAX_FIRST_GAP
    return first.level == 0 and now.level >= MIN_FIRST_RISE and is_soon and not has_charged


def _get_max_kwh_taken(before: LevelPoint, after: LevelPoint) -> float:
    """The most energy that can have left the battery between two reports."""
    hours = get_minutes(before, after) / 60
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


def _has_range_stayed(before: LevelPoint, after: LevelPoint) -> bool:
    """Whether the level fell but the range didn't follow."""
    fall = before.level - after.level
    if fall < MIN_UNFOLLOWED_FALL or not before.range_km or after.range_km is None:
        return False
    capacity = after.capacity or before.capacity or USUAL_CAPACITY_KWH
    if fall <= get_percent(MIN_UNFOLLOWED_KW * get_minutes(before, after) / 60, capacity):
        return False
    expected = before.range_km * fall / before.level
    return before.range_km - after.range_km < MIN_FOLLOWED_SHARE * expected


def _get_max_discharge(before: LevelPoint, after: LevelPoint) -> float:
    """The most that a discharging vehicle feeds and uses: half as much again as it reports."""
    reported_kw = max(abs(before.rate or 0.0), abs(after.rate or 0.0))
    return MAX_PARKED_KW + (reported_kw * 1.5 or MAX_UNREPORTED_DISCHARGE_KW)
