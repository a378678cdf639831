"""What a sighting of a car adds to its charging history: for the newest one statement, for nothing new none."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.kit.database import Connection
from relay.vehicles import charging_repository as repository
from relay.vehicles.charging_samples import Sample, take_sample, united
from relay.vehicles.charging_sessions import Tail, fold, spells
from relay.vehicles.energy import Counters, Session, Terms, amended, matched
from relay.vehicles.merge import stamp
from relay.vehicles.models import Sighting, Vehicle


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """Where deriving starts: what was known `before`, the sessions recorded since, the counters now."""

    counters: Counters
    sessions: list[Session]
    before: Tail


async def record(connection: Connection, car: Vehicle, sighting: Sighting, *, absorbed: UUID | None = None) -> bool:
    """Keep what `sighting` says of charging; True when the car's counters now show more.

    `absorbed` is another car that turned out to be this one: its history becomes part of it. The car itself is written
    before or after, in the same transaction.
    """
    sample = take_sample(sighting)
    if absorbed is not None:
        await repository.absorb(connection, absorbed, car.id)
        await _record_late(connection, car, sample)
        return True
    if sample is None:
        return False
    ledger = repository.read_ledger(car.ledger)
    last = ledger.tail.last
    if last is None or sample.at > last.at:
        recorded = [ledger.session] if ledger.session else []
        known = _Known(counters=ledger.counters, sessions=recorded, before=ledger.tail)
        return await _write(connection, car, sample, known, [sample])
    if sample.at == last.at and (_overtaken(car, last, sample) or united(last, sample).says_the_same(last)):
        return False
    twin = await repository.find_sample(connection, car.id, sample.at)
    if twin is not None and united(twin, sample) == twin:
        return False
    return await _record_late(connection, car, sample)


async def fold_away(connection: Connection, vehicle_id: UUID, before: datetime) -> None:
    """Fold a car's samples from `before` into what is known ahead of the rest, and delete them."""
    history = await repository.read_history(connection, vehicle_id)
    old = [it for it in history.samples.values() if it.at < before]
    if old:
        *_, base = fold(history.base, old)
        await repository.forget(connection, vehicle_id, base)


def _overtaken(car: Vehicle, last: Sample, sample: Sample) -> bool:
    """Whether an event newer than `sample` has confirmed `last`: what says nothing new is not kept with the samples."""
    return (
        last.version < sample.version
        and car.state.versions.get("chargeState", "") > f"{stamp(sample.at)} {sample.version}"
    )


async def _record_late(connection: Connection, car: Vehicle, sample: Sample | None) -> bool:
    """A sample that is not the newest, or the history of another car: what may be amended is derived anew."""
    history = await repository.read_history(connection, car.id)
    samples = history.samples
    if sample is not None and (history.base.last is None or sample.at > history.base.last.at):
        sample = united(samples[sample.at], sample) if sample.at in samples else sample
        samples |= {sample.at: sample}
    elif samples:
        sample = samples[max(samples)]
    else:
        return False
    known = _Known(counters=history.counters, sessions=history.sessions, before=history.base)
    return await _write(connection, car, sample, known, [samples[at] for at in sorted(samples)])


async def _write(connection: Connection, car: Vehicle, sample: Sample, known: _Known, news: list[Sample]) -> bool:
    """Write `sample` and what follows from `news`, it among them, after what is known."""
    derived, tail = spells(known.before, news)
    found = matched(known.sessions, derived)
    # Only a session that begins, or turns out to be elsewhere, costs the question.
    undecided = any(it.restarted or it.moved for it in found)
    terms = await repository.read_terms(connection, car.user_id) if undecided else Terms()
    amendment = amended(known.counters, known.sessions, found, tail, terms)
    await repository.save(connection, car.user_id, car.id, sample, amendment)
    return amendment.ledger.counters.shown != known.counters.shown
