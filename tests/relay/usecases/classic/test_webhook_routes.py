"""Rows 5 and 6 of the classic contract: webhook registration, and what the relay posts to the client's handler."""

import asyncio

import pytest

from tests.relay.support.feed import add_user
from tests.relay.usecases.classic.client import ClassicClient
from tests.relay.usecases.classic.home import Entry

ENTRY = "01JD0000000000000000000000"


def get_level(entry):
    return entry.data.get("chargeState", {}).get("batteryLevel")


def get_limit(entry):
    return entry.data.get("chargeState", {}).get("chargeLimit")


async def test_registered_webhook_receives_each_change_as_one_enriched_object(client, home, enode, enode_id, *, user):
    entry = home.entries[ENTRY] = Entry(enode_id, data=await client.get_status(enode_id))
    assert await client.register_webhook(ENTRY, f"{home.url}/", enode_id) == "ok"
    await home.wait_until(lambda: home.posts)
    await asyncio.to_thread(enode.change_car, enode_id, charge_limit=71.0)
    await home.wait_until(lambda: get_limit(entry) == 71)
    webhook_id, headers, payload, answer = home.posts[-1]
    assert (webhook_id, answer) == (ENTRY, "OK")
    assert headers["Content-Type"] == "application/json"
    assert not {"Authorization", "Webhook-Signature", "webhook-signature"} & headers.keys()
    assert isinstance(payload, dict)
    assert (payload["event"], payload["user"]) == ("user:vehicle:updated", {"id": str(user.id)})
    db_id = (await client.list_vehicles())[0]["db_id"]
    assert (payload["vehicleId"], payload["enodeVehicleId"], payload["internalVehicleId"]) == (
        enode_id,
        enode_id,
        db_id,
    )
    vehicle = payload["vehicle"]
    assert (vehicle["id"], vehicle["enodeId"], vehicle["internalId"]) == (enode_id, enode_id, db_id)
    assert vehicle["userId"] == str(user.id)
    assert vehicle["information"]["displayName"]
    assert "capabilities" not in vehicle, "the client would hide the sensors of incapable groups until it is reloaded"


@pytest.mark.parametrize(
    "change",
    [
        {"activity": "charge"},
        {"activity": "plug_in"},
        {"power_delivery_state": "PLUGGED_IN:FAULT"},
        {"activity": "drive"},
    ],
)
async def test_client_shows_after_a_push_what_a_poll_would_show(client, enode, home, enode_id, change):
    entry = home.entries[ENTRY] = Entry(enode_id, data=await client.get_status(enode_id))
    assert await client.register_webhook(ENTRY, home.url, enode_id) == "ok"
    await asyncio.to_thread(enode.change_car, enode_id, charge_limit=71.0, **change)
    await home.wait_until(lambda: get_limit(entry) == 71)
    polled = await client.get_status(enode_id)
    assert {key: entry.data[key] for key in polled} == polled


async def test_client_that_uses_our_id_is_reached_by_the_second_attempt(client, home, enode_id):
    db_id = (await client.list_vehicles())[0]["db_id"]

    class OldHandler(Entry):
        def handle_payload(self, payload):
            # A handler that checks one id only, for which the relay makes a second attempt.
            return super().handle_payload(
                {"vehicle": {**payload["vehicle"], "enodeId": None}, "vehicleId": payload["vehicleId"]}
            )

    entry = home.entries[ENTRY] = OldHandler(db_id)
    assert await client.register_webhook(ENTRY, home.url) == "ok"
    await home.wait_until(lambda: get_level(entry) is not None)
    assert [post[3] for post in home.posts] == ["OK (ignored - different vehicle)", "OK"]
    assert [post[2]["vehicleId"] for post in home.posts] == [enode_id, db_id]


async def test_client_without_a_coordinator_is_sent_the_change_again(pool, client, home, enode_id):
    home.entries[ENTRY] = Entry(enode_id, data=None)
    assert await client.register_webhook(ENTRY, home.url, enode_id) == "ok"
    await home.wait_until(lambda: home.posts)
    assert home.posts[0][3] == "No coordinator"
    entry = home.entries[ENTRY] = Entry(enode_id)
    # A restarted client registers again, so it need not wait for the retry.
    assert await client.register_webhook(ENTRY, home.url, enode_id) == "ok"
    await home.wait_until(lambda: get_level(entry) is not None)


async def test_webhook_can_be_registered_looked_up_and_unregistered(client, home, enode_id):
    path = "/api/ha/webhook/status"
    assert (await client.call("GET", path))[2] == {"registered": False}
    home.entries[ENTRY] = Entry(enode_id)
    body = {"webhook_id": ENTRY, "external_url": home.url, "vehicle_id": ""}
    status, _, answer = await client.call("POST", "/api/ha/webhook/register", json=body)
    assert (status, answer.keys()) == (200, {"status", "message", "webhook_id", "external_url"})
    assert (answer["status"], answer["webhook_id"], answer["external_url"]) == ("success", ENTRY, home.url)
    status_answer = (await client.call("GET", path))[2]
    assert (status_answer["registered"], status_answer["webhook_id"], status_answer["external_url"]) == (
        True,
        None,
        None,
    )
    status, _, answer = await client.call("DELETE", "/api/ha/webhook/register")
    assert (status, answer.keys(), answer["status"]) == (200, {"status", "message"}, "success")
    assert (await client.call("GET", path))[2] == {"registered": False}
    assert await client.unregister_webhook()  # can be repeated


async def test_foreign_vehicles_other_plans_and_forbidden_urls_are_refused(pool, client, home, enode_id):
    free = ClassicClient(client.base_url, (await add_user(pool, plan="free")).key)
    assert await free.register_webhook(ENTRY, home.url) == "Pro tier required"
    other_client = ClassicClient(client.base_url, (await add_user(pool)).key)
    refused = {
        404: {"webhook_id": ENTRY, "external_url": home.url, "vehicle_id": enode_id},
        422: {"webhook_id": ENTRY, "external_url": "http://169.254.169.254", "vehicle_id": ""},
    }
    for status, body in refused.items():
        assert (await other_client.call("POST", "/api/ha/webhook/register", json=body))[0] == status
    for body in (
        {},
        {"webhook_id": "../x", "external_url": home.url},
        {"webhook_id": ENTRY, "external_url": "ftp://x"},
    ):
        assert (await client.call("POST", "/api/ha/webhook/register", json=body))[0] == 422
    nul = {"webhook_id": ENTRY, "external_url": home.url, "vehicle_id": f"{enode_id}x\0"}
    assert (await client.call("POST", "/api/ha/webhook/register", json=nul))[0] == 404
    assert (await client.call("DELETE", "/api/ha/webhook/register?webhook_id=%00"))[0] == 422
    assert home.posts == []
    assert (await client.call("POST", "/api/ha/webhook/register", json=nul | {"vehicle_id": f"{enode_id}\0"}))[0] == 200


async def test_connection_test_arrives_and_an_old_clients_400_is_explained(pool, client, home, enode_id):
    path = "/api/ha/webhook/test"
    assert (await client.call("POST", path))[0] == 404
    entry = home.entries[ENTRY] = Entry(enode_id)
    assert await client.register_webhook(ENTRY, home.url, enode_id) == "ok"
    await home.wait_until(lambda: get_level(entry) is not None)
    home.posts.clear()
    _, _, answer = await client.call("POST", path)
    assert (answer["delivered"], answer["failure"]) == (False, "status")
    assert "1.9.5" in answer["message"]
    [(webhook_id, _, payload, text)] = home.posts
    assert (webhook_id, text) == (ENTRY, "Missing vehicle data")
    assert payload == {"event": "connection_test", "source": "evconduit", "test": True}
    assert (await client.call("POST", path))[0] == 429
    entry.handle_payload = lambda _payload: (200, "OK")  # a client that supports the test
    async with pool.connection() as connection:
        await connection.execute("update endpoints set tested_at = null")
    assert (await client.call("POST", path))[2] == {"delivered": True, "failure": None, "message": None}
