"""The energy charged between two samples, from the reported power or from the rise of the level. Pure functions.

Energy is battery-side. What power adds up to is checked by the level: `PowerCheck`.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from relay.vehicles.charging.samples import ChargeReading, ChargingSample

MAX_POWER_HOLD = timedelta(minutes=30)
"""How long a reported power is assumed to continue; over a longer silence the charge level measures better."""
MAX_POWER_EXCESS = 1.15
"""How much more than the level's rise integrated power may be: losses of charging at up to 13 %, and a nominal capacity
that is less than the usable one."""
UNKNOWN_STEP = 5.0
"""The step of the level, in percentage points, that is allowed for until a vehicle has shown its own: the coarsest one
that vendors report."""
MAX_HIDDEN_CHANGE = timedelta(minutes=10)
"""Over how long an interval the level refines when a power changed or ended; losses are less than its step."""
MAX_STEADY_KW = 22.0
"""AC chargers charge with a steady power, public ones with up to 22 kW. That of a fast charger follows the battery, so
a power at one moment may differ from the mean by more than the level does."""
MIN_FLAT_STEPS = 3.0
"""By so many steps a power must have raised a level that didn't rise at all, to be disproved before its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredEnergy:
    """Energy measured by power over time, or by capacity times rise of the level. None: not measured that way."""

    power_kwh: float | None = None
    soc_kwh: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerCheck:
    """What the level shows about the energy of a period that was measured by power.

    A level rises in steps, late, and is sometimes unknown: `unseen_kwh` is the energy of late that it may not show yet,
    part of `kwh`; `unknown_kwh` is the energy since it was last known, not part of it. Field names are JSON keys in
    `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them.
    """

    # Energy by power between levels that can be compared, and the points by which the level rose meanwhile.
    kwh: float = 0.0
    gain: float = 0.0
    unseen_kwh: float = 0.0
    unknown_kwh: float = 0.0
    capacity_kwh: float | None = None
    step: float = UNKNOWN_STEP
    # Energy that the level doesn't show although a power may have lasted so long; a late level releases it.
    withheld_kwh: float = 0.0

    @property
    def excess_kwh(self) -> float:
        """By how much the energy is more than the battery can have taken, once the last level has arrived."""
        return 0.0 if self.capacity_kwh is None or self.kwh <= self._limit_kwh else self.kwh - self._gain_kwh

    @property
    def open_excess_kwh(self) -> float:
        """The same while more of the level may arrive: up to a step that it hasn't shown yet is counted."""
        if not self.excess_kwh or self.is_flat:
            return self.excess_kwh
        return self.excess_kwh - min(self.unseen_kwh, self.step * (self.capacity_kwh or 0.0) / 100)

    @property
    def surplus_kwh(self) -> float:
        """By how much the energy is more than the level shows."""
        return max(0.0, self.kwh - self._gain_kwh)

    @property
    def is_flat(self) -> bool:
        """Whether the level didn't rise at all, though the power would have raised it by several steps."""
        return self.capacity_kwh is not None and self.gain <= 0 and self.kwh >= MIN_FLAT_STEPS * self._limit_kwh

    def with_battery(self, reading: ChargeReading) -> PowerCheck:
        """The check with the capacity and step that are known now."""
        return replace(self, capacity_kwh=reading.capacity_kwh, step=reading.step or UNKNOWN_STEP)

    def add_power(self, kwh: float, rise: float | None, *, is_level_known: bool) -> PowerCheck:
        """The check with energy by power. `rise` is None when the level can't be compared with that before."""
        if not is_level_known:
            return replace(self, unknown_kwh=self.unknown_kwh + kwh)
        if rise is None:
            return replace(self, unknown_kwh=0.0)
        kwh += self.unknown_kwh
        check = replace(self, kwh=self.kwh + kwh, gain=self.gain + rise, unknown_kwh=0.0)
        unseen = self.unseen_kwh + kwh
        unseen = min(unseen, check.surplus_kwh) if rise > 0 else unseen
        return replace(check, unseen_kwh=unseen)

    def refine(self, kwh: float, other_kwh: float, rise: float, *, is_steady: bool) -> float:
        """The energy of an interval in which a power changed at an unknown moment, or ended (`other_kwh` is 0).

        `kwh` if the power changed at the interval's end, `other_kwh` if at its start. In between, the level decides: a
        steady power counts within one step of the rise, and of another one no more than the rise where it would be
        further off than the level, which is exact to one step.
        """
        if self.capacity_kwh is None:
            return kwh
        if not is_steady and abs(kwh - other_kwh) > self.step * self.capacity_kwh / 100:
            low, high = sorted((kwh, other_kwh))
            return max(low, min(high, rise * self.capacity_kwh / 100))
        least, most = ((rise + step) * self.capacity_kwh / 100 for step in (-self.step, self.step))
        low, high = sorted((kwh, other_kwh))
        return max(low, min(kwh, most)) if kwh > most else min(high, max(kwh, least))

    def withhold(self, kwh: float) -> PowerCheck:
        """The check with energy that the level may show later; not with what was withheld before."""
        return replace(self, withheld_kwh=kwh)

    def add_late_rise(self, rise: float) -> PowerCheck:
        """The check after a rise of the level in a pause: it shows what was charged before."""
        if rise <= 0:
            return self
        shown = rise * (self.capacity_kwh or 0.0) / 100
        released = min(self.withheld_kwh, shown)
        return replace(
            self,
            kwh=self.kwh + released,
            gain=self.gain + rise,
            unseen_kwh=max(0.0, self.unseen_kwh + released - shown),
            withheld_kwh=self.withheld_kwh - released,
        )

    def explain_rise(self, rise: float) -> tuple[PowerCheck, float]:
        """The check after a rise without power, and the energy of the rise that power measured before.

        Up to a step may be unseen because the level is rounded, so only what is more shows that the level is late.
        """
        if self.capacity_kwh is None or rise <= 0:
            return self, 0.0
        late = max(0.0, self.unseen_kwh - self.step * self.capacity_kwh / 100)
        explained = min(late, rise * self.capacity_kwh / 100)
        points = explained / self.capacity_kwh * 100
        return replace(self, gain=self.gain + points, unseen_kwh=self.unseen_kwh - explained), explained

    def explains(self, rise: float) -> bool:
        """Whether a rise is no more than what power charged and the level hasn't shown, plus a step."""
        unseen = self.unseen_kwh + self.withheld_kwh
        return bool(self.capacity_kwh and unseen) and rise <= unseen / (self.capacity_kwh or 1.0) * 100 + self.step

    def forget_unseen(self, power_kw: float) -> PowerCheck:
        """The check when the level can no longer show what was charged since it last rose.

        That is what was charged with `power_kw` while the level was held as a fault, and the step that it lags behind.
        """
        hidden = power_kw * (MAX_POWER_HOLD / timedelta(hours=1)) + self.step * (self.capacity_kwh or 0.0) / 100
        return replace(self, kwh=self.kwh - min(self.unseen_kwh, hidden), unseen_kwh=0.0, unknown_kwh=0.0)

    @property
    def _gain_kwh(self) -> float:
        return max(0.0, self.gain) * (self.capacity_kwh or 0.0) / 100

    @property
    def _limit_kwh(self) -> float:
        return (max(0.0, self.gain) + self.step) * (self.capacity_kwh or 0.0) / 100 * MAX_POWER_EXCESS


NO_CHECK = PowerCheck()


def measure_energy(last: ChargingSample, now: ChargingSample, *, assumed_kw: float | None = None) -> MeasuredEnergy:
    """The energy charged between the samples `last` and `now`. `assumed_kw` is the power where `last` has none."""
    duration = now.at - last.at
    rise, capacity = get_soc_rise(last, now), now.reading.capacity_kwh
    level_kwh = capacity * rise / 100 if capacity and rise is not None else None
    power = get_power_kw(last) or (get_power_kw(now) if last.reading.charging else assumed_kw)
    if now.reading.rebased:
        return MeasuredEnergy()
    if power and (duration <= MAX_POWER_HOLD or (level_kwh is None and now.reading.charging)):
        power_kwh = power * (duration / timedelta(hours=1))
        if level_kwh is not None and _has_missed_power(last, now, power_kwh, level_kwh):
            return MeasuredEnergy(soc_kwh=level_kwh)
        return MeasuredEnergy(power_kwh=power_kwh)
    if level_kwh and rise is not None and not last.reading.charging and duration <= MAX_POWER_HOLD:
        level_kwh = _limit_first_step(now, rise, level_kwh, duration)
    return MeasuredEnergy(soc_kwh=level_kwh or None)


def _limit_first_step(now: ChargingSample, rise: float, level_kwh: float, duration: timedelta) -> float:
    """The energy of a rise since a report before charging: of one step, no more than a steady power has charged.

    A vehicle's first changes may be of more than any step is.
    """
    power, step = get_power_kw(now), now.reading.step
    if power is None or power > MAX_STEADY_KW or step is None or rise > min(step, UNKNOWN_STEP):
        return level_kwh
    return min(level_kwh, power * (duration / timedelta(hours=1)))


def _has_missed_power(last: ChargingSample, now: ChargingSample, power_kwh: float, level_kwh: float) -> bool:
    """Whether a level shows more than a power that `last` lacked: it charged while a fault hid that."""
    step_kwh = (now.reading.step or UNKNOWN_STEP) * (now.reading.capacity_kwh or 0.0) / 100
    return last.reading.charging is True and get_power_kw(last) is None and level_kwh > power_kwh + step_kwh


def add_energy(total_kwh: float | None, more_kwh: float | None) -> float | None:
    """The sum; None when neither was measured."""
    return total_kwh if more_kwh is None else (total_kwh or 0.0) + more_kwh


def get_soc_rise(last: ChargingSample, now: ChargingSample) -> float | None:
    """Percentage points by which the level rose between two samples; None when they can't be compared."""
    before, after = last.reading.soc, now.reading.soc
    return None if before is None or after is None or now.reading.rebased else after - before


def get_power_kw(sample: ChargingSample) -> float | None:
    """The charging power; None while not charging."""
    return sample.reading.power_kw if sample.reading.charging else None
