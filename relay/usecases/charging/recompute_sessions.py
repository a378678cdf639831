"""Derive the charging sessions of an account again from its stored samples, for example after an update.

A vehicle is recomputed in one transaction under the lock that live events take. A dry run does the same and rolls back,
so that it shows exactly what would be written.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

from psycopg import Rollback
from psycopg.rows import class_row

from relay.feed.sequence import advance_feed
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.usecases.feed.record_change import record_change
from relay.vehicles import repository
from relay.vehicles.changes import correct_again
from relay.vehicles.charging.counters import NO_COUNTERS, EnergyCounters
from relay.vehicles.charging.periods import SessionKind
from relay.vehicles.charging.recording import derive_again
from relay.vehicles.display_name import get_display_name
from relay.vehicles.models import Vehicle, VehicleChange

LIST_SESSIONS: LiteralString = """
select id, kind, started_at, ended_at, energy_kwh, energy_source, cost, currency, corrected_by_owner, deleted_by_owner
from charging_sessions where vehicle_id = %s order by started_at, id
"""
FIND_COUNTERS: LiteralString = """
select counted_kwh, counted_home_kwh, counted_discharged_kwh, lifetime_kwh, home_kwh, discharged_kwh
from vehicle_energy where vehicle_id = %s
"""
FIND_SAMPLES: LiteralString = (
    "select count(*) as count, min(at) as first_at from charging_samples where vehicle_id = %s"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedSession:
    """A session as it is recorded, without what recomputing doesn't change."""

    id: UUID
    kind: SessionKind
    started_at: datetime
    ended_at: datetime
    energy_kwh: float | None
    energy_source: str
    cost: float | None
    currency: str | None
    corrected_by_owner: bool
    deleted_by_owner: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionChange:
    """A session before and after; None: there is none."""

    before: RecordedSession | None
    after: RecordedSession | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSamples:
    """How many samples of a vehicle are stored, and the time of the first."""

    count: int
    first_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecomputedVehicle:
    """What recomputing changes for a vehicle: its sessions in order of their starts, and its counters."""

    vehicle: Vehicle
    name: str
    samples: StoredSamples
    session_count: int
    changes: tuple[SessionChange, ...]
    counters_before: EnergyCounters
    counters_after: EnergyCounters


async def recompute_vehicles(
    connection: Connection,
    user_id: UUID,
    vehicle_id: UUID | None,
    *,
    apply: bool,
    report_start: Callable[[str, StoredSamples], None] = lambda _name, _samples: None,
) -> AsyncIterator[RecomputedVehicle]:
    """Recompute the user's vehicles, or one of them, one after the other; without `apply`, nothing is written.

    `report_start` is called before each vehicle, because thousands of samples take a while. A vehicle is committed
    before its result is returned.
    """
    vehicles = await repository.list_of_user(connection, user_id)
    for vehicle in vehicles:
        if vehicle_id is None or vehicle.id == vehicle_id:
            yield await _recompute_vehicle(connection, vehicle.id, user_id, apply=apply, report_start=report_start)


async def _recompute_vehicle(
    connection: Connection,
    vehicle_id: UUID,
    user_id: UUID,
    *,
    apply: bool,
    report_start: Callable[[str, StoredSamples], None],
) -> RecomputedVehicle:
    samples = await fetch_one(connection, FIND_SAMPLES, [vehicle_id], class_row(StoredSamples))
    assert samples is not None  # noqa: S101 - an aggregate
    async with connection.transaction() as transaction:
        await advance_feed(connection, user_id, 0)
        # Read again: an event may have changed it while the lock was awaited.
        vehicle = await repository.find_vehicle(connection, vehicle_id)
        assert vehicle is not None  # noqa: S101 - rows of vehicles are deleted with the account only, under this lock
        name = get_display_name(vehicle.corrected_groups)
        report_start(name, samples)
        sessions_before, counters_before = await _read_recorded(connection, vehicle_id)
        await _derive_vehicle(connection, vehicle)
        sessions_after, counters_after = await _read_recorded(connection, vehicle_id)
        if not apply:
            raise Rollback(transaction)
    return RecomputedVehicle(
        vehicle=vehicle,
        name=name,
        samples=samples,
        session_count=len(sessions_after),
        changes=_compare_sessions(sessions_before, sessions_after),
        counters_before=counters_before,
        counters_after=counters_after,
    )


async def _derive_vehicle(connection: Connection, vehicle: Vehicle) -> None:
    recorded = await derive_again(connection, vehicle)
    if recorded is None:
        return
    after = correct_again(vehicle, recorded.plausibility)
    change = VehicleChange(before=vehicle, after=after, occurred_at=datetime.now(UTC))
    # Without transitions, so without an event that they could have come from.
    await record_change(connection, change, source_event_id=0, has_energy_update=recorded.has_energy_update)


async def _read_recorded(
    connection: Connection, vehicle_id: UUID
) -> tuple[dict[UUID, RecordedSession], EnergyCounters]:
    sessions = await fetch_all(connection, LIST_SESSIONS, [vehicle_id], class_row(RecordedSession))
    counters = await fetch_one(connection, FIND_COUNTERS, [vehicle_id], class_row(EnergyCounters))
    return {session.id: session for session in sessions}, counters or NO_COUNTERS


def _compare_sessions(
    before: dict[UUID, RecordedSession], after: dict[UUID, RecordedSession]
) -> tuple[SessionChange, ...]:
    changes = [
        SessionChange(before=before.get(session_id), after=after.get(session_id)) for session_id in before | after
    ]
    return tuple(sorted((change for change in changes if change.before != change.after), key=_get_start))


def _get_start(change: SessionChange) -> datetime:
    session = change.before or change.after
    assert session is not None  # noqa: S101 - one of them exists
    return session.started_at
