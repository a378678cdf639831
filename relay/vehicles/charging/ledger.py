"""Recorded charging sessions with lasting ids, and energy counters that never decrease. Pure functions.

Newly derived periods are compared with the recorded sessions: a session keeps its id as long as its period overlaps the
recorded one, and the counters change by the difference. So processing the same samples again changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4

from relay.vehicles.charging.counters import NO_COUNTERS, CountedEnergy, EnergyCounters
from relay.vehicles.charging.counting import count_sessions, remember_counts, shift_counts, show_settled
from relay.vehicles.charging.derivation import Derivation, DerivationState
from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.owner_corrections import OwnerCorrection, allot_corrections, is_overlapping
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
    """From where to derive: the state before the samples, the sessions recorded since, the counters as they are now.

    `corrections` are the owner's for these sessions; None: those that the recorded sessions have.
    """

    state: DerivationState = field(default_factory=DerivationState)
    sessions: Sequence[ChargingSession] = ()
    counters: EnergyCounters = NO_COUNTERS
    recent: tuple[CountedEnergy, ...] = ()
    corrections: Sequence[OwnerCorrection] | None = None


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
        at_home = recorded.at_home if recorded else None
        if self.needs_home:
            at_home = home.contains(period.place) if home else None
        return ChargingSession(
            id=recorded.id if recorded else uuid4(), period=period, at_home=at_home, corrections=self.corrections
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
    start: StartingPoint,
    matches: Sequence[SessionMatch],
    derivation: Derivation,
    home: HomeLocation | None = None,
    *,
    settled_before: datetime | None = None,
) -> LedgerAmendment:
    """The changes that replace the sessions of `start` by `matches`, which are those of `derivation`'s periods.

    Samples up to `settled_before` are settled by the clock; None: all are. A session whose energy the owner has stated
    is kept, although it may not be derived any more.
    """
    state, sessions = derivation.state, [match.to_session(home) for match in matches]
    newest = sessions[-1] if sessions and sessions[-1].period is state.period else None
    changed = [session for session, match in zip(sessions, matches, strict=True) if session != match.recorded]
    stated = _list_underived_sessions(start.sessions, sessions)
    counted = [*sessions, *stated]
    kept_ids = {session.id for session in counted}
    counters = count_sessions(start.counters, start.sessions, counted)
    recent = remember_counts(start.recent, counters, counted, derivation)
    counters, recent = show_settled(counters, recent, state, settled_before)
    return LedgerAmendment(
        sessions=(*changed, *stated),
        removed_ids=tuple(session.id for session in start.sessions if session.id not in kept_ids),
        ledger=ChargingLedger(state=state, session=newest, counters=counters, recent=recent),
    )


def correct_ledger(ledger: ChargingLedger, before: ChargingSession, after: ChargingSession) -> ChargingLedger:
    """The ledger after the owner corrected a recorded session: `after` counts instead of `before`.

    More energy is shown at once, but not what isn't settled. What users see never decreases: see decision 0022.
    """
    newest = ledger.session
    if newest is not None and newest.id == after.id:
        newest = replace(newest, corrections=after.corrections)
    counters, recent = shift_counts(ledger.counters, ledger.recent, [before], [after])
    return replace(ledger, session=newest, counters=counters, recent=recent)


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


def _find_session(recorded: Iterable[ChargingSession], period: ChargingPeriod) -> ChargingSession | None:
    """The recorded session of `period`. Neighbours may touch, so an equal start wins over an overlap."""
    overlapping = [session for session in recorded if _has_overlap(session.period, period)]
    return next(
        (session for session in overlapping if session.period.started_at == period.started_at),
        next(iter(overlapping), None),
    )


def _has_overlap(one: ChargingPeriod, other: ChargingPeriod) -> bool:
    return one.kind == other.kind and one.started_at <= other.ended_at and other.started_at <= one.ended_at
