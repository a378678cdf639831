"""Recorded charging sessions with lasting ids, and energy counters that never decrease. Pure functions.

Newly derived periods are compared with the recorded sessions: a session keeps its id as long as its period overlaps the
recorded one, and the counters change by the difference. So processing the same samples again changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import Field

from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.home_and_rates import ElectricityRate, HomeAndRates
from relay.vehicles.charging.owner_corrections import (
    CorrectedEnergy,
    OwnerCorrection,
    allot_corrections,
    correct_energy,
    is_overlapping,
)
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.samples import UNKNOWN_PLACE


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSession:
    """A proven period and its id. `at_home` is decided once for its place, `rate` once for its start.

    `corrections` are its owner's. Sums, costs and records read `energy_kwh` of the session, never that of its period,
    so that they count. Stored as JSON in `vehicle_energy.tail`, where the period's key is `spell`.
    """

    id: UUID
    period: Annotated[ChargingPeriod, Field(alias="spell")]
    at_home: bool | None = None
    rate: ElectricityRate | None = None
    corrections: tuple[OwnerCorrection, ...] = ()

    @property
    def energy(self) -> CorrectedEnergy:
        """The energy that counts, and how the owner has changed it."""
        return correct_energy(self.period, self.corrections)

    @property
    def energy_kwh(self) -> float | None:
        """The energy that counts: as corrected by the owner, else as derived. None: unknown, or deleted."""
        return self.energy.energy_kwh


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyCounters:
    """Energy in kWh. `counted_*` sum up the sessions as known now; users see the other two, which never decrease.

    `home_kwh` is None while no home is known.
    """

    counted_kwh: float = 0.0
    counted_home_kwh: float = 0.0
    lifetime_kwh: float = 0.0
    home_kwh: float | None = None

    @property
    def visible_kwh(self) -> tuple[float, float | None]:
        """`lifetime_kwh` and `home_kwh` as users see them, rounded to watt-hours."""
        return round(self.lifetime_kwh, 3), None if self.home_kwh is None else round(self.home_kwh, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingLedger:
    """What is stored with a vehicle and suffices to process its next sample.

    `session` is the recorded session of `state.period`, None while that isn't proven.
    """

    state: DerivationState = field(default_factory=DerivationState)
    session: ChargingSession | None = None
    counters: EnergyCounters = EnergyCounters()


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerAmendment:
    """What must be written: new and changed sessions, ids of sessions to delete, the new ledger."""

    sessions: tuple[ChargingSession, ...]
    removed_ids: tuple[UUID, ...]
    ledger: ChargingLedger


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionMatch:
    """A derived period, the session under which it is recorded (None for a new one), and its owner's corrections."""

    recorded: ChargingSession | None
    period: ChargingPeriod
    corrections: tuple[OwnerCorrection, ...] = ()

    @property
    def has_new_start(self) -> bool:
        """Whether the rate must be looked up."""
        return self.recorded is None or self.recorded.period.started_at != self.period.started_at

    @property
    def has_moved(self) -> bool:
        """Whether the place has changed, so that `at_home` must be decided again."""
        before, after = UNKNOWN_PLACE if self.recorded is None else self.recorded.period.place, self.period.place
        return (before.latitude, before.longitude) != (after.latitude, after.longitude)

    def to_session(self, home_and_rates: HomeAndRates) -> ChargingSession:
        """The session to record now."""
        recorded, period = self.recorded, self.period
        return ChargingSession(
            id=recorded.id if recorded else uuid4(),
            period=period,
            at_home=home_and_rates.is_at_home(period.place) if self.has_moved or recorded is None else recorded.at_home,
            rate=home_and_rates.find_rate(period.started_at)
            if self.has_new_start or recorded is None
            else recorded.rate,
            corrections=self.corrections,
        )


def match_sessions(
    recorded: Iterable[ChargingSession],
    derived: Sequence[ChargingPeriod],
    corrections: Sequence[OwnerCorrection] | None = None,
) -> list[SessionMatch]:
    """Match each derived period with its recorded session; a session matches at most once. Both are in order.

    `corrections` are all that can apply to `derived`. None: they are those of the recorded sessions, which holds as
    long as each period is later than the corrections of other sessions.
    """
    unmatched, matches = list(recorded), []
    allotted = None if corrections is None else allot_corrections(derived, corrections)
    for index, period in enumerate(derived):
        session = _find_session(unmatched, period)
        unmatched = [candidate for candidate in unmatched if candidate is not session]
        own = allotted[index] if allotted is not None else session.corrections if session else ()
        matches.append(SessionMatch(recorded=session, period=period, corrections=own))
    return matches


def amend_ledger(
    counters: EnergyCounters,
    recorded: Sequence[ChargingSession],
    matches: Sequence[SessionMatch],
    state: DerivationState,
    home_and_rates: HomeAndRates,
) -> LedgerAmendment:
    """The changes that replace the `recorded` sessions by `matches`. `state` is the one after the newest sample.

    A session whose energy the owner has stated is kept, although it may not be derived any more.
    """
    sessions = [match.to_session(home_and_rates) for match in matches]
    newest = sessions[-1] if sessions and sessions[-1].period is state.period else None
    changed = [session for session, match in zip(sessions, matches, strict=True) if session != match.recorded]
    stated = _list_underived_sessions(recorded, sessions)
    kept_ids = {session.id for session in (*sessions, *stated)}
    return LedgerAmendment(
        sessions=(*changed, *stated),
        removed_ids=tuple(session.id for session in recorded if session.id not in kept_ids),
        ledger=ChargingLedger(
            state=state, session=newest, counters=update_counters(counters, recorded, [*sessions, *stated])
        ),
    )


def _list_underived_sessions(
    recorded: Iterable[ChargingSession], derived: Sequence[ChargingSession]
) -> list[ChargingSession]:
    """The recorded sessions that aren't derived any more, but whose energy their owner has stated."""
    return [
        replace(session, period=replace(session.period, open=False, power_kwh=None, soc_kwh=None))
        for session in recorded
        if session.energy.is_corrected
        and not any(session.id == other.id or is_overlapping(session.period, other.period) for other in derived)
    ]


def update_counters(
    counters: EnergyCounters, before: Sequence[ChargingSession], after: Sequence[ChargingSession]
) -> EnergyCounters:
    """The counters after `after` replaced `before`. What users see never decreases: see decision 0022."""
    counted = counters.counted_kwh + _sum_energy(after) - _sum_energy(before)
    at_home = (
        counters.counted_home_kwh
        + _sum_energy(session for session in after if session.at_home)
        - _sum_energy(session for session in before if session.at_home)
    )
    has_home = counters.home_kwh is not None or any(session.at_home is not None for session in after)
    return EnergyCounters(
        counted_kwh=counted,
        counted_home_kwh=at_home,
        lifetime_kwh=max(counters.lifetime_kwh, counted),
        home_kwh=max(counters.home_kwh or 0.0, at_home) if has_home else None,
    )


def _sum_energy(sessions: Iterable[ChargingSession]) -> float:
    return sum(session.energy_kwh or 0.0 for session in sessions)


def _find_session(recorded: Iterable[ChargingSession], period: ChargingPeriod) -> ChargingSession | None:
    """The recorded session of `period`. Neighbours may touch, so an equal start wins over an overlap."""
    overlapping = [session for session in recorded if _has_overlap(session.period, period)]
    return next(
        (session for session in overlapping if session.period.started_at == period.started_at),
        next(iter(overlapping), None),
    )


def _has_overlap(one: ChargingPeriod, other: ChargingPeriod) -> bool:
    return one.started_at <= other.ended_at and other.started_at <= one.ended_at
