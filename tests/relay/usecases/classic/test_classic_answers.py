"""The exact classic answers: every value of a status, error texts, times of the charging history."""

from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from relay.kit.problem_responses import install_handlers
from relay.kit.problems import Problem
from relay.usecases.classic.charging_sessions import _parse_since, _render_changed_at
from relay.usecases.classic.problem_details import ClassicRoute
from relay.vehicles.classic_records import (
    PUSHED_GROUP_MEMBERS,
    render_ha_status,
    render_ha_vehicle,
    render_listed_vehicle,
    render_pushed_vehicle,
    render_status,
)

CHARGE = {
    "batteryLevel": 72,
    "range": 317,
    "isCharging": True,
    "isPluggedIn": False,
    "powerDeliveryState": "PLUGGED_IN:CHARGING",
    "chargeRate": 7.2,
}
VEHICLE = {
    "id": "enode",
    "vendor": "TESLA",
    "lastSeen": "2026-11-29T12:00:00Z",
    "isReachable": False,
    "chargeState": CHARGE,
    "information": {"brand": "Tesla", "model": "Y", "displayName": "Red"},
    "location": {"latitude": 0.0, "longitude": 5.1, "lastUpdated": "x"},
    "odometer": {"distance": 12},
    "capabilities": {"startCharging": {}},
    "smartChargingPolicy": {"isEnabled": False},
}
COMMON = {
    "vehicleName": "Tesla Y",
    "latitude": 0.0,
    "longitude": 5.1,
    "lastSeen": "2026-11-29T12:00:00Z",
    "isReachable": False,
    "locationAvailable": True,
    "chargeState": CHARGE,
    "information": VEHICLE["information"],
    "location": VEHICLE["location"],
    "odometer": {"distance": 12},
    "vendor": "TESLA",
    "smartChargingPolicy": {"isEnabled": False},
}


def test_status_has_flat_keys_of_the_charge_state():
    assert render_status(VEHICLE) == COMMON | {
        "batteryLevel": 72,
        "range": 317,
        "isCharging": True,
        "isPluggedIn": False,
        "chargingState": "PLUGGED_IN:CHARGING",
    }


def test_status_for_rest_users_has_the_capabilities():
    assert render_ha_status(VEHICLE) == COMMON | {"capabilities": {"startCharging": {}}}
    assert render_ha_vehicle(UUID(int=1), VEHICLE) == COMMON | {"vehicleId": str(UUID(int=1))}


def test_pushed_vehicle_has_the_status_and_enodes_members_but_no_capabilities():
    charge = dict.fromkeys(PUSHED_GROUP_MEMBERS["chargeState"]) | CHARGE
    assert render_pushed_vehicle(VEHICLE | {"scopes": ["vehicle:read:data"]}) == render_status(VEHICLE) | {
        "id": "enode",
        "scopes": ["vehicle:read:data"],
        "chargeState": charge,
        "information": {"brand": "Tesla", "model": "Y", "displayName": "Red", "vin": None, "year": None},
        "odometer": {"distance": 12, "lastUpdated": None},
        "smartChargingPolicy": {"isEnabled": False, "deadline": None, "minimumChargeLimit": None},
    }


@pytest.mark.parametrize(
    ("location", "latitude", "longitude"),
    [({"latitude": 1.5}, 1.5, None), ({"longitude": 2.5}, None, 2.5), (None, None, None), ([], None, None)],
)
def test_incomplete_location_is_not_available(location, latitude, longitude):
    status = render_status(VEHICLE | {"location": location})
    assert (status["latitude"], status["longitude"]) == (latitude, longitude)
    assert (status["location"], status["locationAvailable"]) == (None, False)


def test_listed_vehicle_without_an_enode_id_has_ours():
    assert render_listed_vehicle(UUID(int=1), {"information": None, "vendor": "VW"}) == {
        "id": str(UUID(int=1)),
        "vendor": "VW",
        "information": {},
        "db_id": str(UUID(int=1)),
        "source": "enode",
    }


@pytest.mark.parametrize(
    ("problem", "status", "detail"),
    [
        (Problem(401, "unauthorized", "x"), 401, "Invalid API key"),
        (Problem(404, "not-found", "x"), 404, "Vehicle not found"),
        (
            Problem(429, "quota-exhausted", "x", plan="free", used=300, allowance=300, call_tokens=0),
            429,
            "Rate limit exceeded for free tier. Monthly allowance (300/300) and purchased tokens (0) are exhausted.",
        ),
        (Problem(403, "forbidden", "as it was"), 403, "as it was"),
        (Problem(429, "too-many-requests", "as it was"), 429, "as it was"),
    ],
)
async def test_classic_routes_have_the_texts_that_clients_match(problem, status, detail):
    app, router = FastAPI(), APIRouter(route_class=ClassicRoute)
    install_handlers(app)

    @router.get("/")
    async def fail():
        raise problem

    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay") as client:
        response = await client.get("/")
    assert (response.status_code, response.json()["detail"]) == (status, detail)
    assert response.json()["type"] == f"urn:evconduit:problem:{problem.slug}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-29T12:00:00Z", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-11-29T12:00:00.000001Z", datetime(2026, 11, 29, 12, 0, 0, 1, tzinfo=UTC)),
        ("2026-11-29T13:00:00 01:00", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-11-29T13:00:00+01:00", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        (" 2026-11-29T12:00:00Z ", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-11-29 12:00:00", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
    ],
)
def test_since_is_a_time_in_utc_unless_it_has_a_zone(text, expected):
    assert _parse_since(text) == expected


@pytest.mark.parametrize("text", ["2026-02-29", "soon", "", "12:00", "1764417600"])
def test_since_that_is_no_time_returns_422(text):
    with pytest.raises(Problem) as raised:
        _parse_since(text)
    assert (raised.value.status, raised.value.slug) == (422, "invalid-request")


@pytest.mark.parametrize("microsecond", [0, 1000, 500_000, 999_999])
def test_time_of_a_change_never_looks_like_a_start_time(microsecond):
    """A start time is whole milliseconds; the microsecond tells `since` of a sync from that of a page."""
    changed_at = datetime(2026, 11, 29, 12, 0, 0, microsecond, tzinfo=UTC)
    text = _render_changed_at(changed_at)
    assert text == f"2026-11-29T12:00:00.{microsecond // 1000:03}001Z"
    assert _parse_since(text).microsecond % 1000 == 1
