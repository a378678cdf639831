"""Vehicles on web pages: what of Enode's object is shown, whatever it holds."""

from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from relay.usecases.vehicles.list_vehicles import VehicleSummary, _build_summary, list_vehicles

ID = UUID(int=1)
IDENTITY = {"id": ID, "name": "Tesla", "model": "", "link_state": "ok"}


def summarize(vehicle, link_state="ok", vendor="TESLA"):
    return _build_summary({"id": ID, "vendor": vendor, "vehicle": vehicle, "link_state": link_state})


FULL = {
    "information": {"displayName": "Red", "brand": "Tesla", "model": "Model Y", "year": 2024, "vin": "5YJ"},
    "chargeState": {
        "batteryLevel": 72.5,
        "range": 317,
        "isPluggedIn": True,
        "isCharging": True,
        "chargeRate": 10.8,
        "chargeLimit": 80,
        "powerDeliveryState": "PLUGGED_IN:CHARGING",
    },
    "isReachable": True,
    "lastSeen": "2026-11-29T12:00:00Z",
}


def test_summary_of_a_vehicle_that_is_served():
    assert summarize(FULL) == VehicleSummary(
        id=ID,
        name="Red",
        model="Tesla Model Y 2024",
        link_state="ok",
        battery_level=72,
        charging_state="charging",
        is_charging=True,
        is_plugged_in=True,
        range_km=317.0,
        power_kw=10.8,
        charge_limit=80,
        is_reachable=True,
        seen_at=datetime(2026, 11, 29, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize("link_state", ["ok", "broken"])
def test_vehicle_with_a_broken_link_shows_its_last_state(link_state):
    assert asdict(summarize(FULL, link_state)) == asdict(summarize(FULL)) | {"link_state": link_state}


def test_vehicle_over_the_limit_shows_only_name_and_model():
    assert summarize(FULL, "over_limit") == VehicleSummary(
        id=ID, name="Red", model="Tesla Model Y 2024", link_state="over_limit"
    )


@pytest.mark.parametrize(
    ("information", "name", "model"),
    [
        ({}, "Tesla", ""),
        (None, "Tesla", ""),
        ([], "Tesla", ""),
        ({"brand": "VW"}, "VW", ""),
        ({"brand": "VW", "model": None, "year": 2021}, "VW 2021", ""),
        ({"displayName": "Bus", "brand": "VW"}, "Bus", "VW"),
        ({"displayName": "Bus"}, "Bus", "Tesla"),
        ({"displayName": ""}, "Tesla", ""),
        ({"displayName": "VW", "brand": "VW"}, "VW", ""),
    ],
)
def test_name_is_the_owners_or_else_the_model(information, name, model):
    summary = summarize({"information": information})
    assert (summary.name, summary.model) == (name, model)


@pytest.mark.parametrize(
    ("charge", "shown"),
    [
        ({"batteryLevel": 0}, {"battery_level": 0}),
        ({"batteryLevel": -3}, {"battery_level": 0}),
        ({"batteryLevel": 100.4}, {"battery_level": 100}),
        ({"batteryLevel": 400}, {"battery_level": 100}),
        ({"batteryLevel": "50"}, {}),
        ({"batteryLevel": True}, {}),
        ({"chargeLimit": 101}, {"charge_limit": 100}),
        ({"range": 0}, {"range_km": 0.0}),
        ({"range": False}, {}),
        ({"chargeRate": 7.2}, {}),  # power only while it charges
        ({"chargeRate": 7.2, "isCharging": False}, {}),
        ({"chargeRate": 7.2, "isCharging": True}, {"is_charging": True, "power_kw": 7.2}),
        ({"isCharging": "yes"}, {}),
        ({"isPluggedIn": False}, {"is_plugged_in": False}),
        ({"isPluggedIn": 1}, {}),
        ({"powerDeliveryState": "UNPLUGGED"}, {"charging_state": "unplugged"}),
        ({"powerDeliveryState": "PLUGGED_IN:NO_POWER"}, {"charging_state": "no_power"}),
        ({"powerDeliveryState": "UNKNOWN"}, {}),
        ({"powerDeliveryState": None}, {}),
    ],
)
def test_charge_state_is_shown_only_where_it_is_valid(charge, shown):
    assert asdict(summarize({"chargeState": charge})) == asdict(VehicleSummary(**IDENTITY, **shown))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-29T12:00:00+00:00", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-11-29T12:00:00", None),
        ("soon", None),
        (5, None),
        (None, None),
    ],
)
def test_time_of_the_last_contact_needs_a_time_zone(text, expected):
    assert summarize({"lastSeen": text}).seen_at == expected


async def test_vehicles_over_the_limit_are_listed_last_and_others_by_age(pool, account, make_account):
    await make_account()
    ids = [uuid4() for _ in range(5)]
    rows = [(3, "ok", None), (4, "over_limit", None), (1, "ok", None), (2, "broken", None), (5, "ok", "now()")]
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles where user_id = %s", [account.user_id])
        for vehicle_id, (days, state, gone_at) in zip(ids, rows, strict=True):
            await connection.execute(
                "insert into vehicles (id, user_id, vendor, vehicle_cache, corrected, link_state, revision, created_at,"
                " gone_at) values (%s, %s, 'TESLA', %s, %s, %s, 0, now() - %s * interval '1 day', %s)",
                [
                    vehicle_id,
                    account.user_id,
                    Jsonb({"chargeState": {"range": 1}}),
                    Jsonb({"chargeState": {"range": 2}}),
                    state,
                    days,
                    gone_at,
                ],
            )
        vehicles = await list_vehicles(connection, account.user_id)
    assert [vehicle.id for vehicle in vehicles] == [ids[0], ids[3], ids[2], ids[1]]
    assert [vehicle.range_km for vehicle in vehicles] == [2.0, 2.0, 2.0, None]
