"""Delivery of vehicles over the plan's limit: by name only to the integration, not at all to classic clients."""

import pytest

from relay.identity.credentials import parse_bearer_credential
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.classic.register_webhook import register_classic_webhook
from tests.relay.support.endpoints import register_receiver, respond_with, run_sql
from tests.relay.support.feed import add_transition, add_user, put_vehicle

SHOWN = {"vendor": "TESLA", "information": {"brand": "Tesla", "model": "Y", "year": 2024, "displayName": "Red"}}


async def hide(pool, vehicle_id):
    await run_sql(pool, "update vehicles set link_state = 'over_limit' where id = %s", vehicle_id)
    await run_sql(pool, "insert into vehicle_energy (vehicle_id, tail, lifetime_kwh) values (%s, '{}', 12)", vehicle_id)
    await run_sql(
        pool,
        "insert into commands (user_id, vehicle_id, kind) select user_id, id, 'START' from vehicles where id = %s",
        vehicle_id,
    )


async def test_integration_gets_the_vehicle_by_name_only_first_and_later(pool, client, receiver, deliverer):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id, corrections=["odometer"])
    await hide(pool, vehicle_id)
    await register_receiver(client, ada, receiver)
    assert await deliverer.deliver_once() == 1
    await add_transition(pool, ada.id, vehicle_id)
    await put_vehicle(pool, ada.id, vehicle_id, level=99)
    assert await deliverer.deliver_once() == 1
    snapshot, vehicle = receiver.messages
    for record in (*snapshot["data"]["vehicles"], vehicle["data"]):
        assert record["vehicle"] == SHOWN
        assert record["link"]["state"] == "over_limit"
        names = ("corrections", "smart_charging", "interventions", "command", "energy")
        assert [record[name] for name in names] == [[], None, [], None, None]


@pytest.mark.parametrize("with_served_vehicle", [True, False])
async def test_classic_client_gets_only_served_vehicles(pool, runtime, receiver, deliverer, with_served_vehicle):
    ada = await add_user(pool)
    served = [(await put_vehicle(pool, ada.id))[0] for _ in range(with_served_vehicle)]
    unserved, _ = await put_vehicle(pool, ada.id)
    await hide(pool, unserved)
    receiver.answer = respond_with("OK")
    async with pool.connection() as connection:
        credential = parse_bearer_credential(ada.header["Authorization"])
        caller = (await authenticate_caller(connection, credential, scope="read")).caller
    await register_classic_webhook(runtime, caller, webhook_id="entry1", external_url=receiver.url(""))
    while await deliverer.deliver_once():
        pass
    assert [post.json["internalVehicleId"] for post in receiver.posts] == [str(vehicle_id) for vehicle_id in served]
