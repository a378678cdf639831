"""Rows 1 to 4 of the classic contract: the account, the vehicles, a vehicle's status, charging commands."""

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


async def count_used_calls(pool, user):
    async with pool.connection() as connection:
        cursor = await connection.execute("select sum(used) from usage_months where user_id = %s", [user.id])
        return (await cursor.fetchone())[0] or 0


async def test_me_returns_the_account_in_the_classic_shape(client, user):
    info = await client.get_user_info()
    assert info.keys() == ME
    assert (info["id"], info["tier"], info["role"], info["sms_credits"]) == (str(user.id), "pro", "user", 0)
    assert info["online_status"] in {"green", "yellow", "red", "grey"}


async def test_invalid_key_gets_no_data(relay_url):
    other_client = ClassicClient(relay_url, "0" * 64)
    assert await other_client.get_user_info() is None
    assert await other_client.list_vehicles() == []
    with pytest.raises(UpdateFailedError, match=r"HTTP 401.*Invalid API key"):
        await other_client.get_status("whatever")


async def test_listing_vehicles_is_free(pool, client, user, enode_id, enode):
    [listed] = await client.list_vehicles()
    at_enode = await asyncio.to_thread(enode.get_vehicle, enode_id)
    assert listed.keys() == at_enode.keys() | {"db_id", "source"}
    assert (listed["id"], listed["source"], listed["information"]) == (enode_id, "enode", at_enode["information"])
    assert await client.list_choices() == {enode_id: at_enode["information"]["displayName"] or "Tesla Model 3"}
    assert await count_used_calls(pool, user) == 0


async def test_status_has_the_classic_shape_under_both_ids(pool, client, user, enode_id, enode):
    status = await client.get_status(enode_id)
    at_enode = await asyncio.to_thread(enode.get_vehicle, enode_id)
    assert status.keys() == STATUS
    assert (status["batteryLevel"], status["vehicleName"]) == (at_enode["chargeState"]["batteryLevel"], "Tesla Model 3")
    assert (status["chargingState"], status["locationAvailable"]) == (
        at_enode["chargeState"]["powerDeliveryState"],
        True,
    )
    assert (status["latitude"], status["longitude"]) == (
        at_enode["location"]["latitude"],
        at_enode["location"]["longitude"],
    )
    [listed] = await client.list_vehicles()
    assert await client.get_status(listed["db_id"]) == status
    assert await count_used_calls(pool, user) == 2


async def test_ha_status_has_capabilities_and_no_flat_charge_state(client, enode_id):
    _, _, body = await client.call("GET", f"/api/ha/status/{enode_id}")
    assert body.keys() == STATUS - FLAT | {"capabilities"}
    assert body["capabilities"]["startCharging"].keys() >= {"isCapable"}
    _, _, [listed] = await client.call("GET", "/api/ha/vehicles")
    assert listed.keys() == STATUS - FLAT | {"vehicleId"}
    assert listed["vehicleId"] == (await client.list_vehicles())[0]["db_id"]
    assert (await client.call("GET", f"/api/ha/status/{listed['vehicleId']}"))[2] == body


async def test_ha_me_returns_the_short_account(client, user):
    _, _, body = await client.call("GET", "/api/ha/me")
    assert body == {"user_id": str(user.id), "tier": "pro", "name": "Ada", "sms_credits": 0}


@pytest.mark.parametrize("path", ["/api/status/{}", "/api/ha/status/{}"])
async def test_foreign_unknown_and_malformed_ids_get_the_same_free_404(pool, client, enode_id, path):
    other = await add_user(pool)
    other_client = ClassicClient(client.base_url, other.key)
    answers = {
        (await other_client.call("GET", path.format(vehicle_id)))[:2]
        for vehicle_id in (enode_id, "e5d3c1b0", "11111111-%20", "%00", "%F0%9F")
    }
    [(status, text)] = answers
    assert status == 404
    assert '"detail":"Vehicle not found"' in text
    assert await count_used_calls(pool, other) == 0


async def test_exhausted_allowance_lets_setup_pass_and_then_shows_the_classic_text(pool, client, user, enode_id):
    async with pool.connection() as connection:
        await connection.execute("update users set plan = 'free' where id = %s", [user.id])
    assert (await client.get_status(enode_id)).keys() == STATUS
    async with pool.connection() as connection:
        await connection.execute("update usage_months set used = 300 where user_id = %s", [user.id])
    detail = "Rate limit exceeded for free tier. Monthly allowance (300/300) and purchased tokens (0) are exhausted."
    with pytest.raises(UpdateFailedError) as failure:
        await client.get_status(enode_id)
    assert f'"detail":"{detail}"' in str(failure.value)
    assert await ClassicClient(client.base_url, user.key).get_status(enode_id) == {}


async def test_charging_works_at_both_classic_addresses(pool, client, user, enode_id, enode):
    await asyncio.to_thread(enode.change_car, enode_id, activity="plug_in")
    db_id = (await client.list_vehicles())[0]["db_id"]
    answer = await client.set_charging(enode_id, "START")
    assert answer.keys() == {"status", "vehicle_id", "enode_vehicle_id", "action", "enode_response"}
    assert (answer["status"], answer["action"]) == ("success", "START")
    assert (answer["vehicle_id"], answer["enode_vehicle_id"]) == (db_id, enode_id)
    action = answer["enode_response"]
    assert (action["targetId"], action["kind"], action["userId"]) == (enode_id, "START", str(user.id))
    assert action["state"] in {"PENDING", "CONFIRMED"}
    _, _, other = await client.call("POST", f"/api/ha/charging/{db_id}", json={"action": "STOP"})
    assert other.keys() == answer.keys()
    assert await count_used_calls(pool, user) == 2


async def test_refusal_keeps_enodes_status_and_text(pool, client, user, enode_id, enode):
    problem = {"type": "https://developers.enode.com/api/problems/bad-request", "title": "No", "detail": "It is full."}
    fault = {"method": "POST", "path": "/vehicles/*/charging", "times": 1, "status": 400, "problem": problem}
    await asyncio.to_thread(enode.json, "POST", "/_sim/faults", fault)
    status, text, _ = await client.call("POST", f"/api/charging/{enode_id}", json={"action": "START"})
    assert (status, '"detail":"It is full."' in text) == (400, True)
    assert await client.set_charging(enode_id, "SLEEP") is None
    assert await count_used_calls(pool, user) == 0
