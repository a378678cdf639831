"""From spells of charging to sessions under lasting ids, and to counters that never fall. Pure.

What is derived anew is laid over what is recorded: a session keeps its id as long as it overlaps itself, and the
counters move by the difference, so that the same news again moves nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import asin, cos, radians, sin, sqrt
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import Field

from relay.vehicles.charging.derivation import ChargingPeriod, DerivationState
from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace

EARTH_RADIUS_M = 6_371_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeLocation:
    """A user's home: a circle."""

    latitude: float
    longitude: float
    radius_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricityRate:
    """What a kWh costs from `valid_from` on; `currency` in ISO 4217."""

    valid_from: datetime
    cost_per_kwh: float
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeAndRates:
    """What a user says of home and price; `rates` in order of `valid_from`."""

    home: HomeLocation | None = None
    rates: Sequence[ElectricityRate] = ()

    def is_at_home(self, place: VehiclePlace) -> bool | None:
        """Whether `place` is home; None when either is unknown."""
        if self.home is None or place.latitude is None or place.longitude is None:
            return None
        return (
            _get_distance_m(self.home.latitude, self.home.longitude, place.latitude, place.longitude)
            <= self.home.radius_m
        )

    def find_rate(self, at: datetime) -> ElectricityRate | None:
        """The rate that was in force at `at`."""
        return max((it for it in self.rates if it.valid_from <= at), key=lambda it: it.valid_from, default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSession:
    """A proven spell under its id. Whether it was at home is decided once for its place, the rate for its start."""

    id: UUID
    period: Annotated[ChargingPeriod, Field(alias="spell")]
    at_home: bool | None = None
    rate: ElectricityRate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyCounters:
    """kWh: the truth as known now, and what users see of it, which never falls. `home_kwh` None: no home is known."""

    counted_kwh: float = 0.0
    counted_home_kwh: float = 0.0
    lifetime_kwh: float = 0.0
    home_kwh: float | None = None

    @property
    def visible_kwh(self) -> tuple[float, float | None]:
        """What users see: watt-hours."""
        return round(self.lifetime_kwh, 3), None if self.home_kwh is None else round(self.home_kwh, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingLedger:
    """What is kept with a car: enough for the next sample. `session` is the newest spell's."""

    state: DerivationState = field(default_factory=DerivationState)
    session: ChargingSession | None = None
    counters: EnergyCounters = EnergyCounters()


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerAmendment:
    """What is to be written: sessions that are new or different, ids of those that are none any more, the ledger."""

    sessions: tuple[ChargingSession, ...]
    removed_ids: tuple[UUID, ...]
    ledger: ChargingLedger


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionMatch:
    """A derived spell and the session that it was recorded as."""

    recorded: ChargingSession | None
    period: ChargingPeriod

    @property
    def has_new_start(self) -> bool:
        """Whether the rate is to be looked up."""
        return self.recorded is None or self.recorded.period.started_at != self.period.started_at

    @property
    def has_moved(self) -> bool:
        """Whether it is to be decided if this is home."""
        was, now = UNKNOWN_PLACE if self.recorded is None else self.recorded.period.place, self.period.place
        return (was.latitude, was.longitude) != (now.latitude, now.longitude)

    def to_session(self, home_and_rates: HomeAndRates) -> ChargingSession:
        """The session that it is now."""
        known, spell = self.recorded, self.period
        return ChargingSession(
            id=known.id if known else uuid4(),
            period=spell,
            at_home=home_and_rates.is_at_home(spell.place) if self.has_moved or known is None else known.at_home,
            rate=home_and_rates.find_rate(spell.started_at) if self.has_new_start or known is None else known.rate,
        )


def match_sessions(recorded: Iterable[ChargingSession], derived: Iterable[ChargingPeriod]) -> list[SessionMatch]:
    """Each derived spell with its session, each session at most once. Both in order."""
    left, found = list(recorded), []
    for spell in derived:
        known = _find_session(left, spell)
        left = [it for it in left if it is not known]
        found.append(SessionMatch(recorded=known, period=spell))
    return found


def amend_ledger(
    counters: EnergyCounters,
    recorded: Sequence[ChargingSession],
    matches: Sequence[SessionMatch],
    state: DerivationState,
    home_and_rates: HomeAndRates,
) -> LedgerAmendment:
    """What changes when `recorded` turn out to be `found`."""
    sessions = [it.to_session(home_and_rates) for it in matches]
    newest = sessions[-1] if sessions and sessions[-1].period is state.period else None
    stay = {it.id for it in sessions}
    return LedgerAmendment(
        sessions=tuple(now for now, it in zip(sessions, matches, strict=True) if now != it.recorded),
        removed_ids=tuple(it.id for it in recorded if it.id not in stay),
        ledger=ChargingLedger(state=state, session=newest, counters=_update_counters(counters, recorded, sessions)),
    )


def _update_counters(
    counters: EnergyCounters, before: Sequence[ChargingSession], after: Sequence[ChargingSession]
) -> EnergyCounters:
    counted = counters.counted_kwh + _sum_energy(after) - _sum_energy(before)
    at_home = (
        counters.counted_home_kwh
        + _sum_energy(it for it in after if it.at_home)
        - _sum_energy(it for it in before if it.at_home)
    )
    known = counters.home_kwh is not None or any(it.at_home is not None for it in after)
    return EnergyCounters(
        counted_kwh=counted,
        counted_home_kwh=at_home,
        lifetime_kwh=max(counters.lifetime_kwh, counted),
        home_kwh=max(counters.home_kwh or 0.0, at_home) if known else None,
    )


def _sum_energy(sessions: Iterable[ChargingSession]) -> float:
    return sum(it.period.energy_kwh or 0.0 for it in sessions)


def _find_session(recorded: Iterable[ChargingSession], period: ChargingPeriod) -> ChargingSession | None:
    """The recorded session that `spell` is. Neighbours may touch, so the same start says more than an overlap."""
    overlapping = [it for it in recorded if _has_overlap(it.period, period)]
    return next((it for it in overlapping if it.period.started_at == period.started_at), next(iter(overlapping), None))


def _has_overlap(one: ChargingPeriod, other: ChargingPeriod) -> bool:
    return one.started_at <= other.ended_at and other.started_at <= one.ended_at


def _get_distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The way over the ground between two places, as on a sphere."""
    here, there = radians(latitude), radians(other_latitude)
    across = sin((there - here) / 2) ** 2
    along = cos(here) * cos(there) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(across + along)))
