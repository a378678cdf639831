"""Charging sessions over API v2."""

from datetime import timedelta
from uuid import uuid4

from tests.relay.support.charging import NOW
from tests.relay.support.enode_events import format_time


async def list_session_ids(api, path, **parameters):
    response = await api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return [session["id"] for session in response.json()["sessions"]]


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
        "kind": "charge",
        "estimated": False,
        "cost_unknown": None,
        "corrected_by_owner": False,
        "derived_energy_kwh": 3.6,
    }


async def test_unknown_values_are_null_and_an_open_session_has_no_end(api, add_session):
    await add_session(1, open=True, energy_kwh=None, energy_source="none")
    await add_session(9, open=True)
    under_way, stale = (await api.get("/api/ha/v2/sessions")).json()["sessions"]
    assert (under_way["state"], under_way["ended_at"], under_way["cost"]) == ("open", None, None)
    assert (stale["state"], stale["ended_at"]) == ("ended", format_time(NOW - timedelta(hours=8.5)))


async def test_pages_are_newest_first_complete_and_disjoint(api, add_session):
    # Two of them begin at the same moment.
    added = [await add_session(hours) for hours in (1, 2, 2, 3, 4)]
    seen, before = [], None
    for size in (2, 2, 1):
        page = (
            await api.get("/api/ha/v2/sessions", params={"limit": 2} | ({"before": before} if before else {}))
        ).json()
        assert len(page["sessions"]) == size
        seen += [session["id"] for session in page["sessions"]]
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
