"""Rows 1 to 4 of the classic contract: who am I, which cars, how is mine, charge it."""

import asyncio

import pytest

from tests.relay.support.feed import add_user
from tests.relay.usecases.classic.client import ClassicClient, UpdateFailedError

STATUS = {
    "batteryLevel",
    "range",
    "isCharging",
    "isPluggedIn",
    "chargingState",
    "vehicleName",
    "latitude",
    "longitude",
    "lastSeen",
    "isReachable",
    "locationAvailable",
    "chargeState",
    "information",
    "location",
    "odometer",
    "vendor",
    "smartChargingPolicy",
}
FLAT = {"batteryLevel", "range", "isCharging", "isPluggedIn", "chargingState"}
ME = {
    "id",
    "email",
    "role",
    "is_approved",
    "name",
    "accepted_terms",
    "online_status",
    "notify_offline",
    "notification_preferences",
    "phone_number",
    "phone_verified",
    "tier",
    "sms_credits",
    "purchased_api_tokens",
    "stripe_customer_id",
    "is_subscribed",
    "is_on_trial",
    "trial_ends_at",
}


async def used(pool, person):
    async with pool.connection() as connection:
        found = await connection.execute("select sum(used) from usage_months where user_id = %s", [person.id])
        return (await found.fetchone())[0] or 0


async def test_who_am_i(client, person):
    info = await client.user_info()
    assert info.keys() == ME
    assert (info["id"], info["tier"], info["role"], info["sms_credits"]) == (str(person.id), "pro", "user", 0)
    assert info["online_status"] in {"green", "yellow", "red", "grey"}


async def test_a_wrong_key_is_nobody_and_sees_nothing(relay_url):
    stranger = ClassicClient(relay_url, "0" * 64)
    assert await stranger.user_info() is None
    assert await stranger.vehicles() == []
    with pytest.raises(UpdateFailedError, match=r"HTTP 401.*Invalid API key"):
        await stranger.status("whatever")


async def test_which_cars_there_are_costs_nothing(pool, client, person, car, enode):
    [listed] = await client.vehicles()
    real = await asyncio.to_thread(enode.get_vehicle, car)
    assert listed.keys() == real.keys() | {"db_id", "source"}
    assert (listed["id"], listed["source"], listed["information"]) == (car, "enode", real["information"])
    assert await client.choices() == {car: real["information"]["displayName"] or "Tesla Model 3"}
    assert await used(pool, person) == 0


async def test_how_my_car_is_in_exactly_the_classic_shape_under_both_ids(pool, client, person, car, enode):
    status = await client.status(car)
    real = await asyncio.to_thread(enode.get_vehicle, car)
    assert status.keys() == STATUS
    assert (status["batteryLevel"], status["vehicleName"]) == (real["chargeState"]["batteryLevel"], "Tesla Model 3")
    assert (status["chargingState"], status["locationAvailable"]) == (real["chargeState"]["powerDeliveryState"], True)
    assert (status["latitude"], status["longitude"]) == (real["location"]["latitude"], real["location"]["longitude"])
    [listed] = await client.vehicles()
    assert await client.status(listed["db_id"]) == status
    assert await used(pool, person) == 2


async def test_the_status_for_rest_users_has_capabilities_and_no_flat_charge_state(client, car):
    _, _, body = await client.call("GET", f"/api/ha/status/{car}")
    assert body.keys() == STATUS - FLAT | {"capabilities"}
    assert body["capabilities"]["startCharging"].keys() >= {"isCapable"}
    _, _, [listed] = await client.call("GET", "/api/ha/vehicles")
    assert listed.keys() == STATUS - FLAT | {"vehicleId"}
    assert listed["vehicleId"] == (await client.vehicles())[0]["db_id"]
    assert (await client.call("GET", f"/api/ha/status/{listed['vehicleId']}"))[2] == body


async def test_the_little_me(client, person):
    _, _, body = await client.call("GET", "/api/ha/me")
    assert body == {"user_id": str(person.id), "tier": "pro", "name": "Ada", "sms_credits": 0}


@pytest.mark.parametrize("path", ["/api/status/{}", "/api/ha/status/{}"])
async def test_foreign_cars_unknown_ones_and_nonsense_look_the_same_and_cost_nothing(pool, client, car, path):
    other = await add_user(pool)
    stranger = ClassicClient(client.base_url, other.key)
    answers = {
        (await stranger.call("GET", path.format(it)))[:2] for it in (car, "e5d3c1b0", "11111111-%20", "%00", "%F0%9F")
    }
    [(status, text)] = answers
    assert status == 404
    assert '"detail":"Vehicle not found"' in text
    assert await used(pool, other) == 0


async def test_over_the_allowance_the_first_setup_goes_on_and_later_the_words_are_shown(pool, client, person, car):
    async with pool.connection() as connection:
        await connection.execute("update users set plan = 'free' where id = %s", [person.id])
    assert (await client.status(car)).keys() == STATUS
    async with pool.connection() as connection:
        await connection.execute("update usage_months set used = 300 where user_id = %s", [person.id])
    words = "Rate limit exceeded for free tier. Monthly allowance (300/300) and purchased tokens (0) are exhausted."
    with pytest.raises(UpdateFailedError) as failure:
        await client.status(car)
    assert f'"detail":"{words}"' in str(failure.value)
    assert await ClassicClient(client.base_url, person.key).status(car) == {}


async def test_charging_at_the_path_that_the_client_uses_and_at_the_documented_one(pool, client, person, car, enode):
    await asyncio.to_thread(enode.change_car, car, activity="plug_in")
    db_id = (await client.vehicles())[0]["db_id"]
    answer = await client.set_charging(car, "START")
    assert answer.keys() == {"status", "vehicle_id", "enode_vehicle_id", "action", "enode_response"}
    assert (answer["status"], answer["action"]) == ("success", "START")
    assert (answer["vehicle_id"], answer["enode_vehicle_id"]) == (db_id, car)
    action = answer["enode_response"]
    assert (action["targetId"], action["kind"], action["userId"]) == (car, "START", str(person.id))
    assert action["state"] in {"PENDING", "CONFIRMED"}
    _, _, other = await client.call("POST", f"/api/ha/charging/{db_id}", json={"action": "STOP"})
    assert other.keys() == answer.keys()
    assert await used(pool, person) == 2


async def test_a_refusal_of_enode_keeps_its_status_and_its_words(pool, client, person, car, enode):
    problem = {"type": "https://developers.enode.com/api/problems/bad-request", "title": "No", "detail": "It is full."}
    fault = {"method": "POST", "path": "/vehicles/*/charging", "times": 1, "status": 400, "problem": problem}
    await asyncio.to_thread(enode.json, "POST", "/_sim/faults", fault)
    status, text, _ = await client.call("POST", f"/api/charging/{car}", json={"action": "START"})
    assert (status, '"detail":"It is full."' in text) == (400, True)
    assert await client.set_charging(car, "SLEEP") is None
    assert await used(pool, person) == 0
