"""Vehicles and commands as JSON of the API."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.vehicles.records import render_command_record, render_energy_record, render_vehicle_record

VEHICLE_ID = UUID("a2c1de59-0f0b-5a5a-9a58-6b4c4e9d1f10")
COMMAND_ID = UUID("9b2c1f7e-64a8-4b0e-8f83-0d5a1c6e2b47")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_TEXT = "2026-11-23T12:00:00.000Z"
COMMAND_ROW = {
    "id": COMMAND_ID, "vehicle_id": VEHICLE_ID, "kind": "MAX_CURRENT", "amps": 16.0, "state": "failed",
    "reason": {"type": "NO_RESPONSE", "detail": "No response."}, "requested_at": NOON,
    "settled_at": NOON.replace(minute=1),
}  # fmt: skip
COMMAND_RECORD = {
    "id": str(COMMAND_ID), "vehicle_id": str(VEHICLE_ID), "kind": "MAX_CURRENT", "amps": 16.0, "state": "failed",
    "reason": {"type": "NO_RESPONSE", "detail": "No response."}, "requested_at": NOON_TEXT,
    "settled_at": "2026-11-23T12:01:00.000Z",
}  # fmt: skip
INTERVENTION = {"id": "i", "title": "Pair", "description": "…", "access": None, "agent": None, "action": None}
GROUPS = {
    "id": "enode-2",
    "vendor": "KIA",
    "information": {"brand": "Kia", "vin": "V"},
    "chargeState": {"batteryLevel": 50},
}
ROW = {
    "id": VEHICLE_ID,
    "enode_ids": ["enode-1", "enode-2"],
    "revision": 7,
    "link_state": "ok",
    "link_since": NOON,
    "vehicle_cache": GROUPS,
    "corrections": ("isCharging:powerDeliveryState",),
    "smart_charging": {"state": "ENABLED", "since": "2026-11-23T13:00:00+01:00", "as_of": "2026-11-23T12:30:00+00:00"},
    "interventions": (INTERVENTION,),
    "command": COMMAND_ROW,
    "lifetime_kwh": 312.5004,
    "home_kwh": 280.1006,
    "discharged_kwh": 12.3456,
    "energy_cost": {"amount": 96.87654, "currency": "EUR", "since": "2026-11-23T13:00:00+01:00"},
    "newest_sessions": None,
}
RECORD = {
    "id": str(VEHICLE_ID),
    "former_ids": ["enode-1"],
    "revision": 7,
    "link": {"state": "ok", "since": NOON_TEXT},
    "vehicle": GROUPS,
    "corrections": ["isCharging:powerDeliveryState"],
    "smart_charging": {"state": "ENABLED", "since": NOON_TEXT},
    "interventions": [INTERVENTION],
    "command": COMMAND_RECORD,
    "energy": {"lifetime_kwh": 312.5, "home_kwh": 280.101, "discharged_kwh": 12.346,
               "cost": {"amount": 96.8765, "currency": "EUR", "since": NOON_TEXT}},
    "charging_sessions": {"current": None, "last": None},
}  # fmt: skip


def test_record_has_everything_known_about_a_vehicle():
    assert render_vehicle_record(ROW) == RECORD
    assert render_vehicle_record(ROW | {"link_state": "broken"}) == RECORD | {
        "link": {"state": "broken", "since": NOON_TEXT}
    }


@pytest.mark.parametrize(
    ("columns", "members"),
    [
        pytest.param({"corrections": ()}, {"corrections": []}, id="nothing corrected"),
        pytest.param({"smart_charging": None}, {"smart_charging": None}, id="no smart charging"),
        pytest.param(
            {"smart_charging": {"state": "UNKNOWN", "since": None}},
            {"smart_charging": {"state": "UNKNOWN", "since": None}},
            id="smart charging since an unknown time",
        ),
        pytest.param({"interventions": None}, {"interventions": []}, id="interventions not fetched yet"),
        pytest.param({"command": None}, {"command": None}, id="no command"),
        pytest.param(
            dict.fromkeys(("lifetime_kwh", "home_kwh", "discharged_kwh")), {"energy": None}, id="nothing about charging"
        ),
    ],
)
def test_unknown_values_are_null_or_empty(columns, members):
    assert render_vehicle_record(ROW | columns) == RECORD | members


def test_record_of_a_vehicle_over_the_limit_has_its_identity_and_link_only():
    assert render_vehicle_record(ROW | {"link_state": "over_limit"}) == {
        "id": str(VEHICLE_ID),
        "former_ids": ["enode-1", "enode-2"],
        "revision": 7,
        "link": {"state": "over_limit", "since": NOON_TEXT},
        "vehicle": {"vendor": "KIA", "information": {"brand": "Kia"}},
        "corrections": [],
        "smart_charging": None,
        "interventions": [],
        "command": None,
        "energy": None,
        "charging_sessions": {"current": None, "last": None},
    }


@pytest.mark.parametrize(
    ("counters", "record"),
    [
        ((None, None, None), None),
        ((0.0, None, 0.0), (0.0, None, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((1.2344, 1.2346, 1.2347), (1.234, 1.235, 1.235)),
    ],
)
def test_energy_is_rounded_to_watt_hours(counters, record):
    names = "lifetime_kwh", "home_kwh", "discharged_kwh"
    rendered = render_energy_record(dict(zip(names, counters, strict=True)) | {"energy_cost": None})
    assert rendered == (record and dict(zip(names, record, strict=True)) | {"cost": None})


def test_open_command_has_no_time_at_which_it_was_settled():
    row = COMMAND_ROW | {"state": "sending", "settled_at": None, "reason": None, "kind": "START", "amps": None}
    assert render_command_record(row) == COMMAND_RECORD | {
        "state": "sending", "settled_at": None, "reason": None, "kind": "START", "amps": None,
    }  # fmt: skip
