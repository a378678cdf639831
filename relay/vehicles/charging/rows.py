"""Convert samples, sessions and ledgers to and from database rows and the JSON in them.

Column names are field names of the dataclasses, so `_to_columns` and the parsers go by field.
"""

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
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.samples import ChargeReading, ChargingSample, VehiclePlace
from relay.vehicles.charging.sessions import ChargingSession
from relay.vehicles.charging.slices import NO_SLICES

STATE_ADAPTER: TypeAdapter[DerivationState] = TypeAdapter(DerivationState)
SESSION_ADAPTER: TypeAdapter[ChargingSession | None] = TypeAdapter(ChargingSession | None)
COUNTS_ADAPTER: TypeAdapter[tuple[CountedEnergy, ...]] = TypeAdapter(tuple[CountedEnergy, ...])

READING_COLUMNS = ("charging", "plugged_in", "soc", "power_kw", "capacity_kwh")
"""The members of ChargeReading that have a column in `charging_samples`."""


def parse_ledger(stored: JsonObject | None) -> ChargingLedger:
    """The ledger in a row of `vehicle_energy` that was read as JSON; an empty one for None."""
    if stored is None:
        return ChargingLedger()
    tail = stored["tail"]
    state, session = _parse_state(tail["tail"]), tail["session"]
    if session and state.period:
        # Stored with the state only. Rows written before have it twice.
        session = session | {"spell": state.period}
    return ChargingLedger(
        state=state,
        session=SESSION_ADAPTER.validate_python(session),
        counters=parse_counters(stored),
        recent=COUNTS_ADAPTER.validate_python(tail.get("recent", ())),
    )


def serialize_ledger(ledger: ChargingLedger) -> dict[str, Any]:
    """The ledger as columns of `vehicle_energy`, and whether the shown counters have caught up."""
    tail = {
        "tail": STATE_ADAPTER.dump_python(ledger.state, mode="json", by_alias=True),
        "session": SESSION_ADAPTER.dump_python(ledger.session, mode="json", by_alias=True, exclude={"period"}),
        "recent": COUNTS_ADAPTER.dump_python(ledger.recent, mode="json"),
    }
    return {"tail": Jsonb(tail), **_to_columns(ledger.counters), "is_settled": ledger.counters.is_settled}


def parse_base(stored: JsonObject | None) -> DerivationState:
    """The state in `vehicle_energy.base`, from which the stored samples continue; an empty one for None."""
    return _parse_state(stored) if stored else DerivationState()


def _parse_state(stored: JsonObject) -> DerivationState:
    state = STATE_ADAPTER.validate_python(stored)
    period = state.period
    if period is None or period.slices != NO_SLICES or not period.energy_kwh:
        return state
    # Stored before energy was kept by quarter hour.
    slices = NO_SLICES.add(period.started_at, period.ended_at, period.energy_kwh)
    return replace(state, period=replace(period, slices=slices))


def serialize_base(base: DerivationState) -> Jsonb:
    """The state as `vehicle_energy.base`."""
    return Jsonb(STATE_ADAPTER.dump_python(base, mode="json", by_alias=True))


def parse_counters(row: JsonObject) -> EnergyCounters:
    """The counters in a row of `vehicle_energy`."""
    return EnergyCounters(**{name: row[name] for name in EnergyCounters.__dataclass_fields__})


def parse_sample_row(row: DictRow) -> ChargingSample:
    """A sample from a row of `charging_samples`."""
    return ChargingSample(
        at=row["at"],
        reading=ChargeReading(**{name: row[name] for name in READING_COLUMNS}),
        version=row["version"],
        place=VehiclePlace(**{name: row[name] for name in VehiclePlace.__dataclass_fields__}),
        place_version=row["place_version"],
    )


def serialize_sample(sample: ChargingSample) -> dict[str, Any]:
    """The sample as columns of `charging_samples`, without `vehicle_id`."""
    return {
        "at": sample.at,
        **{name: getattr(sample.reading, name) for name in READING_COLUMNS},
        **_to_columns(sample.place),
        "version": sample.version,
        "place_version": sample.place_version,
    }


def parse_session_row(row: DictRow) -> ChargingSession:
    """A recorded session from a row of `charging_sessions`; its period has only what amending it needs."""
    return ChargingSession(
        id=row["id"],
        period=ChargingPeriod(
            kind=row["kind"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            open=row["open"],
            power_kwh=row["energy_kwh"],
            place=VehiclePlace(**{name: row[name] for name in VehiclePlace.__dataclass_fields__}),
        ),
        at_home=row["at_home"],
    )


def serialize_session(vehicle_id: UUID, session: ChargingSession) -> dict[str, Any]:
    """The session as columns of `charging_sessions`, in JSON's types, and its energy by quarter hour to be priced."""
    period = session.period
    soc_start, soc_end = period.levels
    return {
        "id": str(session.id),
        "vehicle_id": str(vehicle_id),
        "kind": period.kind,
        "started_at": period.started_at.isoformat(),
        "ended_at": period.ended_at.isoformat(),
        "open": period.open,
        "energy_kwh": session.energy_kwh,
        "energy_source": period.energy_source,
        "estimated": period.is_estimated,
        "soc_start": soc_start,
        "soc_end": soc_end,
        "peak_kw": period.peak_kw,
        "at_home": session.at_home,
        **_to_columns(period.place),
        "parts": [
            {"start_at": part.start.isoformat(), "end_at": part.end.isoformat(), "kwh": part.kwh}
            for part in session.distribute_energy()
        ],
    }


def _to_columns(record: VehiclePlace | EnergyCounters) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
