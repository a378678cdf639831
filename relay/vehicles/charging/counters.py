"""Energy counters of a vehicle: what is counted, and what is shown, which never decreases. Pure functions.

Events that overtake each other by minutes make the count too high for a moment. So the shown counters lag behind by
LAG: they show what was counted at samples that are settled (docs/decisions/0021).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LAG = timedelta(minutes=10)
"""How long events about a moment may be missing before what is counted at that moment is shown."""
MIN_SPACING = timedelta(minutes=1)
"""Counts closer together than this are not all remembered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedEnergy:
    """The sums of all sessions in kWh after the sample of this moment.

    Field names are JSON keys in `vehicle_energy.tail`: don't rename them.
    """

    at: datetime
    kwh: float
    home_kwh: float
    discharged_kwh: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyCounters:
    """Energy in kWh. `counted_*` sum up the sessions as known now; users see the other three, which never decrease.

    `home_kwh` is None while no home is known.
    """

    counted_kwh: float = 0.0
    counted_home_kwh: float = 0.0
    lifetime_kwh: float = 0.0
    home_kwh: float | None = None
    counted_discharged_kwh: float = 0.0
    discharged_kwh: float = 0.0

    @property
    def visible_kwh(self) -> tuple[float, float | None, float]:
        """The counters as users see them, rounded to watt-hours."""
        home_kwh = None if self.home_kwh is None else round(self.home_kwh, 3)
        return round(self.lifetime_kwh, 3), home_kwh, round(self.discharged_kwh, 3)

    @property
    def is_settled(self) -> bool:
        """Whether all that is counted is shown."""
        return (
            self.lifetime_kwh >= self.counted_kwh
            and self.discharged_kwh >= self.counted_discharged_kwh
            and (self.home_kwh is None or self.home_kwh >= self.counted_home_kwh)
        )


NO_COUNTERS = EnergyCounters()


def remember_count(recent: Sequence[CountedEnergy], newest: CountedEnergy) -> tuple[CountedEnergy, ...]:
    """`recent` counts, in order of time, with the newest one."""
    kept = [count for count in recent if count.at < newest.at]
    if len(kept) > 1 and kept[-1].at - kept[-2].at < MIN_SPACING:
        kept.pop()
    return (*kept, newest)


def forget_counts(recent: Sequence[CountedEnergy], before: datetime) -> tuple[CountedEnergy, ...]:
    """The counts from the last one up to `before` on."""
    older = [count for count in recent if count.at <= before]
    return (*older[-1:], *(count for count in recent if count.at > before))


def find_count(recent: Iterable[CountedEnergy], before: datetime) -> CountedEnergy | None:
    """The newest count up to `before`."""
    return max((count for count in recent if count.at <= before), key=lambda count: count.at, default=None)
