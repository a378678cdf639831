"""Rows 7 to 9 of the classic contract: the price of electricity, the charging history, the odometer at its end."""

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
async def charged(enode, client, car):
    """The car has charged for an hour and was unplugged."""
    for activity, seconds in (("plug_in", 600), ("charge", 3600), ("unplug", 600)):
        await asyncio.to_thread(enode.change_car, car, activity=activity)
        await asyncio.to_thread(enode.advance_time, seconds)
    async with asyncio.timeout(30):
        while not (await client.sync_sessions())[0]:
            await asyncio.sleep(0.05)
    return car


async def test_a_session_is_synced_once_and_again_when_it_is_amended(client, charged):
    [session], since = await client.sync_sessions()
    assert session.keys() >= SESSION
    # The simulator's jump through time gives all its events the time of now: there is energy, but next to none.
    assert isinstance(session["energy_added_kwh"], float)
    assert session["battery_level_end"] > session["battery_level_start"]
    assert session["end_time"] > session["start_time"]
    told = await client.push_odometer(charged, 48_500.5)
    assert told.keys() == {"status", "vehicle_id", "odometer_km", "session_id", "message"}
    assert (told["status"], told["odometer_km"], told["session_id"]) == ("success", 48_500.5, session["session_id"])
    [again], _ = await client.sync_sessions(since)
    assert again["session_id"] == session["session_id"]


async def test_an_odometer_without_a_session_is_a_warning_not_an_error(client, car):
    assert await client.push_odometer(car, 48_500.5) == "no charging session"
    _, text, _ = await client.call("POST", f"/api/ha/charging/{car}/odometer", json={"odometer_km": 1.5})
    assert '"detail":"No charging session found for this vehicle"' in text
    assert await client.push_odometer(car, -1.0) is None


async def test_the_rate_is_remembered(client):
    path = "/api/ha/electricity-rate"
    assert (await client.call("GET", path))[2] == {"cost_per_kwh": None, "currency": None, "updated_at": None}
    assert await client.push_rate(0.285, "aud") == {"status": "success", "cost_per_kwh": 0.285, "currency": "AUD"}
    _, _, rate = await client.call("GET", path)
    assert rate.keys() == {"cost_per_kwh", "currency", "updated_at"}
    assert (rate["cost_per_kwh"], rate["currency"]) == (0.285, "AUD")
    assert await client.push_rate(-1.0) is None


@pytest.mark.parametrize("limit", [0, 201])
async def test_pages_have_1_to_200_sessions(client, limit):
    assert (await client.call("GET", f"/api/ha/charging/sessions?limit={limit}"))[0] == 422
