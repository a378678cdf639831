"""Recorded charging sessions with lasting ids, and energy counters that never decrease. Pure functions.

Newly derived periods are compared with the recorded sessions: a session keeps its id as long as its period overlaps the
recorded one, and the counters change by the difference. So processing the same samples again changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4

from relay.vehicles.charging.counters import NO_COUNTERS, CountedEnergy, EnergyCounters
from relay.vehicles.charging.counting import count_sessions, remember_counts, show_settled
from relay.vehicles.charging.derivation import Derivation, DerivationState
from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.samples import UNKNOWN_PLACE
from relay.vehicles.charging.sessions import ChargingSession


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingLedger:
    """What is stored with a vehicle and suffices to process its next sample.

    `session` is the recorded session of `state.period`, None while that isn't proven. `recent`: see counters.py.
    """

    state: DerivationState = field(default_factory=DerivationState)
    session: ChargingSession | None = None
    counters: EnergyCounters = NO_COUNTERS
    recent: tuple[CountedEnergy, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StartingPoint:
    """From where to derive: the state before the samples, the sessions recorded since, the counters as they are now."""

    state: DerivationState = field(default_factory=DerivationState)
    sessions: Sequence[ChargingSession] = ()
    counters: EnergyCounters = NO_COUNTERS
    recent: tuple[CountedEnergy, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerAmendment:
    """What must be written: new and changed sessions, ids of sessions to delete, the new ledger."""

    sessions: tuple[ChargingSession, ...]
    removed_ids: tuple[UUID, ...]
    ledger: ChargingLedger


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionMatch:
    """A derived period and the session under which it is recorded, None for a new one."""

    recorded: ChargingSession | None
    period: ChargingPeriod

    @property
    def needs_home(self) -> bool:
        """Whether `at_home` must be decided, because the session is new or its place has changed."""
        return self.recorded is None or self.has_moved

    @property
    def has_moved(self) -> bool:
        """Whether the place has changed, so that `at_home` must be decided again."""
        before, after = UNKNOWN_PLACE if self.recorded is None else self.recorded.period.place, self.period.place
        return (before.latitude, before.longitude) != (after.latitude, after.longitude)

    def to_session(self, home: HomeLocation | None) -> ChargingSession:
        """The session to record now."""
        recorded, period = self.recorded, self.period
        if recorded is None:
            return ChargingSession(id=uuid4(), period=period, at_home=home.contains(period.place) if home else None)
        if self.has_moved:
            return replace(recorded, period=period, at_home=home.contains(period.place) if home else None)
        return replace(recorded, period=period)


def match_sessions(recorded: Iterable[ChargingSession], derived: Iterable[ChargingPeriod]) -> list[SessionMatch]:
    """Match each derived period with its recorded session; a session matches at most once. Both are in order."""
    unmatched, matches = list(recorded), []
    for period in derived:
        session = _find_session(unmatched, period)
        unmatched = [candidate for candidate in unmatched if candidate is not session]
        matches.append(SessionMatch(recorded=session, period=period))
    return matches


def amend_ledger(
    start: StartingPoint,
    matches: Sequence[SessionMatch],
    derivation: Derivation,
    home: HomeLocation | None = None,
    *,
    settled_before: datetime | None = None,
) -> LedgerAmendment:
    """The changes that replace the sessions of `start` by `matches`, which are those of `derivation`'s periods.

    Samples up to `settled_before` are settled by the clock; None: all are.
    """
    state, sessions = derivation.state, [match.to_session(home) for match in matches]
    newest = sessions[-1] if sessions and sessions[-1].period is state.period else None
    kept_ids = {session.id for session in sessions}
    counters = count_sessions(start.counters, start.sessions, sessions)
    recent = remember_counts(start.recent, counters, sessions, derivation)
    counters, recent = show_settled(counters, recent, state, settled_before)
    return LedgerAmendment(
        sessions=tuple(session for session, match in zip(sessions, matches, strict=True) if session != match.recorded),
        removed_ids=tuple(session.id for session in start.sessions if session.id not in kept_ids),
        ledger=ChargingLedger(state=state, session=newest, counters=counters, recent=recent),
    )


def _find_session(recorded: Iterable[ChargingSession], period: ChargingPeriod) -> ChargingSession | None:
    """The recorded session of `period`. Neighbours may touch, so an equal start wins over an overlap."""
    overlapping = [session for session in recorded if _has_overlap(session.period, period)]
    return next(
        (session for session in overlapping if session.period.started_at == period.started_at),
        next(iter(overlapping), None),
    )


def _has_overlap(one: ChargingPeriod, other: ChargingPeriod) -> bool:
    return one.kind == other.kind and one.started_at <= other.ended_at and other.started_at <= one.ended_at
