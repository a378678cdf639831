"""From spells of charging to sessions under lasting ids, and to counters that never fall. Pure.

What is derived anew is laid over what is recorded: a session keeps its id as long as it overlaps itself, and the
counters move by the difference, so that the same news again moves nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import asin, cos, radians, sin, sqrt
from uuid import UUID, uuid4

from relay.vehicles.charging_samples import NOWHERE, Place
from relay.vehicles.charging_sessions import Spell, Tail

EARTH_RADIUS_M = 6_371_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """A user's home: a circle."""

    latitude: float
    longitude: float
    radius_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """What a kWh costs from `valid_from` on; `currency` in ISO 4217."""

    valid_from: datetime
    cost_per_kwh: float
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a user says of home and price; `rates` in order of `valid_from`."""

    home: Home | None = None
    rates: Sequence[Rate] = ()

    def at_home(self, place: Place) -> bool | None:
        """Whether `place` is home; None when either is unknown."""
        if self.home is None or place.latitude is None or place.longitude is None:
            return None
        return _metres(self.home.latitude, self.home.longitude, place.latitude, place.longitude) <= self.home.radius_m

    def rate(self, at: datetime) -> Rate | None:
        """The rate that was in force at `at`."""
        return max((it for it in self.rates if it.valid_from <= at), key=lambda it: it.valid_from, default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A proven spell under its id. Whether it was at home is decided once for its place, the rate for its start."""

    id: UUID
    spell: Spell
    at_home: bool | None = None
    rate: Rate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Counters:
    """kWh: the truth as known now, and what users see of it, which never falls. `home_kwh` None: no home is known."""

    counted_kwh: float = 0.0
    counted_home_kwh: float = 0.0
    lifetime_kwh: float = 0.0
    home_kwh: float | None = None

    @property
    def shown(self) -> tuple[float, float | None]:
        """What users see: watt-hours."""
        return round(self.lifetime_kwh, 3), None if self.home_kwh is None else round(self.home_kwh, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """What is kept with a car: enough for the next sample. `session` is the newest spell's."""

    tail: Tail = field(default_factory=Tail)
    session: Session | None = None
    counters: Counters = Counters()


@dataclass(frozen=True, kw_only=True, slots=True)
class Amendment:
    """What is to be written: sessions that are new or different, ids of those that are none any more, the ledger."""

    sessions: tuple[Session, ...]
    removed: tuple[UUID, ...]
    ledger: Ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A derived spell and the session that it was recorded as."""

    known: Session | None
    spell: Spell

    @property
    def restarted(self) -> bool:
        """Whether the rate is to be looked up."""
        return self.known is None or self.known.spell.started_at != self.spell.started_at

    @property
    def moved(self) -> bool:
        """Whether it is to be decided if this is home."""
        was, now = NOWHERE if self.known is None else self.known.spell.place, self.spell.place
        return (was.latitude, was.longitude) != (now.latitude, now.longitude)

    def session(self, terms: Terms) -> Session:
        """The session that it is now."""
        known, spell = self.known, self.spell
        return Session(
            id=known.id if known else uuid4(),
            spell=spell,
            at_home=terms.at_home(spell.place) if self.moved or known is None else known.at_home,
            rate=terms.rate(spell.started_at) if self.restarted or known is None else known.rate,
        )


def matched(recorded: Iterable[Session], derived: Iterable[Spell]) -> list[Match]:
    """Each derived spell with its session, each session at most once. Both in order."""
    left, found = list(recorded), []
    for spell in derived:
        known = _same(left, spell)
        left = [it for it in left if it is not known]
        found.append(Match(known=known, spell=spell))
    return found


def amended(
    counters: Counters, recorded: Sequence[Session], found: Sequence[Match], tail: Tail, terms: Terms
) -> Amendment:
    """What changes when `recorded` turn out to be `found`."""
    sessions = [it.session(terms) for it in found]
    newest = sessions[-1] if sessions and sessions[-1].spell is tail.spell else None
    stay = {it.id for it in sessions}
    return Amendment(
        sessions=tuple(now for now, it in zip(sessions, found, strict=True) if now != it.known),
        removed=tuple(it.id for it in recorded if it.id not in stay),
        ledger=Ledger(tail=tail, session=newest, counters=_moved(counters, recorded, sessions)),
    )


def _moved(counters: Counters, before: Sequence[Session], after: Sequence[Session]) -> Counters:
    counted = counters.counted_kwh + _sum(after) - _sum(before)
    at_home = (
        counters.counted_home_kwh + _sum(it for it in after if it.at_home) - _sum(it for it in before if it.at_home)
    )
    known = counters.home_kwh is not None or any(it.at_home is not None for it in after)
    return Counters(
        counted_kwh=counted,
        counted_home_kwh=at_home,
        lifetime_kwh=max(counters.lifetime_kwh, counted),
        home_kwh=max(counters.home_kwh or 0.0, at_home) if known else None,
    )


def _sum(sessions: Iterable[Session]) -> float:
    return sum(it.spell.energy_kwh or 0.0 for it in sessions)


def _same(recorded: Iterable[Session], spell: Spell) -> Session | None:
    """The recorded session that `spell` is. Neighbours may touch, so the same start says more than an overlap."""
    overlapping = [it for it in recorded if _overlap(it.spell, spell)]
    return next((it for it in overlapping if it.spell.started_at == spell.started_at), next(iter(overlapping), None))


def _overlap(one: Spell, other: Spell) -> bool:
    return one.started_at <= other.ended_at and other.started_at <= one.ended_at


def _metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The way over the ground between two places, as on a sphere."""
    here, there = radians(latitude), radians(other_latitude)
    across = sin((there - here) / 2) ** 2
    along = cos(here) * cos(there) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(across + along)))
