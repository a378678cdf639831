"""Rows 5 and 6 of the classic contract, and what is pushed: the relay POSTs into the client's webhook handler."""

import asyncio

import pytest

from tests.relay.support.feed import add_user
from tests.relay.usecases.classic.client import ClassicClient
from tests.relay.usecases.classic.home import Entry

ENTRY = "01JD0000000000000000000000"


def level_of(entry):
    return entry.data.get("chargeState", {}).get("batteryLevel")


@pytest.fixture
def drive(enode, car):
    """Has the simulated car's battery stand at a level, and Enode tell of it."""

    async def drive(level):
        await asyncio.to_thread(enode.change_car, car, activity="park", battery_level=float(level))

    return drive


async def test_a_registered_webhook_is_told_of_every_change_in_one_enriched_object(client, home, car, drive, person):
    entry = home.entries[ENTRY] = Entry(car, data=await client.status(car))
    assert await client.register_webhook(ENTRY, f"{home.url}/", car) == "ok"
    await home.until(lambda: home.posts)
    await drive(41)
    await home.until(lambda: level_of(entry) == 41)
    webhook_id, headers, payload, answer = home.posts[-1]
    assert (webhook_id, answer) == (ENTRY, "OK")
    assert headers["Content-Type"] == "application/json"
    assert not {"Authorization", "Webhook-Signature", "webhook-signature"} & headers.keys()
    assert isinstance(payload, dict)
    assert (payload["event"], payload["user"]) == ("user:vehicle:updated", {"id": str(person.id)})
    db_id = (await client.vehicles())[0]["db_id"]
    assert (payload["vehicleId"], payload["enodeVehicleId"], payload["internalVehicleId"]) == (car, car, db_id)
    vehicle = payload["vehicle"]
    assert (vehicle["id"], vehicle["enodeId"], vehicle["internalId"]) == (car, car, db_id)
    assert vehicle["userId"] == str(person.id)
    assert vehicle["information"]["displayName"]
    assert entry.data["batteryLevel"] != 41, "the flat keys are the poll's: the handler merges Enode's groups only"


async def test_a_client_that_knows_the_car_by_our_id_hears_of_it_at_the_second_try(client, home, car):
    db_id = (await client.vehicles())[0]["db_id"]

    class OldHandler(Entry):
        def take(self, payload):
            # A handler that looks at one id only; that is what the retry is for.
            return super().take({"vehicle": {**payload["vehicle"], "enodeId": None}, "vehicleId": payload["vehicleId"]})

    entry = home.entries[ENTRY] = OldHandler(db_id)
    assert await client.register_webhook(ENTRY, home.url) == "ok"
    await home.until(lambda: level_of(entry) is not None)
    assert [post[3] for post in home.posts] == ["OK (ignored - different vehicle)", "OK"]
    assert [post[2]["vehicleId"] for post in home.posts] == [car, db_id]


async def test_a_client_whose_coordinator_is_not_there_yet_is_told_again(pool, client, home, car):
    home.entries[ENTRY] = Entry(car, data=None)
    assert await client.register_webhook(ENTRY, home.url, car) == "ok"
    await home.until(lambda: home.posts)
    assert home.posts[0][3] == "No coordinator"
    entry = home.entries[ENTRY] = Entry(car)
    # Restarted, the client registers again, and needs not wait for the retry.
    assert await client.register_webhook(ENTRY, home.url, car) == "ok"
    await home.until(lambda: level_of(entry) is not None)


async def test_what_was_registered_can_be_seen_and_taken_back(client, home, car):
    path = "/api/ha/webhook/status"
    assert (await client.call("GET", path))[2] == {"registered": False}
    home.entries[ENTRY] = Entry(car)
    body = {"webhook_id": ENTRY, "external_url": home.url, "vehicle_id": ""}
    status, _, answer = await client.call("POST", "/api/ha/webhook/register", json=body)
    assert (status, answer.keys()) == (200, {"status", "message", "webhook_id", "external_url"})
    assert (answer["status"], answer["webhook_id"], answer["external_url"]) == ("success", ENTRY, home.url)
    told = (await client.call("GET", path))[2]
    assert told == {"registered": True, "webhook_id": ENTRY, "external_url": home.url}
    status, _, answer = await client.call("DELETE", "/api/ha/webhook/register")
    assert (status, answer.keys(), answer["status"]) == (200, {"status", "message"}, "success")
    assert (await client.call("GET", path))[2] == {"registered": False}
    assert await client.unregister_webhook()  # as often as you like


async def test_another_person_s_car_another_plan_and_forbidden_addresses_are_refused(pool, client, home, car):
    free = ClassicClient(client.base_url, (await add_user(pool, plan="free")).key)
    assert await free.register_webhook(ENTRY, home.url) == "Pro tier required"
    stranger = ClassicClient(client.base_url, (await add_user(pool)).key)
    refused = {
        404: {"webhook_id": ENTRY, "external_url": home.url, "vehicle_id": car},
        422: {"webhook_id": ENTRY, "external_url": "http://169.254.169.254", "vehicle_id": ""},
    }
    for status, body in refused.items():
        assert (await stranger.call("POST", "/api/ha/webhook/register", json=body))[0] == status
    for body in (
        {},
        {"webhook_id": "../x", "external_url": home.url},
        {"webhook_id": ENTRY, "external_url": "ftp://x"},
    ):
        assert (await client.call("POST", "/api/ha/webhook/register", json=body))[0] == 422
    nul = {"webhook_id": ENTRY, "external_url": home.url, "vehicle_id": f"{car}x\0"}
    assert (await client.call("POST", "/api/ha/webhook/register", json=nul))[0] == 404
    assert (await client.call("DELETE", "/api/ha/webhook/register?webhook_id=%00"))[0] == 422
    assert home.posts == []
    assert (await client.call("POST", "/api/ha/webhook/register", json=nul | {"vehicle_id": f"{car}\0"}))[0] == 200


async def test_a_connection_test_arrives_and_an_old_client_s_400_is_explained(pool, client, home, car):
    path = "/api/ha/webhook/test"
    assert (await client.call("POST", path))[0] == 404
    entry = home.entries[ENTRY] = Entry(car)
    assert await client.register_webhook(ENTRY, home.url, car) == "ok"
    await home.until(lambda: level_of(entry) is not None)
    home.posts.clear()
    _, _, answer = await client.call("POST", path)
    assert (answer["delivered"], answer["failure"]) == (False, "status")
    assert "1.9.5" in answer["message"]
    [(webhook_id, _, payload, words)] = home.posts
    assert (webhook_id, words) == (ENTRY, "Missing vehicle data")
    assert payload == {"event": "connection_test", "source": "evconduit", "test": True}
    assert (await client.call("POST", path))[0] == 429
    entry.take = lambda _payload: (200, "OK")  # a client that knows the test
    async with pool.connection() as connection:
        await connection.execute("update endpoints set tested_at = null")
    assert (await client.call("POST", path))[2] == {"delivered": True, "failure": None, "message": None}
