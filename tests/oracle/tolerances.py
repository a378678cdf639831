"""How far the relay's energy may be from the physical truth: what the reports leave open, and 3 %.

For each charge (charging within one plug-in, with pauses of up to 30 minutes), with `step` the reported level's step in
kWh of the reported capacity:

* Told power is true:    3 % of the energy + rounding of the power (0.05 kW * time)
                         + min(what polling hides of the power's changes, step + error of the capacity)
                         + step for each gap that only the level measures (over 30 minutes, or power never told)
* Power not told, wrong: step + what the battery gained or lost between the polls otherwise (driving, standby)
                         + what the battery lost otherwise in pauses
                         + what a nominal capacity differs by from the true one, if some of the power is true
* Only the level tells:  what was charged and discharged again between two reports
* A fault of the day:    one more step

`Error of the capacity`: where polling hides more than a step, the level measures better, by the capacity that the
vehicle reports: up to 10 % more than the true one. No report has the true capacity. So what polling hides at the start
and the end of charging may be up to 10 % of the energy, too: a level that shows it may be that of a nominal capacity.
`What polling hides`: the sum over polls' intervals of (highest - lowest power) * time.
A charge may be missed if the reports can't prove it: see `_is_provable`. Nobody knows what was charged after the last
report, or in a silence of more than 48 hours. A charge is seen if a report during it is followed by another one soon.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.oracle.activities import HOUR, MINUTE
from tests.oracle.days import Day, Flow, Interval
from tests.oracle.enode_feed import Arrival

MAX_ERROR = 0.03
POWER_ROUNDING_KW = 0.05
NOMINAL_EXCESS = 0.1  # by how much a nominal capacity may exceed the usable one
MAX_PAUSE = 30 * MINUTE
MAX_POWER_GAP = 30 * MINUTE  # over a longer gap the level measures
MAX_SILENCE = 48 * HOUR
# Percentage points of a rise that prove charging that was never reported (decision 12; issue 12, section 2).
RISE_PLUGGED_IN = 2.0
RISE_UNPLUGGED = 5.0
RISE_MOVING = 10.0
MAX_UNPLUGGED_KW = 150.0
MIN_SWAP_RISE = 20.0
MIN_SHOWN_KM = 0.5
MIN_SHOWN_DEGREES = 0.005


@dataclass(slots=True, kw_only=True)
class Charge:
    """Energy through the plug that should be one session: the truth, and how well the reports can tell it."""

    flows: list[Flow] = field(repr=False)
    start: float
    end: float
    # The last report before it and the first one after it.
    window: tuple[float, float] = (0.0, 0.0)
    kwh: float
    expected_kwh: float | None = None
    allowed_kwh: float = 0.0
    must_be_found: bool = True
    # The longest pause, and the longest time between two reports.
    max_pause: float = 0.0
    max_gap: float = 0.0
    # One report at least shows it.
    is_seen: bool = False

    @property
    def at_home(self) -> bool:
        return self.flows[0].at_home

    @property
    def is_discharge(self) -> bool:
        return self.flows[0].is_discharge


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The truth between two reports, and the reports."""

    truth: Interval
    before: dict
    after: dict
    # Whether odometer or position show that the car was driven.
    is_shown_moving: bool = False

    @property
    def seconds(self) -> float:
        return self.truth.end - self.truth.start

    def overlaps(self, start: float, end: float) -> bool:
        return self.truth.start < end and start < self.truth.end

    @property
    def told_power(self) -> bool:
        return any(report["chargeRate"] is not None for report in (self.before, self.after))

    @property
    def is_charging_throughout(self) -> bool:
        return bool(self.before["isCharging"] and self.after["isCharging"])

    @property
    def spread_kwh(self) -> float:
        """By how much a power that was true at some moment, or reported at the start, can miss the energy."""
        told = self.before["chargeRate"] if self.before["isCharging"] else None
        powers = [self.truth.max_kw, min(self.truth.min_kw, self.truth.max_kw), *([] if told is None else [told])]
        return (max(powers) - min(powers)) * self.truth.hours

    @property
    def shows_plug(self) -> bool:
        return bool(self.before["isPluggedIn"] or self.after["isPluggedIn"])

    @property
    def opposite_kwh(self) -> float:
        """Energy that was charged and discharged again, or the other way round: the level shows neither."""
        return min(self.truth.charged_kwh, self.truth.discharged_kwh)

    @property
    def rise(self) -> float:
        return self.after["batteryLevel"] - self.before["batteryLevel"]


def list_charges(day: Day, arrivals: Sequence[Arrival], *, is_power_true: bool, steps_for_fault: int) -> list[Charge]:
    """The charges of a day and their tolerances, judged by its reports without faults."""
    gaps = list_gaps(day, arrivals)
    charges = [_create_charge(flows) for flows in _group_flows(day.flows)]
    for charge in charges:
        touching = [gap for gap in gaps if gap.overlaps(charge.start, charge.end)]
        if not touching:
            charge.must_be_found, charge.allowed_kwh = False, charge.kwh
            charge.window = (charge.start, charge.end)
            continue
        charge.window = (touching[0].truth.start, touching[-1].truth.end)
        charge.max_gap = max(gap.seconds for gap in touching)
        _set_tolerance(day, charge, touching, is_power_true=is_power_true)
        if charge.end > gaps[-1].truth.end or charge.max_gap > MAX_SILENCE:
            charge.must_be_found, charge.allowed_kwh = False, charge.allowed_kwh + charge.kwh
        step = _get_step_kwh(day)
        if charge.expected_kwh is not None and step is not None:
            charge.allowed_kwh += steps_for_fault * step
        elif steps_for_fault:
            charge.expected_kwh = None
    return charges


def list_gaps(day: Day, arrivals: Sequence[Arrival]) -> list[Gap]:
    """The truth between each two reports: Enode reports a poll only if something changed."""
    gaps = []
    for one, other in pairwise(sorted({arrival.poll for arrival in arrivals})):
        truth = _merge_intervals(day.intervals[one:other])
        before, after = (day.polls[index].view["chargeState"] for index in (one, other))
        is_moving = _is_shown_moving(day.polls[one].view, day.polls[other].view)
        gaps.append(Gap(truth=truth, before=before, after=after, is_shown_moving=is_moving))
    return gaps


def _is_shown_moving(before: dict, after: dict) -> bool:
    pairs = [(view["odometer"]["distance"], view["location"]["latitude"]) for view in (before, after)]
    (km, latitude), (later_km, later_latitude) = pairs
    has_driven = km is not None and later_km is not None and abs(later_km - km) >= MIN_SHOWN_KM
    is_elsewhere = latitude is not None and abs((later_latitude or latitude) - latitude) >= MIN_SHOWN_DEGREES
    return has_driven or is_elsewhere


def _merge_intervals(intervals: Sequence[Interval]) -> Interval:
    # The spread of each part is what polling hides: the power is known again after it, or it hasn't changed.
    return Interval(
        start=intervals[0].start,
        end=intervals[-1].end,
        charged_kwh=sum(part.charged_kwh for part in intervals),
        discharged_kwh=sum(part.discharged_kwh for part in intervals),
        other_kwh=sum(part.other_kwh for part in intervals),
        min_kw=min(part.min_kw for part in intervals),
        max_kw=max(part.max_kw for part in intervals),
        was_plugged_in=any(part.was_plugged_in for part in intervals),
        was_moved=any(part.was_moved for part in intervals),
    )


def _group_flows(flows: Iterable[Flow]) -> list[list[Flow]]:
    groups: list[list[Flow]] = []
    for flow in flows:
        last = groups[-1][-1] if groups else None
        is_same = last is not None and (last.plug, last.is_discharge) == (flow.plug, flow.is_discharge)
        if last is not None and is_same and flow.start - last.end <= MAX_PAUSE:
            groups[-1].append(flow)
        else:
            groups.append([flow])
    return groups


def _create_charge(flows: list[Flow]) -> Charge:
    return Charge(
        flows=flows,
        start=flows[0].start,
        end=flows[-1].end,
        kwh=sum(flow.kwh for flow in flows),
        max_pause=max((other.start - one.end for one, other in pairwise(flows)), default=0.0),
    )


def _get_step_kwh(day: Day) -> float | None:
    capacity = day.profile.told_capacity
    return None if capacity is None else capacity * day.profile.step / 100


def _set_tolerance(day: Day, charge: Charge, gaps: list[Gap], *, is_power_true: bool) -> None:
    capacity, step = day.profile.told_capacity, _get_step_kwh(day)
    flag = "PLUGGED_IN:DISCHARGING" if charge.is_discharge else "PLUGGED_IN:CHARGING"
    charge.is_seen = any(
        gap.before["powerDeliveryState"] == flag and charge.start <= gap.truth.start and gap.seconds <= MAX_POWER_GAP
        for gap in gaps
    )
    scale = 1.0 if capacity is None else capacity / day.profile.spec.battery_kwh
    tells_power = not charge.is_discharge and any(gap.told_power for gap in gaps)
    charge.must_be_found = charge.is_seen or all(_is_provable(day, gap) for gap in gaps)
    if tells_power and is_power_true:
        _set_power_tolerance(charge, gaps, step, scale)
    elif step is None:
        charge.expected_kwh = None  # nothing measures it
        charge.must_be_found &= (
            charge.kwh / day.profile.spec.battery_kwh * 100 >= RISE_PLUGGED_IN + 2 * day.profile.step
        )
    else:
        charge.expected_kwh = charge.kwh * scale
        drift = sum(abs(gap.truth.other_kwh) + gap.opposite_kwh for gap in gaps) * scale
        charge.allowed_kwh = step + drift + _sum_hidden(day, gaps) * scale
        if tells_power:  # a power that is wrong for once measures the rest
            half_kwh = charge.kwh * (scale - 1) / 2
            charge.expected_kwh, charge.allowed_kwh = charge.kwh + half_kwh, charge.allowed_kwh + abs(half_kwh)
        if charge.expected_kwh - drift < capacity * (RISE_PLUGGED_IN + day.profile.step) / 100:
            charge.must_be_found = False  # too small for a proof by level
    if not charge.must_be_found:
        charge.allowed_kwh = max(charge.allowed_kwh, charge.kwh * scale)


def _set_power_tolerance(charge: Charge, gaps: list[Gap], step: float | None, scale: float) -> None:
    charge.expected_kwh = charge.kwh
    hours = sum(flow.end - flow.start for flow in charge.flows) / HOUR
    by_power = [gap for gap in gaps if gap.told_power and gap.seconds <= MAX_POWER_GAP]
    by_level = [gap for gap in gaps if gap not in by_power and gap.truth.charged_kwh > 0]
    hidden = sum(gap.spread_kwh for gap in by_power)
    allowed = MAX_ERROR * charge.kwh + POWER_ROUNDING_KW * hours
    if step is not None:
        measured_by_level = sum(gap.truth.charged_kwh for gap in by_power if gap.spread_kwh > step)
        hidden_at_ends = sum(gap.spread_kwh for gap in by_power if not gap.is_charging_throughout)
        at_ends = min(hidden_at_ends, NOMINAL_EXCESS * charge.kwh)
        hidden = min(hidden, step + measured_by_level * abs(scale - 1) + at_ends)
    allowed += hidden + sum(_get_unseen_loss(charge, gap) for gap in gaps)
    for gap in by_level:
        charged = gap.truth.charged_kwh
        if step is None:
            allowed += max(charged, gap.spread_kwh)
        elif gap.seconds > MAX_SILENCE:
            allowed += charged
        else:
            allowed += step + (abs(gap.truth.other_kwh) + gap.opposite_kwh) * scale + charged * abs(scale - 1)
    charge.allowed_kwh = allowed


def _sum_hidden(day: Day, gaps: list[Gap]) -> float:
    return sum(gap.truth.charged_kwh + gap.truth.discharged_kwh for gap in gaps if gap.seconds > MAX_SILENCE)


def _is_provable(day: Day, gap: Gap) -> bool:
    """Whether the reports before and after a charge that none of them shows prove it."""
    if gap.seconds > MAX_SILENCE or gap.truth.discharged_kwh > 0:
        return False
    plugged_before, plugged_after = gap.before["isPluggedIn"], gap.after["isPluggedIn"]
    if plugged_before:
        return gap.rise >= _get_rise_from_plug(day, gap) + day.profile.step
    told = day.profile.told_capacity
    if told is not None and not plugged_after and gap.rise >= MIN_SWAP_RISE:
        is_fast = told * gap.rise / 100 > MAX_UNPLUGGED_KW * gap.seconds / HOUR
        if is_fast or not gap.is_shown_moving:
            return False  # a battery swap looks the same (decision 20)
    if gap.truth.was_moved:
        is_large = not day.profile.is_hybrid
        return is_large and not plugged_after and gap.rise >= RISE_MOVING + day.profile.step
    return bool(plugged_after) and gap.rise >= RISE_UNPLUGGED + day.profile.step


def _get_rise_from_plug(day: Day, gap: Gap) -> float:
    """The rise that proves a charge of a car that was plugged in before: more if it may be that of a descent."""
    if not gap.truth.was_moved:
        return RISE_PLUGGED_IN
    if day.profile.is_hybrid:
        return RISE_MOVING
    return RISE_PLUGGED_IN if gap.after["isPluggedIn"] else RISE_UNPLUGGED


def _get_unseen_loss(charge: Charge, gap: Gap) -> float:
    """What the battery lost otherwise within a charge: the level rises by less than power charges."""
    is_within = charge.start <= gap.truth.start and gap.truth.end <= charge.end
    return max(0.0, -gap.truth.other_kwh) if is_within else 0.0
