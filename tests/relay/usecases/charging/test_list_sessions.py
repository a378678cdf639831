"""Charging sessions, electricity rate and home over HTTP: API v2 and the classic API."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from relay.app import create_app
from relay.settings import Settings
from tests.relay.support.enode_events import format_time

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def api(database_url, tmp_path, account):
    app = create_app(Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": account.header}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client,
    ):
        yield client


@pytest.fixture
def add_session(pool, account):
    """Add a session that began `hours` ago; returns its id."""

    async def add(hours, *, vehicle_id=None, changed=None, **row):
        began = NOW - timedelta(hours=hours)
        row = {
            "id": uuid4(),
            "vehicle_id": vehicle_id or account.vehicle_id,
            "started_at": began,
            "ended_at": began + timedelta(minutes=30),
            "open": False,
            "energy_kwh": 3.6,
            "energy_source": "power",
            "changed_at": changed or began + timedelta(minutes=30),
        } | row
        async with pool.connection() as connection:
            names = ", ".join(row)
            places = ", ".join(f"%({name})s" for name in row)
            await connection.execute(f"insert into charging_sessions ({names}) values ({places})", row)
        return str(row["id"])

    return add


async def list_session_ids(api, path, **parameters):
    response = await api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return [it["id"] for it in response.json()["sessions"]]


async def test_session_record_has_all_known_values(api, add_session, account):
    await add_session(
        2, soc_start=40, soc_end=47, peak_kw=11, at_home=True, latitude=52.1, longitude=5.1, odometer_km=100,
        cost_per_kwh=0.25, currency="EUR",
    )  # fmt: skip
    page = (await api.get("/api/ha/v2/sessions")).json()
    [session] = page["sessions"]
    assert page["next_before"] is None
    assert session.pop("id")
    assert session == {
        "vehicle_id": str(account.vehicle_id),
        "state": "ended",
        "started_at": format_time(NOW - timedelta(hours=2)),
        "ended_at": format_time(NOW - timedelta(hours=1.5)),
        "energy_kwh": 3.6,
        "energy_source": "power",
        "soc_start": 40,
        "soc_end": 47,
        "peak_kw": 11,
        "at_home": True,
        "latitude": 52.1,
        "longitude": 5.1,
        "odometer_km": 100,
        "cost": {"amount": 0.9, "currency": "EUR", "per_kwh": 0.25},
        "amended_at": None,
    }


async def test_unknown_values_are_null_and_an_open_session_has_no_end(api, add_session):
    await add_session(1, open=True, energy_kwh=None, energy_source="none")
    await add_session(9, open=True)
    under_way, silent = (await api.get("/api/ha/v2/sessions")).json()["sessions"]
    assert (under_way["state"], under_way["ended_at"], under_way["cost"]) == ("open", None, None)
    assert (silent["state"], silent["ended_at"]) == ("ended", format_time(NOW - timedelta(hours=8.5)))


async def test_pages_are_newest_first_complete_and_disjoint(api, add_session):
    # Two of them begin at the same moment.
    added = [await add_session(hours) for hours in (1, 2, 2, 3, 4)]
    seen, before = [], None
    for size in (2, 2, 1):
        page = (
            await api.get("/api/ha/v2/sessions", params={"limit": 2} | ({"before": before} if before else {}))
        ).json()
        assert len(page["sessions"]) == size
        seen += [it["id"] for it in page["sessions"]]
        before = page["next_before"]
    assert before is None
    assert sorted(seen) == sorted(added)
    assert (seen[0], seen[-1]) == (added[0], added[-1])


async def test_sessions_are_found_by_both_ids_and_only_for_own_served_vehicles(
    api, add_session, account, make_account, pool
):
    other = await make_account()
    own = await add_session(1)
    await add_session(1, vehicle_id=other.vehicle_id)
    assert await list_session_ids(api, "/api/ha/v2/sessions") == [own]
    for vehicle_id in (account.vehicle_id, account.enode_id):
        assert await list_session_ids(api, f"/api/ha/v2/vehicles/{vehicle_id}/sessions") == [own]
    for vehicle_id in (other.vehicle_id, other.enode_id, uuid4(), "nonsense"):
        assert (await api.get(f"/api/ha/v2/vehicles/{vehicle_id}/sessions")).status_code == 404
    async with pool.connection() as connection:
        await connection.execute("update vehicles set link_state = 'over_limit'")
    assert await list_session_ids(api, "/api/ha/v2/sessions") == []


async def test_invalid_page_parameters_return_422(api):
    for query in ("limit=0", "limit=201", "before=x", "before=1.x", "before=", f"before={'9' * 60}.{uuid4()}"):
        response = await api.get(f"/api/ha/v2/sessions?{query}")
        assert (query, response.status_code) == (query, 422)
        assert response.json()["type"] == "urn:evconduit:problem:invalid-request"


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
]


async def test_read_scope_cannot_change_anything(api, make_account):
    reader = await make_account(scopes=["read"])
    for method, path, body in CHANGES:
        for header, status in ((reader.header, 403), ("Bearer no", 401)):
            response = await api.request(method, f"/api/ha/{path}", json=body, headers={"Authorization": header})
            assert (path, response.status_code) == (path, status)


async def test_rate_can_be_set_repeated_and_changed(api, pool):
    url = "/api/ha/v2/electricity-rate"
    assert (await api.get(url)).status_code == 404
    first = (await api.put(url, json={"cost_per_kwh": 0.31, "currency": "eur"})).json()
    assert (first["cost_per_kwh"], first["currency"]) == (0.31, "EUR")
    assert (await api.put(url, json={"cost_per_kwh": 0.31, "currency": "EUR"})).json() == first
    changed = (await api.put(url, json={"cost_per_kwh": 0.2, "currency": "EUR"})).json()
    assert changed["valid_from"] >= first["valid_from"]
    assert (await api.get(url)).json() == changed
    async with pool.connection() as connection:
        [row] = await (await connection.execute("select count(*) from electricity_rates")).fetchall()
    assert row == (2,)


async def test_classic_rate_can_be_set_and_read(api):
    url = "/api/ha/electricity-rate"
    assert (await api.get(url)).json() == {"cost_per_kwh": None, "currency": None, "updated_at": None}
    posted = await api.post(url, json={"cost_per_kwh": 0.31, "currency": "aud"})
    assert posted.json() == {"status": "success", "cost_per_kwh": 0.31, "currency": "AUD"}
    current = (await api.get(url)).json()
    assert (current["cost_per_kwh"], current["currency"]) == (0.31, "AUD")
    assert current["updated_at"].endswith("Z")


INVALID_RATES = (
    '{"cost_per_kwh": -1, "currency": "EUR"}',
    '{"cost_per_kwh": NaN, "currency": "EUR"}',
    '{"cost_per_kwh": 1, "currency": "euros"}',
    '{"cost_per_kwh": 1e12, "currency": "EUR"}',
    "{}",
)


async def test_invalid_rate_returns_422(api):
    json_body = {"Content-Type": "application/json"}
    for body in INVALID_RATES:
        for method, path in (("PUT", "v2/electricity-rate"), ("POST", "electricity-rate")):
            response = await api.request(method, f"/api/ha/{path}", content=body, headers=json_body)
            assert (body, response.status_code) == (body, 422)


async def test_home_can_be_set_read_and_deleted(api, account, pool):
    url = "/api/ha/v2/home"
    assert (await api.get(url)).status_code == (await api.delete(url)).status_code == 404
    async with pool.connection() as connection:
        await connection.execute(
            "insert into vehicle_energy (vehicle_id, tail) values (%s, '{}')", [account.vehicle_id]
        )
    home = {"latitude": 52.1, "longitude": 5.1, "radius_m": 500}
    assert (await api.put(url, json={"latitude": 52.1, "longitude": 5.1})).json() == home
    assert (await api.get(url)).json() == home
    [vehicle] = (await api.get("/api/ha/v2/vehicles")).json()["vehicles"]
    assert (vehicle["energy"], vehicle["revision"]) == ({"lifetime_kwh": 0, "home_kwh": 0}, 1)
    assert (await api.put(url, json=home | {"radius_m": 90})).json()["radius_m"] == 90
    assert (await api.delete(url)).status_code == 204
    [vehicle] = (await api.get("/api/ha/v2/vehicles")).json()["vehicles"]
    assert (vehicle["energy"]["home_kwh"], vehicle["revision"]) == (0, 1)


async def test_invalid_home_returns_422_without_echoing_it(api):
    for body in ({"latitude": 91, "longitude": 0}, {"latitude": 0}, {"latitude": 0, "longitude": 0, "radius_m": 5}):
        response = await api.put("/api/ha/v2/home", json=body)
        assert response.status_code == 422
        assert "91" not in response.text


async def test_classic_odometer_is_stored_with_the_newest_session(api, add_session, account):
    url = f"/api/ha/charging/{account.enode_id}/odometer"
    missing = await api.post(url, json={"odometer_km": 5})
    assert (missing.status_code, missing.json()["detail"]) == (404, "No charging session found for this vehicle")
    await add_session(5, odometer_km=1)
    newest = await add_session(1, odometer_km=1)
    response = (await api.post(url, json={"odometer_km": 1234.5})).json()
    assert response.pop("message")
    assert response == {
        "status": "success",
        "vehicle_id": str(account.vehicle_id),
        "odometer_km": 1234.5,
        "session_id": newest,
    }
    newest_record, older_record = (await api.get("/api/ha/v2/sessions")).json()["sessions"]
    assert (newest_record["odometer_km"], older_record["odometer_km"]) == (1234.5, 1)
    assert newest_record["amended_at"] is not None
    assert (await api.post(url, json={"odometer_km": 0})).status_code == 422


async def test_classic_session_has_the_classic_members(api, add_session, account):
    session_id = await add_session(
        2, soc_start=40, soc_end=47, latitude=52.1, longitude=5.1, cost_per_kwh=0.25, currency="EUR",
        changed=NOW - timedelta(hours=1, microseconds=-7),
    )  # fmt: skip
    await add_session(1, open=True)
    response = (await api.get("/api/ha/charging/sessions", params={"limit": 50})).json()
    assert response == {
        "sessions": [
            {
                "session_id": session_id,
                "vehicle_id": str(account.vehicle_id),
                "start_time": format_time(NOW - timedelta(hours=2)),
                "end_time": format_time(NOW - timedelta(hours=1.5)),
                "energy_added_kwh": 3.6,
                "total_cost": 0.9,
                "cost_per_kwh": 0.25,
                "currency": "EUR",
                "station_name": None,
                "battery_level_start": 40,
                "battery_level_end": 47,
                "location_lat": 52.1,
                "location_lon": 5.1,
                "created_at": format_time(NOW - timedelta(hours=1)).replace("Z", "001Z"),
            }
        ],
        "has_more": False,
    }


class ClassicClient:
    """Requests sessions as the classic integration does."""

    def __init__(self, api, limit):
        self.api, self.limit, self.since, self.sessions = api, limit, None, {}

    async def sync(self):
        since, found = self.since, []
        for _ in range(20):
            query = f"?limit={self.limit}" + (f"&since={since}" if since else "")
            page = (await self.api.get("/api/ha/charging/sessions" + query)).json()
            found += page["sessions"]
            if not page["has_more"]:
                break
            since = page["sessions"][-1]["start_time"]
        else:
            pytest.fail("paging does not end")
        self.sessions |= {it["session_id"]: it for it in found}
        self.since = max([it.get("created_at") or it["start_time"] for it in found], default=self.since)
        return [it["session_id"] for it in found]


async def test_classic_client_gets_all_sessions_in_order_and_amended_ones_again(api, add_session, pool):
    # All were changed at the same moment, as after a restore, and three began at the same moment.
    added = [await add_session(hours, changed=NOW) for hours in (9, 8, 7, 7, 7, 6, 5)]
    client = ClassicClient(api, limit=2)
    assert sorted(await client.sync()) == sorted(added)
    assert list(client.sessions)[-1] == added[-1]
    async with pool.connection() as connection:
        await connection.execute(
            "update charging_sessions set energy_kwh = 9, changed_at = now() + interval '5 minutes' where id = %s",
            [added[0]],
        )
    later = await add_session(4, changed=NOW + timedelta(minutes=6))
    assert {added[0], later} <= set(await client.sync())
    assert client.sessions[added[0]]["energy_added_kwh"] == 9
    async with pool.connection() as connection:
        await connection.execute("update charging_sessions set changed_at = changed_at - interval '1 hour'")
    assert await client.sync() == []


SINCE = ("2026-11-25T12:00:00+00:00", "2026-11-25T12:00:00%2B00:00", "2026-11-25", "2026-11-25T12:00:00")


async def test_classic_since_accepts_several_formats(api, add_session):
    later = await add_session(0, started_at=datetime(2026, 11, 25, 12, 0, 0, 2000, tzinfo=UTC))
    await add_session(0, started_at=datetime(2026, 11, 24, 23, tzinfo=UTC))
    for since in SINCE:
        found = (await api.get(f"/api/ha/charging/sessions?since={since}")).json()["sessions"]
        assert [it["session_id"] for it in found] == [later]


async def test_invalid_classic_parameters_return_422(api):
    for query in ("since=soon", "limit=0", "limit=201", "since="):
        assert (await api.get(f"/api/ha/charging/sessions?{query}")).status_code == 422


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
