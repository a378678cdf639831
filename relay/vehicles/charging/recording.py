"""What a sighting of a car adds to its charging history: for the newest one statement, for nothing new none."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.kit.database import Connection
from relay.vehicles.charging import repository
from relay.vehicles.charging.derivation import DerivationState, derive_periods, iterate_states
from relay.vehicles.charging.ledger import ChargingSession, EnergyCounters, HomeAndRates, amend_ledger, match_sessions
from relay.vehicles.charging.samples import ChargingSample, merge_samples, parse_sample
from relay.vehicles.merge import format_version_time
from relay.vehicles.models import Vehicle, VehicleReport


@dataclass(frozen=True, kw_only=True, slots=True)
class _StartingPoint:
    """Where deriving starts: what was known `before`, the sessions recorded since, the counters now."""

    counters: EnergyCounters
    sessions: list[ChargingSession]
    state: DerivationState


async def record_charging(
    connection: Connection, vehicle: Vehicle, report: VehicleReport, *, merged_vehicle_id: UUID | None = None
) -> bool:
    """Keep what `sighting` says of charging; True when the car's counters now show more.

    `absorbed` is another car that turned out to be this one: its history becomes part of it. The car itself is written
    before or after, in the same transaction.
    """
    sample = parse_sample(report)
    if merged_vehicle_id is not None:
        await repository.merge_histories(connection, merged_vehicle_id, vehicle.id)
        await _record_late_sample(connection, vehicle, sample)
        return True
    if sample is None:
        return False
    ledger = repository.parse_ledger(vehicle.ledger)
    last = ledger.state.last
    if last is None or sample.at > last.at:
        recorded = [ledger.session] if ledger.session else []
        known = _StartingPoint(counters=ledger.counters, sessions=recorded, state=ledger.state)
        return await _save_derived(connection, vehicle, sample, known, [sample])
    if sample.at == last.at and (
        _is_superseded(vehicle, last, sample) or merge_samples(last, sample).is_equivalent(last)
    ):
        return False
    twin = await repository.find_sample(connection, vehicle.id, sample.at)
    if twin is not None and merge_samples(twin, sample) == twin:
        return False
    return await _record_late_sample(connection, vehicle, sample)


async def archive_samples(connection: Connection, vehicle_id: UUID, before: datetime) -> None:
    """Fold a car's samples from `before` into what is known ahead of the rest, and delete them."""
    history = await repository.get_history(connection, vehicle_id)
    old = [it for it in history.samples.values() if it.at < before]
    if old:
        *_, base = iterate_states(history.base, old)
        await repository.delete_archived_samples(connection, vehicle_id, base)


def _is_superseded(vehicle: Vehicle, last: ChargingSample, sample: ChargingSample) -> bool:
    """Whether an event newer than `sample` has confirmed `last`: what says nothing new is not kept with the samples."""
    return (
        last.version < sample.version
        and vehicle.state.versions.get("chargeState", "") > f"{format_version_time(sample.at)} {sample.version}"
    )


async def _record_late_sample(connection: Connection, vehicle: Vehicle, sample: ChargingSample | None) -> bool:
    """A sample that is not the newest, or the history of another car: what may be amended is derived anew."""
    history = await repository.get_history(connection, vehicle.id)
    samples = history.samples
    if sample is not None and (history.base.last is None or sample.at > history.base.last.at):
        sample = merge_samples(samples[sample.at], sample) if sample.at in samples else sample
        samples |= {sample.at: sample}
    elif samples:
        sample = samples[max(samples)]
    else:
        return False
    known = _StartingPoint(counters=history.counters, sessions=history.sessions, state=history.base)
    return await _save_derived(connection, vehicle, sample, known, [samples[at] for at in sorted(samples)])


async def _save_derived(
    connection: Connection,
    vehicle: Vehicle,
    sample: ChargingSample,
    start: _StartingPoint,
    new_samples: list[ChargingSample],
) -> bool:
    """Write `sample` and what follows from `news`, it among them, after what is known."""
    derived, tail = derive_periods(start.state, new_samples)
    found = match_sessions(start.sessions, derived)
    # Only a session that begins, or turns out to be elsewhere, costs the question.
    undecided = any(it.has_new_start or it.has_moved for it in found)
    terms = await repository.get_home_and_rates(connection, vehicle.user_id) if undecided else HomeAndRates()
    amendment = amend_ledger(start.counters, start.sessions, found, tail, terms)
    await repository.save_sample(connection, vehicle.user_id, vehicle.id, sample, amendment)
    return amendment.ledger.counters.visible_kwh != start.counters.visible_kwh
