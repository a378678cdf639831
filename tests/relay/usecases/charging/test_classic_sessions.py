"""Charging sessions and the odometer over the classic API."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.relay.support.charging import NOW
from tests.relay.support.enode_events import format_time


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
        since, sessions = self.since, []
        for _ in range(20):
            query = f"?limit={self.limit}" + (f"&since={since}" if since else "")
            page = (await self.api.get("/api/ha/charging/sessions" + query)).json()
            sessions += page["sessions"]
            if not page["has_more"]:
                break
            since = page["sessions"][-1]["start_time"]
        else:
            pytest.fail("paging does not end")
        self.sessions |= {session["session_id"]: session for session in sessions}
        self.since = max(
            [session.get("created_at") or session["start_time"] for session in sessions], default=self.since
        )
        return [session["session_id"] for session in sessions]


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
        sessions = (await api.get(f"/api/ha/charging/sessions?since={since}")).json()["sessions"]
        assert [session["session_id"] for session in sessions] == [later]


async def test_invalid_classic_parameters_return_422(api):
    for query in ("since=soon", "limit=0", "limit=201", "since="):
        assert (await api.get(f"/api/ha/charging/sessions?{query}")).status_code == 422
