"""What requests about charging cost, which scope they need, and ids they must not accept."""

from uuid import UUID

import pytest


async def test_charging_requests_cost_no_call(api, add_session, account):
    await add_session(1)
    for path in ("v2/sessions", f"v2/vehicles/{account.vehicle_id}/sessions", "charging/sessions", "electricity-rate"):
        assert (await api.get(f"/api/ha/{path}")).status_code == 200
    assert (await api.get("/api/ha/v2/account")).json()["allowance"]["used"] == 0


CHANGES = [
    ("PUT", "v2/electricity-rate", {"cost_per_kwh": 1, "currency": "EUR"}),
    ("POST", "electricity-rate", {"cost_per_kwh": 1, "currency": "EUR"}),
    ("PUT", "v2/home", {"latitude": 1, "longitude": 1}),
    ("DELETE", "v2/home", None),
    ("POST", "charging/x/odometer", {"odometer_km": 1}),
    ("PATCH", f"v2/sessions/{UUID(int=1)}", {"energy_kwh": 1}),
    ("DELETE", f"v2/sessions/{UUID(int=1)}", None),
    ("POST", f"v2/sessions/{UUID(int=1)}/restore", None),
]


async def test_read_scope_cannot_change_anything(api, make_account):
    reader = await make_account(scopes=["read"])
    for method, path, body in CHANGES:
        for header, status in ((reader.header, 403), ("Bearer no", 401)):
            response = await api.request(method, f"/api/ha/{path}", json=body, headers={"Authorization": header})
            assert (path, response.status_code) == (path, status)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/ha/v2/vehicles/%00/sessions", None),
        ("POST", "/api/ha/charging/%00/odometer", {"odometer_km": 5}),
    ],
)
async def test_vehicle_id_with_nul_returns_404(api, method, path, body):
    response = await api.request(method, path, json=body)
    assert response.status_code == 404, response.text
