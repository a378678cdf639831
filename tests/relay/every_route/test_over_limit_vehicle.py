"""A vehicle over the plan's limit: every route lists it by name at most, and serves nothing of it."""

import asyncio
import json

import pytest
from psycopg.types.json import Jsonb

from relay.pages.site import ROUTERS
from tests.relay.api_docs.conftest import FORMER_ENODE_ID, KEY, VEHICLE_ID
from tests.relay.every_route.routes import (
    BODY_VALUES,
    PATH_PARAMETER,
    STREAM_PATH,
    UNOWNED_PATH_VALUES,
    fill_path,
    list_operations,
    list_required_fields,
)

INFORMATION = {"brand": "Tesla", "model": "Model Y", "year": 2024, "displayName": "Red"}
STATE = {
    "vendor": "TESLA",
    "isReachable": True,
    "lastSeen": "2031-07-06T05:04:03.211Z",
    "information": INFORMATION | {"vin": "5YJSECRETVIN"},
    "chargeState": {
        "batteryLevel": 37,
        "range": 1234.5677,
        "isCharging": True,
        "isPluggedIn": True,
        "chargeRate": 7.71,
    },
    "location": {"latitude": 11.223344, "longitude": 44.332211},
    "odometer": {"distance": 98765.4321},
    "smartChargingPolicy": {"isEnabled": "secret policy"},
    "capabilities": {"startCharging": {"isCapable": True, "interventionIds": ["secret-id"]}},
}
HIDE_VEHICLE = """
update vehicles set link_state = 'over_limit', link_since = '2026-11-29T10:00:00Z', vehicle_cache = %(state)s,
    corrected = '{"odometer": {"distance": 87654.3219}}', corrections = '{secret-correction}',
    smart_charging = '{"state": "secret-smart-charging", "since": null}';
insert into interventions (id, language, payload) values ('secret-id', 'en-US', '{"title": "secret-intervention"}');
update commands set reason = '{"type": "secret-reason", "detail": "secret-detail"}', state = 'failed';
update vehicle_energy set lifetime_kwh = 4321.987, home_kwh = 3210.123;
update charging_hours set kwh = 66.4321, cost = 5432.125;
update charging_sessions set energy_kwh = 77.1234, latitude = 12.345678, odometer_km = 45678.9;
update users set accepted_terms_at = now()
"""
SECRETS = [
    *("5YJSECRETVIN", "2031-07-06", "1234.5677", "7.71", "11.223344", "44.332211", "98765.4321", "87654.3219"),
    *(
        "secret",
        "4321.987",
        "3210.123",
        "77.1234",
        "12.345678",
        "45678.9",
        "66.4321",
        "5432.125",
        'l": 37',
        'l":37',
        ">37",
        "37 %",
    ),
]
RECORD = {
    "id": str(VEHICLE_ID),
    "revision": 7,
    "link": {"state": "over_limit", "since": "2026-11-29T10:00:00.000Z"},
    "vehicle": {"vendor": "TESLA", "information": INFORMATION},
    "corrections": [],
    "smart_charging": None,
    "interventions": [],
    "command": None,
    "energy": None,
    "charging_sessions": {"current": None, "last": None},
}

EXPORTS = {"GET /api/user/export", "GET /profile/export"}
"""The account's own data in full, which data protection law requires."""
COMMANDS = {"GET /api/ha/v2/commands/{command_id}"}
"""Commands that were sent while the vehicle was served: their sender still learns the outcome."""
UNLINKING = {
    "DELETE /api/user/vehicles/{vehicle_id}",
    "GET /vehicles/{vehicle_id}/unlink",
    "POST /vehicles/{vehicle_id}/unlink",
}
"""A user can always unlink a vehicle, and so make room for another one."""


@pytest.fixture
async def over_limit_ids(pool, ids):
    """Ada's ids; her only vehicle is over the limit, and everything that is known of it can be recognised."""
    async with pool.connection() as connection:
        for statement in HIDE_VEHICLE.split(";"):
            await connection.execute(statement, {"state": Jsonb(STATE | {"id": ids["enode_vehicle_id"]})})
    return ids


def make_record(ids):
    """The only vehicle's record. Enode's ids for it are part of its identity."""
    return RECORD | {"former_ids": [FORMER_ENODE_ID, ids["enode_vehicle_id"]]}


def list_all_routes(app):
    """(name, method, path, required fields of the body) of all routes, those that delete or unlink last."""
    routes = [
        (method, path, list_required_fields(app.openapi(), operation))
        for method, path, operation in list_operations(app)
    ]
    routes += [
        (method, route.path, ())
        for router in ROUTERS
        for route in router.routes
        for method in sorted(route.methods - {"HEAD"})
    ]
    routes = [route for route in routes if route[1] != STREAM_PATH]
    routes.sort(key=lambda route: (route[0] == "DELETE", "unlink" in route[1], route[0]))
    return [(f"{method} {path}", method, path, fields) for method, path, fields in routes]


def find_secrets(text):
    return [secret for secret in SECRETS if secret in text]


async def test_every_route_with_a_vehicle_id_answers_404_and_charges_nothing(app, over_limit_ids, ada, pool):
    checked = 0
    for name, method, path, fields in list_all_routes(app):
        if "vehicle_id" not in PATH_PARAMETER.findall(path) or name in UNLINKING:
            continue
        body = {field: BODY_VALUES[field] for field in fields} or None
        for vehicle_id in (over_limit_ids["vehicle_id"], over_limit_ids["enode_vehicle_id"]):
            response = await ada.call(method, fill_path(path, {"vehicle_id": vehicle_id}), body)
            assert response.status_code == 404, (name, response.text)
            assert find_secrets(response.text) == []
            checked += 1
    assert checked >= 20
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select (select sum(used) from usage_months), (select count(*) from poll_logs)"
        )
        assert await cursor.fetchone() == (41, 0)


async def test_no_route_reveals_the_state_of_a_vehicle_over_the_limit(app, over_limit_ids, ada):
    values = over_limit_ids | UNOWNED_PATH_VALUES
    revealing, answered = {}, 0
    for name, method, path, _ in list_all_routes(app):
        if method != "GET" or not set(PATH_PARAMETER.findall(path)) <= values.keys():
            continue
        response = await ada.call(method, fill_path(path, values))
        answered += response.status_code == 200
        if secrets := find_secrets(response.text):
            revealing[name] = secrets
    assert answered >= 20
    assert revealing.keys() == EXPORTS | COMMANDS, revealing


async def test_vehicle_over_the_limit_is_listed_by_name_only(over_limit_ids, ada):
    assert (await ada.get("/api/ha/v2/vehicles")).json()["vehicles"] == [make_record(over_limit_ids)]
    for path in ("/api/user/vehicles", "/api/ha/vehicles"):
        assert (await ada.get(path)).json() == []
    for path in ("/api/ha/v2/sessions", "/api/ha/charging/sessions"):
        assert (await ada.get(path)).json()["sessions"] == []
    home = (await ada.get("/home")).text
    assert "Red" in home
    assert find_secrets(home) == []


async def test_classic_account_does_not_show_whether_a_vehicle_over_the_limit_is_online(over_limit_ids, ada):
    assert (await ada.get("/api/me")).json()["online_status"] == "grey"


async def test_stream_lists_the_vehicle_by_name_only(over_limit_ids, ada):
    async with (
        asyncio.timeout(10),
        ada.stream("GET", STREAM_PATH, headers={"Authorization": f"Bearer {KEY}"}) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                break
    assert json.loads(line.removeprefix("data: "))["vehicles"] == [make_record(over_limit_ids)]


@pytest.mark.parametrize("state", ["ok", "broken"])
async def test_vehicle_within_the_limit_is_shown_in_full(over_limit_ids, ada, pool, state):
    """The counterpart: what the tests above miss is there."""
    async with pool.connection() as connection:
        await connection.execute("update vehicles set link_state = %s", [state])
    [record] = (await ada.get("/api/ha/v2/vehicles")).json()["vehicles"]
    assert record["vehicle"] == STATE | {"id": over_limit_ids["enode_vehicle_id"], "odometer": {"distance": 87654.3219}}
    assert record["corrections"] == ["secret-correction"]
    assert record["smart_charging"] == {"state": "secret-smart-charging", "since": None}
    assert record["interventions"] == [{"title": "secret-intervention"}]
    assert (record["command"]["id"], record["command"]["state"]) == (over_limit_ids["command_id"], "failed")
    cost = record["energy"].pop("cost")
    assert (cost["amount"], cost["currency"]) == (5432.125, "EUR")
    assert record["energy"] == {"lifetime_kwh": 4321.987, "home_kwh": 3210.123, "discharged_kwh": 0.0}
    assert record["charging_sessions"]["last"]["energy_kwh"] == 77.123
    hours = (await ada.get(f"/api/ha/v2/vehicles/{over_limit_ids['vehicle_id']}/energy-hours")).json()["hours"]
    assert [(hour["energy_kwh"], hour["cost"]) for hour in hours] == [(66.4321, 5432.125)]
    assert (await ada.get("/api/me")).json()["online_status"] == "green"
    for path in ("/api/user/vehicles", "/api/ha/vehicles", "/api/ha/v2/sessions"):
        assert find_secrets((await ada.get(path)).text), path
