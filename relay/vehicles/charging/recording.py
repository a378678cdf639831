"""Add a vehicle report to the charging history: one statement for the newest sample, none when nothing is new."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from relay.kit.database import Connection
from relay.vehicles.charging import repository
from relay.vehicles.charging.counters import LAG
from relay.vehicles.charging.fold import process_samples
from relay.vehicles.charging.ledger import StartingPoint, amend_ledger, match_sessions
from relay.vehicles.charging.rows import parse_ledger
from relay.vehicles.merge import format_version_time
from relay.vehicles.models import Vehicle, VehicleReport
from relay.vehicles.plausibility.raw_samples import RawSample, merge_raw_samples, parse_raw_sample
from relay.vehicles.plausibility.stage import PlausibilityMemory


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedCharging:
    """The result of a report: whether visible counters or sessions have changed, and the plausibility stage's memory.

    `plausibility` is the memory of the vehicle's newest sample, which may be a newer one than the report's.
    """

    has_energy_update: bool
    plausibility: PlausibilityMemory


async def record_charging(
    connection: Connection, vehicle: Vehicle, report: VehicleReport, *, merged_vehicle_id: UUID | None = None
) -> RecordedCharging:
    """Record the data of `report` about charging.

    `merged_vehicle_id` is another vehicle that turned out to be this one: its history becomes part of this vehicle's.
    The vehicle itself is written afterwards, in the same transaction. The caller holds the lock of the feed.
    """
    sample, ledger = parse_raw_sample(report), parse_ledger(vehicle.ledger)
    unchanged = RecordedCharging(has_energy_update=False, plausibility=ledger.state.plausibility)
    if merged_vehicle_id is not None:
        await repository.merge_histories(connection, merged_vehicle_id, vehicle.id)
        result = await _record_late_sample(connection, vehicle, sample)
        return replace(result or unchanged, has_energy_update=True)
    if sample is None:
        return unchanged
    last = ledger.state.last
    if last is None or sample.at > last.at:
        recorded = [ledger.session] if ledger.session else []
        start = StartingPoint(state=ledger.state, sessions=recorded, counters=ledger.counters, recent=ledger.recent)
        return await _save_derived(connection, vehicle, sample, start, [sample])
    newest = ledger.state.plausibility.last
    if (
        newest is not None
        and sample.at == newest.at
        and (_is_superseded(vehicle, newest, sample) or merge_raw_samples(newest, sample).is_equivalent(newest))
    ):
        return unchanged
    stored = await repository.find_sample(connection, vehicle.id, sample.at)
    if stored is not None and merge_raw_samples(stored, sample) == stored:
        return unchanged
    return await _record_late_sample(connection, vehicle, sample) or unchanged


async def derive_again(connection: Connection, vehicle: Vehicle) -> RecordedCharging | None:
    """Process all stored samples again, with today's rules and the owner's corrections; None if there are none.

    The caller holds the lock of the feed, and writes the vehicle afterwards.
    """
    return await _record_late_sample(connection, vehicle, None)


async def archive_samples(connection: Connection, vehicle_id: UUID, before: datetime) -> None:
    """Delete a vehicle's samples from before `before`, and keep the state after them for the remaining ones."""
    history = await repository.get_history(connection, vehicle_id)
    old = [sample for sample in history.samples.values() if sample.at < before]
    if old:
        base = process_samples(history.base, old).state
        await repository.delete_archived_samples(connection, vehicle_id, base)


def _is_superseded(vehicle: Vehicle, last: RawSample, sample: RawSample) -> bool:
    """Whether an event newer than `sample` has confirmed `last`.

    Such an event left no trace in the samples because it changed nothing; only the vehicle's versions show it.
    """
    return (
        last.version < sample.version
        and vehicle.state.versions.get("chargeState", "") > f"{format_version_time(sample.at)} {sample.version}"
    )


async def _record_late_sample(
    connection: Connection, vehicle: Vehicle, sample: RawSample | None
) -> RecordedCharging | None:
    """Process all stored samples again, with a sample that isn't the newest or after two histories were merged.

    None if there is nothing to process.
    """
    history = await repository.get_history(connection, vehicle.id)
    samples = history.samples
    if sample is not None and (history.base.last is None or sample.at > history.base.last.at):
        sample = merge_raw_samples(samples[sample.at], sample) if sample.at in samples else sample
        samples |= {sample.at: sample}
    elif samples:
        sample = samples[max(samples)]
    else:
        return None
    start = StartingPoint(
        counters=history.counters, sessions=history.sessions, state=history.base, corrections=history.corrections
    )
    return await _save_derived(connection, vehicle, sample, start, [samples[at] for at in sorted(samples)])


async def _save_derived(
    connection: Connection,
    vehicle: Vehicle,
    sample: RawSample,
    start: StartingPoint,
    new_samples: list[RawSample],
) -> RecordedCharging:
    """Save `sample`, one of `new_samples`, and what follows from them."""
    derivation = process_samples(start.state, new_samples)
    matches = match_sessions(start.sessions, derivation.periods, start.corrections)
    new = [match.period.started_at for match in matches if match.recorded is None]
    if start.corrections is None and new and await repository.has_recorded_since(connection, vehicle.id, min(new)):
        # It was recorded, disproved, and is proven again; its owner may have corrected it.
        return await _record_late_sample(connection, vehicle, sample) or RecordedCharging(
            has_energy_update=False, plausibility=derivation.state.plausibility
        )
    # The home is read only when a session begins or its place changes.
    needs_home = any(match.needs_home for match in matches)
    home = await repository.find_home(connection, vehicle.user_id) if needs_home else None
    amendment = amend_ledger(start, matches, derivation, home, settled_before=datetime.now(UTC) - LAG)
    await repository.save_sample(connection, vehicle.user_id, vehicle.id, sample, amendment)
    has_counter_update = amendment.ledger.counters.visible_kwh != start.counters.visible_kwh
    recorded = {session.visible_values for session in start.sessions}
    has_session_update = not {session.visible_values for session in amendment.sessions} <= recorded
    return RecordedCharging(
        has_energy_update=has_counter_update or has_session_update or bool(amendment.removed_ids),
        plausibility=derivation.state.plausibility,
    )
