"""What a sighting of a car adds to its charging history: for the newest one statement, for nothing new none."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.kit.database import Connection
from relay.vehicles import charging_repository as repository
from relay.vehicles.charging_samples import Sample, take_sample, united
from relay.vehicles.charging_sessions import Tail, fold, spells
from relay.vehicles.energy import Counters, Session, Terms, amended, matched
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
    if absorbed is not None:
        await repository.absorb(connection, absorbed, car.id)
    sample = take_sample(sighting)
    if sample is None:
        return False
    ledger = repository.read_ledger(car.ledger)
    last = ledger.tail.last
    if absorbed is not None or (last is not None and sample.at <= last.at):
        if absorbed is None and last is not None and sample.at == last.at and united(last, sample).says_the_same(last):
            return False
        return await _record_late(connection, car, sample)
    recorded = [ledger.session] if ledger.session else []
    return await _write(
        connection, car, sample, _Known(counters=ledger.counters, sessions=recorded, before=ledger.tail), [sample]
    )


async def fold_away(connection: Connection, vehicle_id: UUID, before: datetime) -> None:
    """Fold a car's samples from `before` into what is known ahead of the rest, and delete them."""
    history = await repository.read_history(connection, vehicle_id)
    old = [it for it in history.samples.values() if it.at < before]
    if old:
        *_, base = fold(history.base, old)
        await repository.forget(connection, vehicle_id, base)


async def _record_late(connection: Connection, car: Vehicle, sample: Sample) -> bool:
    """A sample that is not the newest: everything that may be amended is derived anew."""
    history = await repository.read_history(connection, car.id)
    if history.base.last is not None and sample.at <= history.base.last.at:
        return False
    twin = history.samples.get(sample.at)
    sample = united(twin, sample) if twin else sample
    samples = history.samples | {sample.at: sample}
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
