"""Samples, sessions and ledgers as database rows: nothing is lost, and stored JSON keeps its keys."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given

from relay.vehicles.charging.counters import CountedEnergy, EnergyCounters
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.energy import PowerCheck
from relay.vehicles.charging.ledger import ChargingLedger
from relay.vehicles.charging.owner_corrections import OwnerCorrection
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.rows import (
    parse_base,
    parse_counters,
    parse_ledger,
    parse_sample_row,
    parse_session_row,
    serialize_base,
    serialize_ledger,
    serialize_sample,
    serialize_session,
)
from relay.vehicles.charging.samples import ChargeReading, ChargingSample, VehiclePlace
from relay.vehicles.charging.sessions import ChargingSession
from relay.vehicles.charging.slices import NO_SLICES, EnergySlices
from relay.vehicles.plausibility.raw_samples import ChargeMembers
from relay.vehicles.plausibility.stage import PlausibilityMemory, check_samples
from tests.relay.support.charging import charging, derive_periods, histories, make_raw, merge_by_time, random_samples

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE = NOON + timedelta(hours=1)
SESSION_ID = UUID("9b2c1f7e-64a8-4b0e-8f83-0d5a1c6e2b47")
VEHICLE_ID = UUID("a2c1de59-0f0b-5a5a-9a58-6b4c4e9d1f10")
PLACE = VehiclePlace(latitude=52.0, longitude=5.0, odometer_km=100.0)
SAMPLE = ChargingSample(
    at=ONE,
    reading=ChargeReading(charging=True, plugged_in=True, soc=50.0, power_kw=7.2, capacity_kwh=60.0),
    version="reading",
    place=PLACE,
    place_version="place",
)
RAW_SAMPLE = replace(
    make_raw(SAMPLE),
    charge=ChargeMembers(
        state="PLUGGED_IN:CHARGING", plugged_in=True, charging=True, full=False, level=50.0, range_km=200.0, rate=7.2,
        minutes_left=90.0, capacity=60.0, limit=80.0,
    ),
    vendor="KIA",
    has_charger=True,
    odometer_at=NOON,
    located_at=ONE,
)  # fmt: skip
PERIOD = ChargingPeriod(
    started_at=NOON, ended_at=ONE, open=True, charged=timedelta(minutes=50), soc_start=40.0, soc_end=50.0,
    power_kwh=6.0, soc_kwh=0.5, peak_kw=11.0, place=PLACE, left=False, estimated=True,
    check=PowerCheck(kwh=6.0, gain=10.0, unseen_kwh=0.5, capacity_kwh=60.0),
    slices=EnergySlices(first=NOON, kwh=(1.5, 2.0, 1.5, 1.5)),
)  # fmt: skip
SESSION = ChargingSession(id=SESSION_ID, period=PERIOD, at_home=True)
STATED = OwnerCorrection(started_at=NOON, ended_at=ONE, energy_kwh=9.0)
DELETED = OwnerCorrection(started_at=NOON, ended_at=ONE, energy_kwh=9.0, deleted=True)
COUNTERS = EnergyCounters(
    counted_kwh=1.0, counted_home_kwh=2.0, lifetime_kwh=3.0, home_kwh=4.0, counted_discharged_kwh=5.0,
    discharged_kwh=6.0,
)  # fmt: skip
RECENT = (CountedEnergy(at=NOON, kwh=0.5, home_kwh=0.25, discharged_kwh=0.125),)
LEDGER = ChargingLedger(
    state=DerivationState(last=SAMPLE, period=PERIOD), session=SESSION, counters=COUNTERS, recent=RECENT
)

STORED_PLACE = {"latitude": 52.0, "longitude": 5.0, "odometer_km": 100.0}
STORED_PERIOD = {
    "started_at": "2026-11-23T12:00:00Z", "ended_at": "2026-11-23T13:00:00Z", "open": True, "charged": "PT50M",
    "soc_start": 40.0, "soc_end": 50.0, "power_kwh": 6.0, "soc_kwh": 0.5, "peak_kw": 11.0, "place": STORED_PLACE,
    "left": False, "kind": "charge", "left_at": None, "jumped": 0.0, "estimated": True,
    "unmeasured": False,
    "check": {"kwh": 6.0, "gain": 10.0, "unseen_kwh": 0.5, "unknown_kwh": 0.0, "capacity_kwh": 60.0, "step": 5.0,
        "withheld_kwh": 0.0},
    "slices": {"first": "2026-11-23T12:00:00Z", "kwh": [1.5, 2.0, 1.5, 1.5], "minutes": 15},
}  # fmt: skip
STORED_STATE = {
    "last": {
        "at": "2026-11-23T13:00:00Z",
        "reading": {
            "charging": True, "discharging": None, "plugged_in": True, "soc": 50.0, "power_kw": 7.2,
            "discharge_kw": None, "capacity_kwh": 60.0, "step": None, "rebased": False,
            "returned": False,
        },
        "version": "reading",
        "place": STORED_PLACE,
        "place_version": "place",
    },
    "spell": STORED_PERIOD,
}  # fmt: skip
STORED_SESSION = {"id": str(SESSION_ID), "at_home": True, "corrections": []}
STORED_COUNTERS = {
    "counted_kwh": 1.0, "counted_home_kwh": 2.0, "lifetime_kwh": 3.0, "home_kwh": 4.0, "counted_discharged_kwh": 5.0,
    "discharged_kwh": 6.0,
}  # fmt: skip
STORED_RECENT = [{"at": "2026-11-23T12:00:00Z", "kwh": 0.5, "home_kwh": 0.25, "discharged_kwh": 0.125}]


OLD_READING = "charging", "plugged_in", "soc", "power_kw", "capacity_kwh"
OLD_PERIOD = (
    "started_at", "ended_at", "open", "charged", "soc_start", "soc_end", "power_kwh", "soc_kwh", "peak_kw", "place",
    "left",
)  # fmt: skip


def read_back(columns):
    """The row of `vehicle_energy` that has these columns, as the repositories read it."""
    return {name: getattr(value, "obj", value) for name, value in columns.items()}


def test_stored_ledger_keeps_its_keys_because_existing_rows_have_them():
    columns = read_back(serialize_ledger(LEDGER))
    assert columns == {
        "tail": {"tail": STORED_STATE, "session": STORED_SESSION, "recent": STORED_RECENT},
        "is_settled": True,
        **STORED_COUNTERS,
    }
    assert parse_ledger(columns) == LEDGER
    assert serialize_base(LEDGER.state).obj == STORED_STATE
    assert parse_base(STORED_STATE) == LEDGER.state
    assert parse_counters(columns) == COUNTERS


def test_ledger_stored_by_the_release_before_is_read():
    """It has no quarter hours, the period twice, and a rate."""
    period = {name: STORED_PERIOD[name] for name in OLD_PERIOD}
    reading = {name: STORED_STATE["last"]["reading"][name] for name in OLD_READING}
    state = {"last": STORED_STATE["last"] | {"reading": reading}, "spell": period}
    rate = {"valid_from": "2026-11-23T12:00:00Z", "cost_per_kwh": 0.25, "currency": "EUR"}
    session = {"id": str(SESSION_ID), "spell": period, "at_home": True, "rate": rate}
    ledger = parse_ledger({"tail": {"tail": state, "session": session}, **STORED_COUNTERS})
    slices = EnergySlices(first=NOON, kwh=(1.625, 1.625, 1.625, 1.625))
    expected = replace(PERIOD, estimated=False, check=PowerCheck(), slices=slices)
    assert (ledger.state.period, ledger.session, ledger.recent) == (expected, replace(SESSION, period=expected), ())


@pytest.mark.parametrize("correction", [STATED, DELETED])
def test_ledger_with_a_corrected_session_is_read_back_unchanged(correction):
    ledger = replace(LEDGER, session=replace(SESSION, corrections=(correction,)))
    assert parse_ledger(read_back(serialize_ledger(ledger))) == ledger


def test_state_stored_before_a_reading_got_new_members_is_still_read():
    old = {"charging": True, "plugged_in": True, "soc": 50.0, "power_kw": 7.2, "capacity_kwh": 60.0}
    assert parse_base({**STORED_STATE, "last": {**STORED_STATE["last"], "reading": old}}) == LEDGER.state


@pytest.mark.parametrize(
    "ledger", [ChargingLedger(), replace(LEDGER, session=None), replace(LEDGER, counters=EnergyCounters())]
)
def test_ledger_with_unknown_values_is_read_back_unchanged(ledger):
    assert parse_ledger(read_back(serialize_ledger(ledger))) == ledger


def test_missing_row_is_an_empty_ledger_and_missing_base_an_empty_state():
    assert parse_ledger(None) == ChargingLedger()
    assert parse_base(None) == DerivationState()


def test_row_with_counters_only_is_a_ledger_without_samples():
    row = read_back(serialize_ledger(ChargingLedger(counters=COUNTERS)))
    assert parse_ledger(row | {"tail": {}}) == ChargingLedger(counters=COUNTERS)


@given(histories)
def test_any_state_is_read_back_unchanged(samples):
    state = derive_periods(DerivationState(), merge_by_time(samples))[1]
    assert parse_base(serialize_base(state).obj) == state


@given(histories)
def test_any_plausibility_memory_is_read_back_unchanged(samples):
    memory, _ = check_samples(PlausibilityMemory(), map(make_raw, merge_by_time(samples)))
    state = DerivationState(plausibility=memory)
    stored = serialize_base(state).obj
    assert parse_base(stored) == state
    assert len(json.dumps(stored)) < 4096


def test_state_of_the_longest_session_is_small():
    samples = [charging(30 * n, 10 + n * 80 / 336, 1.4, capacity=300) for n in range(336)]
    state = derive_periods(DerivationState(), samples)[1]
    assert state.period.ended_at - state.period.started_at > timedelta(days=6.9)
    assert len(json.dumps(serialize_base(state).obj)) < 4096


@given(random_samples)
def test_any_sample_is_read_back_unchanged(sample):
    raw = make_raw(sample)
    assert parse_sample_row(read_back(serialize_sample(raw))) == raw


def test_row_from_before_the_raw_charge_state_was_stored_is_still_read():
    old = {"charging": True, "plugged_in": True, "soc": 50.0, "power_kw": 7.2, "capacity_kwh": 60.0, "raw": None}
    assert parse_sample_row(read_back(serialize_sample(RAW_SAMPLE)) | old) == make_raw(SAMPLE)


def test_columns_of_a_sample_are_those_of_its_table_and_stored_json_keeps_its_keys():
    assert read_back(serialize_sample(RAW_SAMPLE)) == {
        "at": ONE, "latitude": 52.0, "longitude": 5.0, "odometer_km": 100.0, "version": "reading",
        "place_version": "place",
        "raw": {
            "charge": {
                "state": "PLUGGED_IN:CHARGING", "plugged_in": True, "charging": True, "full": False, "level": 50.0,
                "range_km": 200.0, "rate": 7.2, "minutes_left": 90.0, "capacity": 60.0, "limit": 80.0,
            },
            "vendor": "KIA", "has_charger": True, "odometer_at": "2026-11-23T12:00:00Z",
            "located_at": "2026-11-23T13:00:00Z",
        },
    }  # fmt: skip


SESSION_COLUMNS = {
    "id": str(SESSION_ID), "vehicle_id": str(VEHICLE_ID), "started_at": "2026-11-23T12:00:00+00:00",
    "ended_at": "2026-11-23T13:00:00+00:00", "open": True, "energy_kwh": 6.5, "energy_source": "mixed",
    "soc_start": 40.0, "soc_end": 50.0, "peak_kw": 11.0, "at_home": True, "latitude": 52.0, "longitude": 5.0,
    "odometer_km": 100.0, "kind": "charge", "estimated": True, "corrected_by_owner": False,
    "deleted_by_owner": False, "derived_energy_kwh": None,
    "slices": {"first": "2026-11-23T12:00:00Z", "kwh": [1.5, 2.0, 1.5, 1.5], "minutes": 15},
    "parts": [
        {"start_at": f"2026-11-23T{start}:00+00:00", "end_at": f"2026-11-23T{end}:00+00:00", "kwh": kwh}
        for start, end, kwh in (
            ("12:00", "12:15", 1.5), ("12:15", "12:30", 2.0), ("12:30", "12:45", 1.5), ("12:45", "13:00", 1.5)
        )
    ],
}  # fmt: skip
SESSION_ROW = SESSION_COLUMNS | {"id": SESSION_ID, "started_at": NOON, "ended_at": ONE}


def test_columns_of_a_session_are_those_of_its_table():
    assert serialize_session(VEHICLE_ID, SESSION) == SESSION_COLUMNS
    assert serialize_session(VEHICLE_ID, replace(SESSION, at_home=None)) == SESSION_COLUMNS | {"at_home": None}
    mirrored = replace(SESSION, period=replace(PERIOD, kind="discharge"))
    levels = {"kind": "discharge", "soc_start": 60.0, "soc_end": 50.0}
    assert serialize_session(VEHICLE_ID, mirrored) == SESSION_COLUMNS | levels


@pytest.mark.parametrize(
    ("correction", "columns", "parts"),
    [
        (
            STATED,
            {"energy_kwh": 9.0, "corrected_by_owner": True, "derived_energy_kwh": 6.5},
            [1.5 * 9 / 6.5, 2.0 * 9 / 6.5, 1.5 * 9 / 6.5, 1.5 * 9 / 6.5],
        ),
        (DELETED, {"energy_kwh": None, "deleted_by_owner": True, "derived_energy_kwh": 6.5}, []),
    ],
)
def test_corrected_session_keeps_its_derived_energy_in_its_row(correction, columns, parts):
    session = replace(SESSION, corrections=(correction,))
    stored = serialize_session(VEHICLE_ID, session)
    assert [part["kwh"] for part in stored.pop("parts")] == pytest.approx(parts)
    assert stored == {name: value for name, value in (SESSION_COLUMNS | columns).items() if name != "parts"}
    recorded = parse_session_row(SESSION_ROW | columns)
    assert (recorded.energy, recorded.period.energy_kwh) == (session.energy, 6.5)
    assert recorded.distribute_energy() == session.distribute_energy()


def test_session_from_its_row_has_what_amending_it_needs():
    session = parse_session_row(SESSION_ROW)
    assert (session.id, session.at_home, session.period.kind) == (SESSION_ID, True, "charge")
    period = session.period
    assert (period.started_at, period.ended_at, period.open, period.energy_kwh) == (NOON, ONE, True, 6.5)
    assert (period.soc_start, period.soc_end, period.peak_kw, period.place) == (40.0, 50.0, 11.0, PLACE)
    assert (period.estimated, period.slices, session.corrections) == (True, PERIOD.slices, ())
    assert parse_session_row(SESSION_ROW | {"energy_kwh": None}).period.energy_kwh is None
    assert parse_session_row(SESSION_ROW | {"slices": None}).period.slices == NO_SLICES
    mirrored = parse_session_row(SESSION_ROW | {"kind": "discharge"}).period
    assert (mirrored.soc_start, mirrored.levels) == (60.0, (40.0, 50.0))
