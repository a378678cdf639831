"""The relay's pure functions behind one small door: events in; sessions, counters and what users see out.

This is the only module of the oracle that knows how the relay is built.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.gateways.enode.json_fields import parse_datetime
from relay.inbox.parser import get_observation_time
from relay.kit.clock_skew import cap_reported_time, correct_created_time
from relay.kit.json_object import JsonObject
from relay.vehicles.changes import apply_report, build_change, create_vehicle, merge_vehicle_report
from relay.vehicles.charging.counters import EnergyCounters
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.fold import process_samples
from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.ledger import StartingPoint, amend_ledger, match_sessions
from relay.vehicles.charging.sessions import ChargingSession
from relay.vehicles.models import Vehicle, VehicleReport
from relay.vehicles.plausibility.raw_samples import RawSample, merge_raw_samples, parse_raw_sample
from tests.oracle.car_profiles import HOME
from tests.oracle.days import START
from tests.oracle.enode_feed import Arrival

HOME_RADIUS_M = 200.0
PLACES = HomeLocation(latitude=HOME[0], longitude=HOME[1], radius_m=HOME_RADIUS_M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A charging session that the relay derived. Times in seconds since the day's start."""

    start: float
    end: float
    kwh: float | None
    at_home: bool | None
    is_discharge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """What users see after an event."""

    groups: JsonObject = field(repr=False)
    corrections: tuple[str, ...]
    transitions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the relay makes of a day. Counters are None where the relay doesn't have them.

    `steps` has what was seen after each event, if the events were processed one by one.
    """

    sessions: tuple[Session, ...]
    lifetime_kwh: float
    home_kwh: float | None
    discharged_kwh: float | None
    shown: JsonObject = field(repr=False)
    corrections: tuple[str, ...]
    steps: tuple[UserView, ...] = ()


def process_in_order(arrivals: Iterable[Arrival]) -> Outcome:
    """Process the events one by one, each with all its consequences."""
    relay = _Relay()
    steps = tuple([relay.receive(arrival, number) for number, arrival in enumerate(arrivals)])
    return relay.get_outcome(steps)


def process_at_once(arrivals: Iterable[Arrival]) -> Outcome:
    """Merge the events in this order, and derive everything once, from all of them."""
    relay = _Relay()
    for number, arrival in enumerate(arrivals):
        relay.merge(arrival, number)
    relay.derive_all()
    return relay.get_outcome(())


class _Relay:
    def __init__(self) -> None:
        self._vehicle: Vehicle = create_vehicle(UUID(int=1), START)
        self._is_new = True
        self._samples: dict[datetime, RawSample] = {}
        self._state = DerivationState()
        self._sessions: list[ChargingSession] = []
        self._newest: ChargingSession | None = None
        self._counters = EnergyCounters()

    def receive(self, arrival: Arrival, number: int) -> UserView:
        report = _build_report(arrival, number)
        sample = self._store_sample(report)
        if sample is not None and (self._state.last is None or sample.at > self._state.last.at):
            # As the relay does: the newest sample can change the newest session only.
            self._derive(self._state, [sample], [self._newest] if self._newest else [])
        elif sample is not None:
            self._derive_again()
        before = None if self._is_new else self._vehicle
        after = apply_report(self._vehicle, report, self._state.plausibility)
        change = build_change(before, after, (), report.created_at)
        self._vehicle, self._is_new = change.after, False
        return UserView(
            groups=self._vehicle.corrected_groups,
            corrections=self._vehicle.corrected.names,
            transitions=change.transition_kinds,
        )

    def merge(self, arrival: Arrival, number: int) -> None:
        report = _build_report(arrival, number)
        self._store_sample(report)
        self._vehicle = merge_vehicle_report(self._vehicle, report)
        self._last_report = report

    def derive_all(self) -> None:
        """Derive sessions, counters and corrections from everything that was merged."""
        self._derive_again()
        self._vehicle = apply_report(self._vehicle, self._last_report, self._state.plausibility)

    def _store_sample(self, report: VehicleReport) -> RawSample | None:
        sample = parse_raw_sample(report)
        if sample is not None:
            stored = self._samples.get(sample.at)
            self._samples[sample.at] = sample if stored is None else merge_raw_samples(stored, sample)
        return sample

    def _derive_again(self) -> None:
        self._derive(DerivationState(), [self._samples[at] for at in sorted(self._samples)], self._sessions)

    def get_outcome(self, steps: tuple[UserView, ...]) -> Outcome:
        return Outcome(
            sessions=tuple(_convert_session(session) for session in self._sessions),
            lifetime_kwh=self._counters.lifetime_kwh,
            home_kwh=self._counters.home_kwh,
            discharged_kwh=sum(session.energy_kwh or 0.0 for session in self._sessions if _is_discharge(session)),
            shown=self._vehicle.corrected_groups,
            corrections=self._vehicle.corrected.names,
            steps=steps,
        )

    def _derive(self, start: DerivationState, samples: list[RawSample], recorded: list[ChargingSession]) -> None:
        derivation = process_samples(start, samples)
        starting_point = StartingPoint(state=start, sessions=recorded, counters=self._counters)
        matches = match_sessions(recorded, derivation.periods)
        ledger = (amendment := amend_ledger(starting_point, matches, derivation, PLACES)).ledger
        self._counters, self._state, self._newest = ledger.counters, derivation.state, ledger.session
        changed = {session.id: session for session in amendment.sessions}
        gone = set(amendment.removed_ids)
        kept = [changed.pop(session.id, session) for session in self._sessions if session.id not in gone]
        self._sessions = sorted([*kept, *changed.values()], key=lambda session: session.period.started_at)


def _convert_session(session: ChargingSession) -> Session:
    period = session.period
    return Session(
        start=(period.started_at - START).total_seconds(),
        end=(period.ended_at - START).total_seconds(),
        kwh=session.energy_kwh,
        at_home=session.at_home,
        is_discharge=_is_discharge(session),
    )


def _is_discharge(session: ChargingSession) -> bool:
    return getattr(session.period, "kind", "charge") == "discharge"


def _build_report(arrival: Arrival, number: int) -> VehicleReport:
    vehicle = arrival.event["vehicle"]
    told_at = parse_datetime(arrival.event, "createdAt")
    created_at = correct_created_time(told_at, get_observation_time(vehicle), arrival.arrived_at)
    created_at = cap_reported_time(created_at, arrival.arrived_at)
    return VehicleReport(enode_vehicle_id=vehicle["id"], created_at=created_at, event_id=number, vehicle=vehicle)
