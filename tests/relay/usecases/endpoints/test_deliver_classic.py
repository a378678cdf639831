"""Delivery to a classic client's webhook."""

import pytest
from aiohttp import web

from relay.identity.credentials import parse_bearer_credential
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.classic.register_webhook import register_classic_webhook
from tests.relay.support.endpoints import (
    make_due,
    respond_with,
    run_sql,
)
from tests.relay.support.feed import add_transition, add_user, put_vehicle


async def register_classic(pool, runtime, user, **registration):
    async with pool.connection() as connection:
        caller = (
            await authenticate_caller(connection, parse_bearer_credential(user.header["Authorization"]), scope="read")
        ).caller
    await register_classic_webhook(runtime, caller, **{"webhook_id": "entry1", **registration})


async def deliver_all(deliverer):
    while await deliverer.deliver_once():
        pass


async def test_classic_client_gets_one_post_per_vehicle(pool, runtime, receiver, deliverer):
    ada = await add_user(pool)
    vehicle_ids = [(await put_vehicle(pool, ada.id, level=level))[0] for level in (10, 20)]
    receiver.answer = respond_with("OK")
    await register_classic(pool, runtime, ada, external_url=receiver.url(""))
    await deliver_all(deliverer)
    assert [post.path for post in receiver.posts] == ["/api/webhook/entry1"] * 2
    assert "webhook-signature" not in receiver.posts[0].headers
    body = receiver.posts[0].json
    assert (body["event"], body["user"]) == ("user:vehicle:updated", {"id": str(ada.id)})
    assert (body["vehicleId"], body["enodeVehicleId"], body["internalVehicleId"]) == (
        "enode-1",
        "enode-1",
        str(vehicle_ids[0]),
    )
    vehicle = body["vehicle"]
    assert (vehicle["id"], vehicle["enodeId"], vehicle["internalId"]) == ("enode-1", "enode-1", str(vehicle_ids[0]))
    assert (vehicle["userId"], vehicle["batteryLevel"], vehicle["chargeState"]["batteryLevel"]) == (str(ada.id), 10, 10)
    assert vehicle["information"]["displayName"] == "Red"
    await add_transition(pool, ada.id, vehicle_ids[0])  # classic clients get no transitions
    await put_vehicle(pool, ada.id, vehicle_ids[0], level=11)
    await deliver_all(deliverer)
    assert [post.json["vehicle"]["chargeState"]["batteryLevel"] for post in receiver.posts] == [10, 20, 11]


async def test_classic_client_of_one_vehicle_gets_it_by_its_configured_id(pool, runtime, receiver, deliverer):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await put_vehicle(pool, ada.id)
    receiver.answer = respond_with("OK")
    await register_classic(pool, runtime, ada, external_url=receiver.url(""), vehicle_id=str(vehicle_id))
    await deliver_all(deliverer)
    [post] = receiver.posts
    assert (post.json["vehicleId"], post.json["vehicle"]["id"], post.json["internalVehicleId"]) == (
        str(vehicle_id),
    ) * 3
    assert post.json["enodeVehicleId"] == "enode-1"


async def test_different_vehicle_answer_is_retried_once_with_the_other_id(pool, runtime, receiver, deliverer):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)

    async def accept_our_id(post, _request):
        is_known = post.json["vehicleId"] == str(vehicle_id)
        return web.Response(text="OK" if is_known else "OK (ignored - different vehicle)")

    receiver.answer = accept_our_id
    await register_classic(pool, runtime, ada, external_url=receiver.url(""))
    await deliver_all(deliverer)
    assert [post.json["vehicleId"] for post in receiver.posts] == ["enode-1", str(vehicle_id)]
    receiver.answer = respond_with("OK (ignored - different vehicle)")
    await put_vehicle(pool, ada.id, vehicle_id)
    await deliver_all(deliverer)
    assert len(receiver.posts) == 4  # not repeated a third time


@pytest.mark.parametrize(
    "answer", [respond_with("Error", 500), respond_with(""), respond_with("<html>"), respond_with('{"ack": "x"}')]
)
async def test_classic_delivery_without_ok_is_retried(pool, runtime, receiver, deliverer, answer):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    receiver.answer = answer
    await register_classic(pool, runtime, ada, external_url=receiver.url(""))
    await deliver_all(deliverer)
    assert len(receiver.posts) == 1
    receiver.answer = respond_with("OK")
    await make_due(pool)
    await deliver_all(deliverer)
    assert len(receiver.posts) == 2


async def test_classic_endpoint_without_vehicles_or_with_invalid_cursor_catches_up(pool, runtime, receiver, deliverer):
    ada = await add_user(pool)
    receiver.answer = respond_with("OK")
    await register_classic(pool, runtime, ada, external_url=receiver.url(""))
    assert await deliverer.deliver_once() == 1
    assert await deliverer.deliver_once() == 0
    vehicle_ids = [(await put_vehicle(pool, ada.id))[0] for _ in range(2)]
    await add_transition(pool, ada.id, vehicle_ids[0], age="30 h")
    await run_sql(pool, "update endpoints set epoch = 'another', seq = 0")
    await deliver_all(deliverer)
    assert len(receiver.posts) == 2
