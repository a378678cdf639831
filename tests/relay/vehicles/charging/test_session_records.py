"""Charging sessions as JSON of the API, and when a session counts as under way."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from relay.vehicles.charging.derivation import MAX_GAP
from relay.vehicles.charging.session_records import (
    IS_UNDER_WAY,
    get_odometer_km,
    render_cost_record,
    render_session_record,
    round_optional,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SESSION_ID = UUID("9b2c1f7e-64a8-4b0e-8f83-0d5a1c6e2b47")
VEHICLE_ID = UUID("a2c1de59-0f0b-5a5a-9a58-6b4c4e9d1f10")
ROW = {
    "id": SESSION_ID, "vehicle_id": VEHICLE_ID, "under_way": False, "started_at": NOON,
    "ended_at": NOON + timedelta(hours=1), "energy_kwh": 6.50049, "energy_source": "mixed", "soc_start": 40.5,
    "soc_end": 50.5, "peak_kw": 11.05, "at_home": True, "latitude": 52.0, "longitude": 5.0, "odometer_km": 100.5,
    "user_odometer_km": None, "cost_per_kwh": 0.25, "currency": "EUR", "amended_at": None, "kind": "charge",
    "estimated": False, "cost": 1.625123, "cost_unknown": None, "corrected_by_owner": False, "deleted_by_owner": False,
    "derived_energy_kwh": None,
}  # fmt: skip
RECORD = {
    "id": str(SESSION_ID), "vehicle_id": str(VEHICLE_ID), "state": "ended", "started_at": "2026-11-23T12:00:00.000Z",
    "ended_at": "2026-11-23T13:00:00.000Z", "energy_kwh": 6.5, "energy_source": "mixed", "soc_start": 40.5,
    "soc_end": 50.5, "peak_kw": 11.05, "at_home": True, "latitude": 52.0, "longitude": 5.0, "odometer_km": 100.5,
    "cost": {"amount": 1.6251, "currency": "EUR", "per_kwh": 0.25}, "amended_at": None, "kind": "charge",
    "estimated": False, "cost_unknown": None, "corrected_by_owner": False, "derived_energy_kwh": 6.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "members"),
    [
        pytest.param({}, {}, id="an ended session"),
        pytest.param({"under_way": True}, {"state": "open", "ended_at": None}, id="an open session"),
        pytest.param(
            {"energy_kwh": None, "cost": None, "cost_unknown": "energy"},
            {"energy_kwh": None, "derived_energy_kwh": None, "cost": None, "cost_unknown": "energy"},
            id="unknown energy",
        ),
        pytest.param(
            {"cost": None, "cost_unknown": "price", "cost_per_kwh": None},
            {"cost": None, "cost_unknown": "price"},
            id="unknown price",
        ),
        pytest.param(
            {"energy_kwh": 6.5006, "cost": 1.62515},
            {"energy_kwh": 6.501, "derived_energy_kwh": 6.501, "cost": RECORD["cost"] | {"amount": 1.6252}},
            id="rounded",
        ),
        pytest.param(
            {"corrected_by_owner": True, "derived_energy_kwh": 9.0},
            {"corrected_by_owner": True, "derived_energy_kwh": 9.0},
            id="corrected by its owner",
        ),
        pytest.param(
            {"corrected_by_owner": True, "derived_energy_kwh": None},
            {"corrected_by_owner": True, "derived_energy_kwh": None},
            id="corrected by its owner, nothing derived",
        ),
        pytest.param(
            {"deleted_by_owner": True, "derived_energy_kwh": 9.0, "energy_kwh": None, "cost_unknown": "energy"},
            {"derived_energy_kwh": 9.0, "energy_kwh": None, "cost": None, "cost_unknown": "energy"},
            id="deleted by its owner",
        ),
        pytest.param(
            {"kind": "discharge", "estimated": True}, {"kind": "discharge", "estimated": True}, id="a discharge"
        ),
        pytest.param({"user_odometer_km": 7.0}, {"odometer_km": 7.0}, id="the user's odometer"),
        pytest.param(
            {"amended_at": NOON + timedelta(hours=2)},
            {"amended_at": "2026-11-23T14:00:00.000Z"},
            id="an amended session",
        ),
        pytest.param(
            dict.fromkeys(("soc_start", "soc_end", "peak_kw", "at_home", "latitude", "longitude", "odometer_km")),
            dict.fromkeys(("soc_start", "soc_end", "peak_kw", "at_home", "latitude", "longitude", "odometer_km")),
            id="unknown values",
        ),
    ],
)
def test_record_has_the_columns_of_the_session(columns, members):
    assert render_session_record(ROW | columns) == RECORD | members


@pytest.mark.parametrize(
    ("columns", "cost"),
    [
        ({}, (1.6251, 0.25)),
        ({"cost": 0.0, "cost_per_kwh": 0.0}, (0.0, 0.0)),
        ({"energy_kwh": 0.0, "cost": 0.0}, (0.0, 0.25)),
        ({"cost": 1.0, "cost_per_kwh": 0.15384615}, (1.0, 0.153846)),
        ({"cost": None}, (1.6251, 0.25)),
        ({"energy_kwh": None, "cost": None}, None),
        ({"cost": None, "cost_per_kwh": None}, None),
        ({"cost": None, "cost_unknown": "price"}, None),
    ],
)
def test_cost_is_known_when_energy_and_all_prices_are(columns, cost):
    record = render_cost_record(ROW | columns)
    assert record == (cost and {"amount": cost[0], "currency": "EUR", "per_kwh": cost[1]})


@pytest.mark.parametrize(
    ("by_user", "by_vehicle", "expected"),
    [(None, 5.0, 5.0), (7.0, 5.0, 7.0), (0.0, 5.0, 0.0), (7.0, None, 7.0), (None, None, None)],
)
def test_odometer_is_the_users_else_the_vehicles(by_user, by_vehicle, expected):
    assert get_odometer_km({"user_odometer_km": by_user, "odometer_km": by_vehicle}) == expected


@pytest.mark.parametrize(("value", "digits", "expected"), [(1.26, 1, 1.3), (0.0, 3, 0.0), (None, 3, None)])
def test_unknown_value_is_not_rounded(value, digits, expected):
    assert round_optional(value, digits) == expected


@pytest.fixture(scope="module")
def is_under_way(postgres):
    statement = f"select {IS_UNDER_WAY} from (select %(open)s as open, %(ended_at)s::timestamptz as ended_at) s"
    statement = statement.replace("now()", "%(now)s::timestamptz")
    with psycopg.connect(postgres, autocommit=True) as connection:

        def query(*, open_, silence):
            parameters = {"open": open_, "ended_at": NOON - silence, "now": NOON}
            return connection.execute(statement, parameters).fetchone()[0]

        yield query


def test_open_session_is_under_way_until_the_vehicle_was_silent_for_eight_hours(is_under_way):
    instant = timedelta(microseconds=1)
    for silence, expected in ((timedelta(), True), (MAX_GAP - instant, True), (MAX_GAP, False)):
        assert is_under_way(open_=True, silence=silence) is expected
        assert is_under_way(open_=False, silence=silence) is False
    assert timedelta(hours=8) == MAX_GAP
