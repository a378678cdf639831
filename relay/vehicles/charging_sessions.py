"""Charging sessions, told from a car's samples one after the other (docs/decisions/0012).

Pure, and a fold: what is known after a sample follows from what was known before it and that sample. So the newest
sample costs no look at the others, a late one is a fold over all that are kept, and old ones may be forgotten once
they are folded into what is known before the rest.

A state holds until the car says otherwise, because Enode is silent when nothing changes: between two samples the car
did what the first one says, unless the charge level proves the contrary.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from relay.vehicles.charging_samples import NOWHERE, Place, Reading, Sample

BRIDGED = timedelta(hours=8)
"""A longer silence says nothing of what happened in it."""
HOLD = timedelta(minutes=30)
"""For so long a power is believed to hold; over a longer silence the charge level measures better."""
PAUSE = timedelta(minutes=30)
"""A shorter pause within one plug-in does not end a session."""
WITHOUT_EVIDENCE = timedelta(minutes=10)
"""A car that tells neither power nor level is believed after so long."""

# Percentage points by which the level must rise to prove charging that the car does not tell of.
RISE_PLUGGED_IN = 2.0
RISE_UNPLUGGED = 5.0
# A fall that proves that the car was not charging; less is the battery's own wavering.
FALL = 2.0

type EnergySource = Literal["power", "soc", "mixed", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spell:
    """Charging within one plug-in. Until it is `proven` it is no session: parked cars claim to charge."""

    started_at: datetime
    ended_at: datetime
    # The car's last word is that it charges.
    open: bool
    charged: timedelta = timedelta()
    soc_start: float | None = None
    soc_end: float | None = None
    # Energy by power over time and by capacity times level; None: not measured so.
    power_kwh: float | None = None
    soc_kwh: float | None = None
    peak_kw: float | None = None
    place: Place = NOWHERE
    # Unplugged since: whatever follows is another session.
    left: bool = False

    @property
    def gain(self) -> float:
        """Percentage points gained."""
        return 0.0 if self.soc_start is None or self.soc_end is None else self.soc_end - self.soc_start

    @property
    def proven(self) -> bool:
        """Whether it is a session: power was told, the level rose, or the car tells neither and insists."""
        if not self.open and not self.charged:
            return False
        blind = self.soc_start is None and self.charged >= WITHOUT_EVIDENCE
        return self.peak_kw is not None or self.gain >= RISE_PLUGGED_IN or blind

    @property
    def energy_kwh(self) -> float | None:
        """What went into the battery, never negative; None when nothing measures it."""
        if self.power_kwh is None and self.soc_kwh is None:
            return None
        return max(0.0, (self.power_kwh or 0.0) + (self.soc_kwh or 0.0))

    @property
    def energy_source(self) -> EnergySource:
        """What the energy was measured by."""
        if self.power_kwh is None:
            return "none" if self.soc_kwh is None else "soc"
        return "power" if self.soc_kwh is None else "mixed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tail:
    """All that the next sample needs: the last one, its unknowns filled in, and the newest spell."""

    last: Sample | None = None
    spell: Spell | None = None


def step(tail: Tail, sample: Sample) -> Tail:
    """`tail` after `sample`, which is newer than `tail.last`. An old spell is over when another one is there."""
    last = tail.last
    if last is None:
        return Tail(last=sample, spell=_begin(sample, sample) if sample.reading.charging else None)
    now = _filled(last, sample)
    return Tail(last=now, spell=_next(tail.spell, last, now))


def fold(tail: Tail, samples: Iterable[Sample]) -> Iterator[Tail]:
    """`tail` after each of `samples`, which are in order."""
    for sample in samples:
        tail = step(tail, sample)
        yield tail


def spells(tail: Tail, samples: Iterable[Sample]) -> tuple[list[Spell], Tail]:
    """The sessions in `samples` that follow `tail` (its newest spell among them), in order, and the tail then."""
    found = [tail.spell] if tail.spell else []
    for tail in fold(tail, samples):  # noqa: B020, PLR1704 - the tail moves on
        if tail.spell is None:
            continue
        if found and found[-1].started_at == tail.spell.started_at:
            found[-1] = tail.spell
        else:
            found = [*(replace(it, open=False) for it in found), tail.spell]
    return [it for it in found if it.proven], tail


def _next(spell: Spell | None, last: Sample, now: Sample) -> Spell | None:
    if _charged(last, now):
        begin = last if last.reading.charging or last.reading.plugged_in else now
        spell = _resumed(spell, last) or _begin(last, begin)
        spell = _extended(spell, last, now)
    elif now.reading.charging:
        spell = _resumed(spell, now) or _begin(now, now)
    elif spell is not None:
        spell = replace(spell, open=False)
    return spell and _seen(spell, now)


def _charged(last: Sample, now: Sample) -> bool:
    """Whether the car charged between two samples."""
    silence = now.at - last.at
    if silence > BRIDGED:
        return False
    rise = _rise(last, now)
    if last.reading.charging:
        if rise is not None and rise <= -FALL:
            return False
        return silence <= HOLD or now.reading.charging is True or (rise is not None and rise > 0)
    plugged_in = bool(last.reading.plugged_in or now.reading.plugged_in)
    return rise is not None and rise >= (RISE_PLUGGED_IN if plugged_in else RISE_UNPLUGGED)


def _begin(at: Sample, place: Sample) -> Spell:
    soc = at.reading.soc
    return Spell(
        started_at=at.at, ended_at=at.at, open=True, soc_start=soc, soc_end=soc, place=place.place, peak_kw=_power(at)
    )


def _resumed(spell: Spell | None, at: Sample) -> Spell | None:
    """`spell` when charging at `at` goes on with it. A car that gained nothing so far begins anew."""
    if spell is None or spell.left or at.at - spell.ended_at > PAUSE:
        return None
    if at.at == spell.ended_at:
        return spell
    soc, capacity = at.reading.soc, at.reading.capacity_kwh
    # Levels come in whole points and late, so a pause's change belongs to what the level measures.
    change = soc - spell.soc_end if soc is not None and spell.soc_end is not None else 0.0
    if not spell.proven and spell.gain + change <= 0:
        return None
    by_level = capacity * change / 100 if capacity and spell.power_kwh is None else 0.0
    return replace(
        spell,
        ended_at=at.at,
        soc_end=spell.soc_end if soc is None else soc,
        soc_kwh=(spell.soc_kwh or 0.0) + by_level if by_level else spell.soc_kwh,
    )


def _extended(spell: Spell, last: Sample, now: Sample) -> Spell:
    """`spell` with the charging between `last` and `now`."""
    silence = now.at - last.at
    rise, capacity = _rise(last, now), now.reading.capacity_kwh
    by_level = capacity * rise / 100 if capacity and rise is not None else None
    power = _power(last) or (_power(now) if last.reading.charging else None)
    power_kwh, soc_kwh = spell.power_kwh, spell.soc_kwh
    if power and (silence <= HOLD or (by_level is None and now.reading.charging)):
        power_kwh = (power_kwh or 0.0) + power * (silence / timedelta(hours=1))
    elif by_level:
        soc_kwh = (soc_kwh or 0.0) + by_level
    return replace(
        spell,
        ended_at=now.at,
        charged=spell.charged + silence,
        soc_end=now.reading.soc if now.reading.soc is not None else spell.soc_end,
        power_kwh=power_kwh,
        soc_kwh=soc_kwh,
    )


def _seen(spell: Spell, now: Sample) -> Spell:
    """`spell` with what the newest sample tells of it besides energy."""
    charging = now.reading.charging is True
    place = spell.place
    if charging and place.latitude is None:
        place = replace(place, latitude=now.place.latitude, longitude=now.place.longitude)
    if charging and place.odometer_km is None:
        place = replace(place, odometer_km=now.place.odometer_km)
    known = [it for it in (spell.peak_kw, _power(now)) if it is not None]
    return replace(
        spell,
        open=charging,
        ended_at=now.at if charging else spell.ended_at,
        soc_start=now.reading.soc if charging and spell.soc_start is None else spell.soc_start,
        soc_end=now.reading.soc if charging and spell.soc_end is None else spell.soc_end,
        peak_kw=max(known, default=None),
        place=place,
        left=spell.left or (now.reading.plugged_in is False and not charging),
    )


def _filled(last: Sample, now: Sample) -> Sample:
    """`now` with what it does not say as it was last said, as long as that may be believed."""
    was, is_ = last.reading, now.reading
    if now.at - last.at > BRIDGED:
        return replace(now, reading=replace(is_, capacity_kwh=is_.capacity_kwh or was.capacity_kwh))
    unknown = is_.charging is None
    return replace(
        now,
        reading=Reading(
            charging=was.charging if unknown else is_.charging,
            plugged_in=was.plugged_in if is_.plugged_in is None else is_.plugged_in,
            soc=was.soc if is_.soc is None else is_.soc,
            power_kw=was.power_kw if unknown else is_.power_kw,
            capacity_kwh=is_.capacity_kwh or was.capacity_kwh,
        ),
    )


def _rise(last: Sample, now: Sample) -> float | None:
    was, is_ = last.reading.soc, now.reading.soc
    return None if was is None or is_ is None else is_ - was


def _power(sample: Sample) -> float | None:
    return sample.reading.power_kw if sample.reading.charging else None
