"""Delivery to the integration's webhook: a real receiver on loopback, a real database."""

import asyncio
from itertools import pairwise

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from relay.usecases.endpoints.deliver_to_endpoints import Deliverer
from tests.relay.support.endpoints import (
    SECRET_KEY,
    acknowledge,
    get_endpoint_record,
    make_due,
    register_receiver,
    respond_with,
    run_sql,
)
from tests.relay.support.feed import add_transition, add_user, put_vehicle, remove_vehicle


async def test_new_endpoint_gets_a_snapshot_then_changes_in_order(pool, client, receiver, deliverer):
    ada = await add_user(pool)
    await run_sql(pool, "update feeds set seq = 7")  # so that the ids go from 9 to 10
    vehicle_id, _ = await put_vehicle(pool, ada.id, level=10)
    secret = await register_receiver(client, ada, receiver)
    assert await deliverer.deliver_once() == 1
    [post] = receiver.posts
    body = Webhook(secret).verify(post.body, post.headers)
    assert body["type"] == "changes"
    [snapshot] = body["messages"]
    assert (snapshot["event"], snapshot["id"]) == ("snapshot", body["cursor"])
    assert snapshot["data"]["epoch"] == body["cursor"].rpartition(".")[0]
    account = (await client.get("account", headers=ada.header)).json()
    assert snapshot["data"]["account"]["relay"].pop("instance_id")  # the fixture's process didn't read it
    del account["relay"]["instance_id"]
    assert snapshot["data"]["account"] == account
    assert "gap" not in snapshot["data"]
    assert [vehicle["id"] for vehicle in snapshot["data"]["vehicles"]] == [str(vehicle_id)]
    record = await get_endpoint_record(client, ada)
    assert (record["pending"], record["failing_since"]) == (False, None)
    assert record["last_success_at"] is not None
    assert await deliverer.deliver_once() == 0
    await put_vehicle(pool, ada.id, vehicle_id, level=11)
    await add_transition(pool, ada.id, vehicle_id, "plugged_in")
    await put_vehicle(pool, ada.id, vehicle_id, level=12)
    await remove_vehicle(pool, ada.id, (await put_vehicle(pool, ada.id))[0])
    assert await deliverer.deliver_once() == 1
    post = receiver.posts[1]
    body = Webhook(secret).verify(post.body, post.headers)
    assert [message["event"] for message in body["messages"]] == ["transition", "vehicle", "vehicle_removed"]
    assert body["messages"][0]["data"]["replayed"] is False
    assert body["messages"][1]["data"]["vehicle"]["chargeState"]["batteryLevel"] == 12
    assert [int(message["id"].partition(".")[2]) for message in body["messages"]] == [10, 11, 13]
    assert body["messages"][-1]["id"] == body["cursor"]


@pytest.mark.parametrize(
    "case",
    [
        (respond_with("OK"), "answer"),
        (respond_with(""), "answer"),
        (respond_with('{"ack": null}'), "answer"),
        (respond_with('{"ack": "msg_other"}'), "answer"),
        (respond_with('["ack"]'), "answer"),
        (respond_with("[" * 30_000), "answer"),
        (respond_with('{"ack": "' + "x" * 70_000), "answer"),
        (respond_with("gone", 410), "status"),
        (respond_with("", 401), "status"),
        (respond_with("", 500), "status"),
        (respond_with("", 307, Location="http://127.0.0.1:1/"), "redirect"),
    ],
)
async def test_only_an_acknowledgement_of_this_message_counts_as_delivered(pool, client, receiver, deliverer, case):
    answer, failure = case
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id, level=10)
    await register_receiver(client, ada, receiver)
    receiver.answer = answer
    assert await deliverer.deliver_once() == 1
    record = await get_endpoint_record(client, ada)
    assert (record["state"], record["last_failure"], record["pending"]) == ("on", failure, True)
    assert record["failing_since"] < record["next_try_at"]
    assert await deliverer.deliver_once() == 0  # the retry is not due yet
    assert len(receiver.posts) == 1
    # The retry has the newest state, so it is a new message.
    await put_vehicle(pool, ada.id, vehicle_id, level=20)
    receiver.answer = acknowledge
    await make_due(pool)
    assert await deliverer.deliver_once() == 1
    first, second = receiver.posts
    assert second.json["messages"][0]["data"]["vehicles"][0]["vehicle"]["chargeState"]["batteryLevel"] == 20
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    record = await get_endpoint_record(client, ada)
    assert (record["failing_since"], record["next_try_at"], record["pending"]) == (None, None, False)


async def test_retry_of_the_same_bytes_has_the_same_message_id(pool, client, receiver, deliverer):
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    await deliverer.deliver_once()
    await put_vehicle(pool, ada.id)
    receiver.answer = respond_with("", 503)
    await deliverer.deliver_once()
    await make_due(pool)
    receiver.answer = acknowledge
    await deliverer.deliver_once()
    assert receiver.posts[1].body == receiver.posts[2].body
    assert receiver.posts[1].headers["webhook-id"] == receiver.posts[2].headers["webhook-id"]


async def test_unreachable_endpoints_record_the_class_of_failure(pool, client, receiver, runtime):
    hang = asyncio.Event()

    async def never(_post, _request):
        await hang.wait()
        return web.Response()

    receiver.answer = never
    ada, bob = [await add_user(pool) for _ in range(2)]
    await register_receiver(client, ada, receiver)
    await client.put("endpoint", json={"url": "http://127.0.0.1:1/"}, headers=bob.header)
    await Deliverer(pool, runtime.outbound, secret_key=SECRET_KEY, version="1").deliver_once()
    hang.set()
    assert [(await get_endpoint_record(client, user))["last_failure"] for user in (ada, bob)] == [
        "timeout",
        "connection",
    ]


async def test_five_days_of_failures_switch_an_endpoint_off_and_a_probe_switches_it_on(
    pool, client, receiver, deliverer, caplog
):
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver, "/api/webhook/s3cret")
    receiver.answer = respond_with("", 500)
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set failing_since = now() - interval '5 days'")
    await make_due(pool)
    await deliverer.deliver_once()
    record = await get_endpoint_record(client, ada)
    assert record["state"] == "off"
    assert "endpoint switched off" in caplog.text
    await make_due(pool)
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set off_at = now() - interval '30 days'")
    await make_due(pool)
    await deliverer.deliver_once()
    record = await get_endpoint_record(client, ada)
    assert (record["state"], record["next_try_at"]) == ("off", None)
    await make_due(pool)
    assert await deliverer.deliver_once() == 0
    # Registering again makes it due at once.
    receiver.answer = acknowledge
    await register_receiver(client, ada, receiver)
    assert await deliverer.deliver_once() == 1
    assert (await get_endpoint_record(client, ada))["state"] == "on"
    await run_sql(pool, "update endpoints set off_at = now(), failures = 9, failing_since = now()")
    await put_vehicle(pool, ada.id)
    assert await deliverer.deliver_once() == 1
    assert (await get_endpoint_record(client, ada))["state"] == "on"
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "statement",
    [
        "update users set plan = 'basic'",
        "update users set closed_at = now()",
        "update api_keys set revoked_at = now()",
        "update api_keys set scopes = '{control}'",
        "insert into settings (key, value) values ('delivery_paused', 'true')",
        "update endpoints set streaming_until = now() + interval '1 minute'",
        "update endpoints set leased_until = now() + interval '1 minute', lease_token = gen_random_uuid()",
    ],
)
async def test_nothing_is_sent_while_delivery_is_not_allowed(pool, client, receiver, deliverer, statement):
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    await run_sql(pool, statement)
    assert await deliverer.deliver_once() == 0
    assert receiver.posts == []
    # Deliveries resume once they are allowed again.
    for undo in (
        "update users set plan = 'pro', closed_at = null",
        "update api_keys set revoked_at = null, scopes = '{read,control}'",
        "update settings set value = 'false' where key = 'delivery_paused'",
        "update endpoints set leased_until = now() - interval '1 s' where lease_token is not null",
        "update endpoints set streaming_until = null",
    ):
        await run_sql(pool, undo)
    assert await deliverer.deliver_once() == 1


async def test_invalid_or_stale_cursor_gets_a_snapshot_with_a_gap(pool, client, receiver, deliverer):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await register_receiver(client, ada, receiver)
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set epoch = 'another'")
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set seq = seq + 100")
    await deliverer.deliver_once()
    await add_transition(pool, ada.id, vehicle_id, "plugged_in", age="25 h")
    await add_transition(pool, ada.id, vehicle_id, "charging_started", age="1 h")
    await deliverer.deliver_once()
    bodies = [post.json["messages"] for post in receiver.posts[1:]]
    assert [[message["event"] for message in messages] for messages in bodies] == [
        ["snapshot"],
        ["snapshot"],
        ["snapshot", "transition"],
    ]
    assert [messages[0]["data"].get("gap") for messages in bodies] == [True, True, True]
    replayed = bodies[2][1]["data"]
    assert (replayed["type"], replayed["replayed"]) == ("charging_started", True)
    assert receiver.posts[-1].json["cursor"] == bodies[2][1]["id"]


async def test_lost_acknowledgement_of_the_first_snapshot_loses_no_transition(pool, client, receiver, deliverer):
    """The receiver has applied the snapshot, and counts as up to date from there on."""
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await add_transition(pool, ada.id, vehicle_id, "unplugged")
    await register_receiver(client, ada, receiver)
    receiver.answer = respond_with("", 503)
    for kind in ("plugged_in", "charging_started"):
        assert await deliverer.deliver_once() == 1
        await add_transition(pool, ada.id, vehicle_id, kind)
        await make_due(pool)
    receiver.answer = acknowledge
    assert await deliverer.deliver_once() == 1
    snapshot, *transitions = receiver.posts[-1].json["messages"]
    assert (snapshot["event"], "gap" in snapshot["data"]) == ("snapshot", False)
    assert snapshot["id"] == receiver.posts[0].json["cursor"]
    assert [message["data"]["type"] for message in transitions] == ["plugged_in", "charging_started"]
    assert all(message["data"]["replayed"] for message in transitions)
    # From now on the endpoint's own cursor counts.
    await add_transition(pool, ada.id, vehicle_id, "charging_stopped")
    assert await deliverer.deliver_once() == 1
    assert [message["event"] for message in receiver.posts[-1].json["messages"]] == ["transition"]


async def test_first_snapshot_without_an_acknowledgement_for_a_day_has_a_gap(pool, client, receiver, deliverer):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await register_receiver(client, ada, receiver)
    receiver.answer = respond_with("", 503)
    await deliverer.deliver_once()
    for change in ("update transitions set created_at = now() - interval '25 hours'", "update feeds set epoch = 'new'"):
        await add_transition(pool, ada.id, vehicle_id, "plugged_in")
        await run_sql(pool, change)
        await make_due(pool)
        await deliverer.deliver_once()
        [snapshot, *_] = receiver.posts[-1].json["messages"]
        assert snapshot["data"]["gap"] is True


async def test_sequence_numbers_without_messages_advance_the_cursor_without_a_post(pool, client, receiver, deliverer):
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    await deliverer.deliver_once()
    await run_sql(pool, "update feeds set seq = seq + 3")
    assert await deliverer.deliver_once() == 1
    assert len(receiver.posts) == 1
    assert (await get_endpoint_record(client, ada))["pending"] is False


async def test_hourly_retries_of_endpoints_that_failed_together_are_spread(pool, client, deliverer):
    """Twelve endpoints fail for the sixth time at once: each gets a delay of its own within an hour ± 20 percent."""
    for _ in range(12):
        user = await add_user(pool)
        await client.put("endpoint", json={"url": "http://127.0.0.1:1/"}, headers=user.header)
    await run_sql(pool, "update endpoints set failures = 5, failing_since = now() - interval '1 hour'")
    assert await deliverer.deliver_once() == 12
    async with pool.connection() as connection:
        cursor = await connection.execute("select extract(epoch from next_try_at - now()) / 60 from endpoints")
        minutes = sorted(float(row[0]) for row in await cursor.fetchall())
    assert 46 < minutes[0] < minutes[-1] <= 72
    gaps = [later - earlier for earlier, later in pairwise(minutes)]
    assert minutes[-1] - minutes[0] > 5
    assert sum(gap > 0.1 for gap in gaps) >= 6
