"""How sessions move the energy counters, and how much of that is shown at once. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from relay.vehicles.charging.counters import (
    LAG,
    CountedEnergy,
    EnergyCounters,
    find_count,
    forget_counts,
    remember_count,
)
from relay.vehicles.charging.derivation import Derivation, DerivationState
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.sessions import ChargingSession


def count_sessions(
    counters: EnergyCounters, before: Sequence[ChargingSession], after: Sequence[ChargingSession]
) -> EnergyCounters:
    """The counters with `after` counted instead of `before`; what is shown stays."""
    old, new = _sum_energy(before), _sum_energy(after)
    has_home = counters.home_kwh is not None or any(session.at_home is not None for session in after)
    return replace(
        counters,
        counted_kwh=counters.counted_kwh + new.kwh - old.kwh,
        counted_home_kwh=counters.counted_home_kwh + new.home_kwh - old.home_kwh,
        counted_discharged_kwh=counters.counted_discharged_kwh + new.discharged_kwh - old.discharged_kwh,
        home_kwh=(counters.home_kwh or 0.0) if has_home else None,
    )


def show_settled(
    counters: EnergyCounters,
    recent: tuple[CountedEnergy, ...],
    state: DerivationState,
    settled_before: datetime | None,
) -> tuple[EnergyCounters, tuple[CountedEnergy, ...]]:
    """The counters with what is settled shown, and the counts that are still needed."""
    if not recent or state.last is None:
        return counters, recent
    before = settled_before or state.last.at
    if settled_before is not None and state.period is not None and state.period.open:
        # While charging goes on, the clock is not enough: events may be processed long after they were sent.
        before = min(settled_before, state.last.at - LAG)
    settled, recent = find_count(recent, before), forget_counts(recent, before)
    if settled is None:
        return counters, recent
    shown = replace(
        counters,
        lifetime_kwh=max(counters.lifetime_kwh, settled.kwh),
        home_kwh=None if counters.home_kwh is None else max(counters.home_kwh, settled.home_kwh),
        discharged_kwh=max(counters.discharged_kwh, settled.discharged_kwh),
    )
    return shown, recent


def remember_counts(
    recent: Sequence[CountedEnergy],
    counters: EnergyCounters,
    sessions: Sequence[ChargingSession],
    derivation: Derivation,
) -> tuple[CountedEnergy, ...]:
    """The counts after the last samples. Those of earlier samples are never more than what is known by now."""
    if derivation.state.last is None:
        return ()
    newest = CountedEnergy(
        at=derivation.state.last.at,
        kwh=counters.counted_kwh,
        home_kwh=counters.counted_home_kwh,
        discharged_kwh=counters.counted_discharged_kwh,
    )
    if not derivation.history:
        return remember_count([_limit_count(count, newest) for count in recent], newest)
    now, remembered = _sum_energy(sessions), tuple[CountedEnergy, ...]()
    for at, periods in derivation.history:
        then = _count_earlier(sessions, periods)
        count = CountedEnergy(
            at=at,
            kwh=newest.kwh - now.kwh + then.kwh,
            home_kwh=newest.home_kwh - now.home_kwh + then.home_kwh,
            discharged_kwh=newest.discharged_kwh - now.discharged_kwh + then.discharged_kwh,
        )
        remembered = remember_count(remembered, count)
    return remember_count(remembered, newest)


def _limit_count(count: CountedEnergy, newest: CountedEnergy) -> CountedEnergy:
    """An earlier count, but no more than the newest one: what turned out to be a fault isn't shown later."""
    return CountedEnergy(
        at=count.at,
        kwh=min(count.kwh, newest.kwh),
        home_kwh=min(count.home_kwh, newest.home_kwh),
        discharged_kwh=min(count.discharged_kwh, newest.discharged_kwh),
    )


def shift_counts(
    counters: EnergyCounters,
    recent: Iterable[CountedEnergy],
    before: Sequence[ChargingSession],
    after: Sequence[ChargingSession],
) -> tuple[EnergyCounters, tuple[CountedEnergy, ...]]:
    """Counters and earlier counts with `after` counted instead of `before`; what isn't settled stays unshown."""
    new = count_sessions(counters, before, after)
    home_kwh = new.home_kwh
    if home_kwh is not None:
        unsettled = max(0.0, counters.counted_home_kwh - (counters.home_kwh or 0.0))
        home_kwh = max(home_kwh, new.counted_home_kwh - unsettled)
    unsettled = max(0.0, counters.counted_kwh - counters.lifetime_kwh)
    undischarged = max(0.0, counters.counted_discharged_kwh - counters.discharged_kwh)
    shifted = tuple(
        CountedEnergy(
            at=count.at,
            kwh=count.kwh + new.counted_kwh - counters.counted_kwh,
            home_kwh=count.home_kwh + new.counted_home_kwh - counters.counted_home_kwh,
            discharged_kwh=count.discharged_kwh + new.counted_discharged_kwh - counters.counted_discharged_kwh,
        )
        for count in recent
    )
    shown = replace(
        new,
        lifetime_kwh=max(new.lifetime_kwh, new.counted_kwh - unsettled),
        home_kwh=home_kwh,
        discharged_kwh=max(new.discharged_kwh, new.counted_discharged_kwh - undischarged),
    )
    return shown, shifted


def _count_earlier(sessions: Iterable[ChargingSession], periods: Iterable[ChargingPeriod]) -> _EnergySums:
    """The sums of the sessions as they were with these earlier periods, with no more energy than they have now."""
    earlier = {(period.kind, period.started_at): period for period in periods if period.is_proven}
    sums = _EnergySums()
    for session in sessions:
        period = earlier.get((session.period.kind, session.period.started_at))
        if period is not None:
            sums = sums.add(session, min(session.energy_kwh or 0.0, period.energy_kwh or 0.0))
    return sums


class _EnergySums(NamedTuple):
    kwh: float = 0.0
    home_kwh: float = 0.0
    discharged_kwh: float = 0.0

    def add(self, session: ChargingSession, kwh: float) -> _EnergySums:
        """The sums with this energy of `session`."""
        if session.period.kind == "discharge":
            return self._replace(discharged_kwh=self.discharged_kwh + kwh)
        return self._replace(kwh=self.kwh + kwh, home_kwh=self.home_kwh + (kwh if session.at_home else 0.0))


def _sum_energy(sessions: Iterable[ChargingSession]) -> _EnergySums:
    sums = _EnergySums()
    for session in sessions:
        sums = sums.add(session, session.energy_kwh or 0.0)
    return sums
