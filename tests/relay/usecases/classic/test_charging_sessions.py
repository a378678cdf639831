"""Rows 7 to 9 of the classic contract: the electricity rate, the charging history, the odometer."""

import asyncio

import pytest

SESSION = {
    "session_id",
    "start_time",
    "end_time",
    "energy_added_kwh",
    "total_cost",
    "cost_per_kwh",
    "currency",
    "station_name",
    "battery_level_start",
    "battery_level_end",
    "location_lat",
    "location_lon",
}


@pytest.fixture
async def charged_vehicle(enode, client, enode_id):
    """A vehicle that has charged for some percent and was unplugged."""
    # Small steps, because a time jump takes no real time, in which a level can't rise by more than a percent.
    for activity, steps in (("plug_in", 1), ("charge", 8), ("unplug", 1)):
        await asyncio.to_thread(enode.change_car, enode_id, activity=activity)
        for _ in range(steps):
            await asyncio.to_thread(enode.advance_time, 150)
    async with asyncio.timeout(30):
        while not (await client.sync_sessions())[0]:
            await asyncio.sleep(0.05)
    return enode_id


async def test_session_is_synced_again_only_after_it_is_amended(client, charged_vehicle):
    [session], since = await client.sync_sessions()
    assert session.keys() >= SESSION
    # All events of the simulator's time jump have the current time, so the session has energy, but almost none.
    assert isinstance(session["energy_added_kwh"], float)
    assert session["battery_level_end"] > session["battery_level_start"]
    assert session["end_time"] > session["start_time"]
    answer = await client.push_odometer(charged_vehicle, 48_500.5)
    assert answer.keys() == {"status", "vehicle_id", "odometer_km", "session_id", "message"}
    assert (answer["status"], answer["odometer_km"], answer["session_id"]) == (
        "success",
        48_500.5,
        session["session_id"],
    )
    [amended], _ = await client.sync_sessions(since)
    assert amended["session_id"] == session["session_id"]


async def test_odometer_without_a_session_returns_the_classic_404(client, enode_id):
    assert await client.push_odometer(enode_id, 48_500.5) == "no charging session"
    _, text, _ = await client.call("POST", f"/api/ha/charging/{enode_id}/odometer", json={"odometer_km": 1.5})
    assert '"detail":"No charging session found for this vehicle"' in text
    assert await client.push_odometer(enode_id, -1.0) is None


async def test_electricity_rate_is_stored(client):
    path = "/api/ha/electricity-rate"
    assert (await client.call("GET", path))[2] == {"cost_per_kwh": None, "currency": None, "updated_at": None}
    assert await client.push_rate(0.285, "aud") == {"status": "success", "cost_per_kwh": 0.285, "currency": "AUD"}
    _, _, rate = await client.call("GET", path)
    assert rate.keys() == {"cost_per_kwh", "currency", "updated_at"}
    assert (rate["cost_per_kwh"], rate["currency"]) == (0.285, "AUD")
    assert (await client.push_rate(-1.0))["cost_per_kwh"] == -1.0  # market prices can be negative
    assert await client.push_rate(-1_000_001.0) is None


@pytest.mark.parametrize("limit", [0, 201])
async def test_page_size_outside_1_to_200_returns_422(client, limit):
    assert (await client.call("GET", f"/api/ha/charging/sessions?limit={limit}"))[0] == 422
