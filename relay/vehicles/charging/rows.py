"""Convert samples, sessions and ledgers to and from database rows and the JSON in them.

Column names are field names of the dataclasses, so `_to_columns` and the parsers go by field.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from relay.kit.json_object import JsonObject
from relay.vehicles.charging.counters import CountedEnergy, EnergyCounters
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.ledger import ChargingLedger
from relay.vehicles.charging.owner_corrections import OwnerCorrection
from relay.vehicles.charging.periods import ChargingPeriod, view_level
from relay.vehicles.charging.samples import VehiclePlace
from relay.vehicles.charging.sessions import ChargingSession
from relay.vehicles.charging.slices import NO_SLICES, EnergySlices
from relay.vehicles.plausibility.raw_samples import RawSample
from relay.vehicles.plausibility.stage import PlausibilityMemory

STATE_ADAPTER: TypeAdapter[DerivationState] = TypeAdapter(DerivationState)
SESSION_ADAPTER: TypeAdapter[ChargingSession | None] = TypeAdapter(ChargingSession | None)
SLICES_ADAPTER: TypeAdapter[EnergySlices] = TypeAdapter(EnergySlices)
COUNTS_ADAPTER: TypeAdapter[tuple[CountedEnergy, ...]] = TypeAdapter(tuple[CountedEnergy, ...])
PLAUSIBILITY_ADAPTER: TypeAdapter[PlausibilityMemory] = TypeAdapter(PlausibilityMemory)
RAW_SAMPLE_ADAPTER: TypeAdapter[RawSample] = TypeAdapter(RawSample)

LEGACY_COLUMNS: Mapping[str, str] = {
    "charging": "charging",
    "plugged_in": "plugged_in",
    "level": "soc",
    "rate": "power_kw",
    "capacity": "capacity_kwh",
}
"""Columns of `charging_samples` that rows from before `raw` was added have, by member."""


def parse_ledger(stored: JsonObject | None) -> ChargingLedger:
    """The ledger in a row of `vehicle_energy` that was read as JSON; an empty one for None.

    A row that has counters only, and an empty object as its tail, is a ledger without samples.
    """
    if stored is None:
        return ChargingLedger()
    tail = stored["tail"]
    state, session = _parse_state(tail.get("tail", {})), tail.get("session")
    if session:
        # The period is stored with the state only. Rows written before have it twice.
        session = session | {"spell": state.period}
    return ChargingLedger(
        state=state,
        session=SESSION_ADAPTER.validate_python(session),
        counters=parse_counters(stored),
        recent=COUNTS_ADAPTER.validate_python(tail.get("recent", ())),
    )


def serialize_ledger(ledger: ChargingLedger) -> dict[str, Any]:
    """The ledger as columns of `vehicle_energy`, and whether all that is counted is shown."""
    tail = {
        "tail": _serialize_state(ledger.state),
        "session": SESSION_ADAPTER.dump_python(ledger.session, mode="json", by_alias=True, exclude={"period"}),
        "recent": COUNTS_ADAPTER.dump_python(ledger.recent, mode="json"),
    }
    return {"tail": Jsonb(tail), **_to_columns(ledger.counters), "is_settled": ledger.counters.is_settled}


def parse_base(stored: JsonObject | None) -> DerivationState:
    """The state in `vehicle_energy.base`, from which the stored samples continue; an empty one for None."""
    return _parse_state(stored) if stored else DerivationState()


def serialize_base(base: DerivationState) -> Jsonb:
    """The state as `vehicle_energy.base`."""
    return Jsonb(_serialize_state(base))


def parse_counters(row: JsonObject) -> EnergyCounters:
    """The counters in a row of `vehicle_energy`."""
    return EnergyCounters(**{name: row[name] for name in EnergyCounters.__dataclass_fields__})


def parse_sample_row(row: DictRow) -> RawSample:
    """A sample from a row of `charging_samples`. A row from before `raw` was added has only some members."""
    raw = row["raw"]
    if raw is None:
        members = {name: row[column] for name, column in LEGACY_COLUMNS.items()}
        raw = {"charge": {name: value for name, value in members.items() if value is not None}}
    place = {name: row[name] for name in VehiclePlace.__dataclass_fields__}
    versions = {"version": row["version"], "place_version": row["place_version"]}
    return RAW_SAMPLE_ADAPTER.validate_python({**raw, **versions, "at": row["at"], "place": place})


def serialize_sample(sample: RawSample) -> dict[str, Any]:
    """The sample as columns of `charging_samples`, without `vehicle_id`."""
    columns = {"at", "place", "version", "place_version"}
    raw = RAW_SAMPLE_ADAPTER.dump_python(sample, mode="json", exclude=columns, exclude_defaults=True)
    return {
        "at": sample.at,
        "raw": Jsonb(raw),
        **_to_columns(sample.place),
        "version": sample.version,
        "place_version": sample.place_version,
    }


def parse_session_row(row: DictRow) -> ChargingSession:
    """A recorded session from a row of `charging_sessions`; its period has only what amending it needs."""
    is_corrected = row["corrected_by_owner"] or row["deleted_by_owner"]
    return ChargingSession(
        id=row["id"],
        period=ChargingPeriod(
            kind=row["kind"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            open=row["open"],
            soc_start=view_level(row["kind"], row["soc_start"]),
            soc_end=view_level(row["kind"], row["soc_end"]),
            peak_kw=row["peak_kw"],
            power_kwh=row["derived_energy_kwh"] if is_corrected else row["energy_kwh"],
            place=VehiclePlace(**{name: row[name] for name in VehiclePlace.__dataclass_fields__}),
            estimated=row["estimated"],
            slices=SLICES_ADAPTER.validate_python(row["slices"]) if row["slices"] else NO_SLICES,
        ),
        at_home=row["at_home"],
        corrections=_parse_recorded_corrections(row) if is_corrected else (),
    )


def serialize_session(vehicle_id: UUID, session: ChargingSession) -> dict[str, Any]:
    """The session as columns of `charging_sessions`, in JSON's types, and its `parts` that are to be priced."""
    period, energy = session.period, session.energy
    soc_start, soc_end = period.levels
    return {
        "id": str(session.id),
        "vehicle_id": str(vehicle_id),
        "kind": period.kind,
        "started_at": period.started_at.isoformat(),
        "ended_at": period.ended_at.isoformat(),
        "open": period.open,
        "energy_kwh": energy.energy_kwh,
        "energy_source": period.energy_source,
        "estimated": period.is_estimated,
        "soc_start": soc_start,
        "soc_end": soc_end,
        "peak_kw": period.peak_kw,
        "at_home": session.at_home,
        **_to_columns(period.place),
        "corrected_by_owner": energy.is_corrected,
        "deleted_by_owner": energy.is_deleted,
        "derived_energy_kwh": period.energy_kwh if energy.is_corrected or energy.is_deleted else None,
        "slices": SLICES_ADAPTER.dump_python(period.slices, mode="json"),
        "parts": [
            {"start_at": part.start.isoformat(), "end_at": part.end.isoformat(), "kwh": part.kwh}
            for part in session.distribute_energy()
        ],
    }


def _parse_recorded_corrections(row: DictRow) -> tuple[OwnerCorrection, ...]:
    """One correction of the whole session with the recorded result of all corrections."""
    return (
        OwnerCorrection(
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            energy_kwh=row["energy_kwh"],
            deleted=row["deleted_by_owner"],
        ),
    )


def _parse_state(stored: JsonObject) -> DerivationState:
    state = STATE_ADAPTER.validate_python(stored)
    period = state.period
    if period is None or period.slices != NO_SLICES or not period.energy_kwh:
        return state
    # Stored before energy was kept by quarter hour.
    slices = NO_SLICES.add(period.started_at, period.ended_at, period.energy_kwh)
    return replace(state, period=replace(period, slices=slices))


def _serialize_state(state: DerivationState) -> JsonObject:
    """The state as JSON. Of `plausibility` only what isn't the default, because it is written with each sample."""
    stored = STATE_ADAPTER.dump_python(state, mode="json", by_alias=True, exclude={"plausibility"})
    plausibility = PLAUSIBILITY_ADAPTER.dump_python(
        state.plausibility, mode="json", by_alias=True, exclude_defaults=True
    )
    return {**stored, "plausibility": plausibility} if plausibility else stored


def _to_columns(record: VehiclePlace | EnergyCounters) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
