"""Add a vehicle report to the charging history: one statement for the newest sample, none when nothing is new."""

from datetime import UTC, datetime
from uuid import UUID

from relay.kit.database import Connection
from relay.vehicles.charging import repository
from relay.vehicles.charging.counters import LAG
from relay.vehicles.charging.derivation import derive, iterate_states
from relay.vehicles.charging.ledger import StartingPoint, amend_ledger, match_sessions
from relay.vehicles.charging.rows import parse_ledger
from relay.vehicles.charging.samples import ChargingSample, merge_samples, parse_sample
from relay.vehicles.merge import format_version_time
from relay.vehicles.models import Vehicle, VehicleReport


async def record_charging(
    connection: Connection, vehicle: Vehicle, report: VehicleReport, *, merged_vehicle_id: UUID | None = None
) -> bool:
    """Record what `report` says about charging; True when the counters that the user sees may have changed.

    `merged_vehicle_id` is another vehicle that turned out to be this one: its history becomes part of this vehicle's.
    The vehicle itself is written before or after, in the same transaction. The caller holds the lock of the feed.
    """
    sample = parse_sample(report)
    if merged_vehicle_id is not None:
        await repository.merge_histories(connection, merged_vehicle_id, vehicle.id)
        await _record_late_sample(connection, vehicle, sample)
        return True
    if sample is None:
        return False
    ledger = parse_ledger(vehicle.ledger)
    last = ledger.state.last
    if last is None or sample.at > last.at:
        recorded = [ledger.session] if ledger.session else []
        start = StartingPoint(state=ledger.state, sessions=recorded, counters=ledger.counters, recent=ledger.recent)
        return await _save_derived(connection, vehicle, sample, start, [sample])
    if sample.at == last.at and (
        _is_superseded(vehicle, last, sample) or merge_samples(last, sample).is_equivalent(last)
    ):
        return False
    stored = await repository.find_sample(connection, vehicle.id, sample.at)
    if stored is not None and merge_samples(stored, sample) == stored:
        return False
    return await _record_late_sample(connection, vehicle, sample)


async def archive_samples(connection: Connection, vehicle_id: UUID, before: datetime) -> None:
    """Delete a vehicle's samples from before `before`, and keep the state after them for the remaining ones."""
    history = await repository.get_history(connection, vehicle_id)
    old = [sample for sample in history.samples.values() if sample.at < before]
    if old:
        *_, base = iterate_states(history.base, old)
        await repository.delete_archived_samples(connection, vehicle_id, base)


def _is_superseded(vehicle: Vehicle, last: ChargingSample, sample: ChargingSample) -> bool:
    """Whether an event newer than `sample` has confirmed `last`.

    Such an event left no trace in the samples because it changed nothing; only the vehicle's versions show it.
    """
    return (
        last.version < sample.version
        and vehicle.state.versions.get("chargeState", "") > f"{format_version_time(sample.at)} {sample.version}"
    )


async def _record_late_sample(connection: Connection, vehicle: Vehicle, sample: ChargingSample | None) -> bool:
    """Derive again from all stored samples, with a sample that isn't the newest or after two histories were merged."""
    history = await repository.get_history(connection, vehicle.id)
    samples = history.samples
    if sample is not None and (history.base.last is None or sample.at > history.base.last.at):
        sample = merge_samples(samples[sample.at], sample) if sample.at in samples else sample
        samples |= {sample.at: sample}
    elif samples:
        sample = samples[max(samples)]
    else:
        return False
    start = StartingPoint(counters=history.counters, sessions=history.sessions, state=history.base)
    return await _save_derived(connection, vehicle, sample, start, [samples[at] for at in sorted(samples)])


async def _save_derived(
    connection: Connection,
    vehicle: Vehicle,
    sample: ChargingSample,
    start: StartingPoint,
    new_samples: list[ChargingSample],
) -> bool:
    """Save `sample`, one of `new_samples`, and what follows from them; True when the visible counters changed."""
    derivation = derive(start.state, new_samples, keep=LAG)
    matches = match_sessions(start.sessions, derivation.periods)
    # The home is read only when a session begins or its place changes.
    needs_home = any(match.needs_home for match in matches)
    home = await repository.find_home(connection, vehicle.user_id) if needs_home else None
    amendment = amend_ledger(start, matches, derivation, home, settled_before=datetime.now(UTC) - LAG)
    await repository.save_sample(connection, vehicle.user_id, vehicle.id, sample, amendment)
    return amendment.ledger.counters.visible_kwh != start.counters.visible_kwh
