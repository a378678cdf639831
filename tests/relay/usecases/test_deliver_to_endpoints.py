"""Delivery as a Home Assistant's webhook sees it: a real receiver on loopback, a real database."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from relay.usecases.authorize import authenticate
from relay.usecases.deliver_to_endpoints import DELIVERY_FIGURES, Deliverer, DeliveryRules
from relay.usecases.prune_history import prune
from relay.usecases.register_classic import register_classic
from tests.relay.delivery.world import add_person, add_transition, put_car, remove_car, running, until, value
from tests.relay.usecases.endpoint_world import (
    KEY,
    acknowledge,
    client_of,
    make_runtime,
    open_test_outbound,
    receiving,
    say,
)

RULES = DeliveryRules(sweep_every=timedelta(hours=1))


@pytest.fixture
async def runtime(pool):
    async with open_test_outbound() as outbound:
        yield make_runtime(pool, outbound)


@pytest.fixture
async def client(runtime):
    async with client_of(runtime) as client:
        yield client


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def deliverer(runtime):
    return Deliverer(runtime.pool, runtime.outbound, key=KEY, version="1.2.3", rules=RULES)


async def register(client, person, receiver, path="/api/webhook/home"):
    answer = await client.put("endpoint", json={"url": receiver.url(path)}, headers=person.header)
    return answer.json()["secret"]


async def look(client, person):
    return (await client.get("endpoint", headers=person.header)).json()


async def run_sql(pool, statement, *arguments):
    async with pool.connection() as connection:
        await connection.execute(statement, arguments)


async def due_now(pool):
    await run_sql(pool, "update endpoints set next_try_at = now() where next_try_at is not null")


async def test_a_new_endpoint_gets_a_snapshot_then_what_changes_in_order(pool, client, receiver, deliverer):
    ada = await add_person(pool)
    car, _ = await put_car(pool, ada.id, level=10)
    secret = await register(client, ada, receiver)
    assert await deliverer.deliver_once() == 1
    [post] = receiver.posts
    body = Webhook(secret).verify(post.body, post.headers)
    assert body["type"] == "changes"
    [snapshot] = body["messages"]
    assert (snapshot["event"], snapshot["id"]) == ("snapshot", body["cursor"])
    assert snapshot["data"]["account"] == (await client.get("account", headers=ada.header)).json()
    assert "gap" not in snapshot["data"]
    assert [it["id"] for it in snapshot["data"]["vehicles"]] == [str(car)]
    told = await look(client, ada)
    assert (told["pending"], told["failing_since"]) == (False, None)
    assert told["last_success_at"] is not None
    assert await deliverer.deliver_once() == 0
    await put_car(pool, ada.id, car, level=11)
    await add_transition(pool, ada.id, car, "plugged_in")
    await put_car(pool, ada.id, car, level=12)
    await remove_car(pool, ada.id, (await put_car(pool, ada.id))[0])
    assert await deliverer.deliver_once() == 1
    post = receiver.posts[1]
    body = Webhook(secret).verify(post.body, post.headers)
    assert [it["event"] for it in body["messages"]] == ["transition", "vehicle", "vehicle_removed"]
    assert body["messages"][0]["data"]["replayed"] is False
    assert body["messages"][1]["data"]["vehicle"]["chargeState"]["batteryLevel"] == 12
    assert [it["id"] for it in body["messages"]] == sorted({it["id"] for it in body["messages"]})
    assert body["messages"][-1]["id"] == body["cursor"]


@pytest.mark.parametrize(
    "case",
    [
        (say("OK"), "answer"),
        (say(""), "answer"),
        (say('{"ack": null}'), "answer"),
        (say('{"ack": "msg_other"}'), "answer"),
        (say('["ack"]'), "answer"),
        (say("[" * 30_000), "answer"),
        (say('{"ack": "' + "x" * 70_000), "answer"),
        (say("gone", 410), "status"),
        (say("", 401), "status"),
        (say("", 500), "status"),
        (say("", 307, Location="http://127.0.0.1:1/"), "redirect"),
    ],
)
async def test_only_an_acknowledgement_of_this_message_is_delivery(pool, client, receiver, deliverer, case):
    answer, failure = case
    ada = await add_person(pool)
    car, _ = await put_car(pool, ada.id, level=10)
    await register(client, ada, receiver)
    receiver.answer = answer
    assert await deliverer.deliver_once() == 1
    told = await look(client, ada)
    assert (told["state"], told["last_failure"], told["pending"]) == ("on", failure, True)
    assert told["failing_since"] < told["next_try_at"]
    assert await deliverer.deliver_once() == 0  # not before its time
    assert len(receiver.posts) == 1
    # The retry has the newest state, and is a new message.
    await put_car(pool, ada.id, car, level=20)
    receiver.answer = acknowledge
    await due_now(pool)
    assert await deliverer.deliver_once() == 1
    first, second = receiver.posts
    assert second.json["messages"][0]["data"]["vehicles"][0]["vehicle"]["chargeState"]["batteryLevel"] == 20
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    told = await look(client, ada)
    assert (told["failing_since"], told["next_try_at"], told["pending"]) == (None, None, False)


async def test_the_same_news_sent_again_are_the_same_message(pool, client, receiver, deliverer):
    ada = await add_person(pool)
    await register(client, ada, receiver)
    await deliverer.deliver_once()
    await put_car(pool, ada.id)
    receiver.answer = say("", 503)
    await deliverer.deliver_once()
    await due_now(pool)
    receiver.answer = acknowledge
    await deliverer.deliver_once()
    assert receiver.posts[1].body == receiver.posts[2].body
    assert receiver.posts[1].headers["webhook-id"] == receiver.posts[2].headers["webhook-id"]


async def test_an_endpoint_that_does_not_answer_or_is_not_there_fails_by_its_class(pool, client, receiver, runtime):
    hang = asyncio.Event()

    async def never(_post, _request):
        await hang.wait()
        return web.Response()

    receiver.answer = never
    ada, bob = [await add_person(pool) for _ in range(2)]
    await register(client, ada, receiver)
    await client.put("endpoint", json={"url": "http://127.0.0.1:1/"}, headers=bob.header)
    await Deliverer(pool, runtime.outbound, key=KEY, version="1").deliver_once()
    hang.set()
    assert [(await look(client, it))["last_failure"] for it in (ada, bob)] == ["timeout", "connection"]


async def test_five_days_of_failures_switch_it_off_and_a_probe_switches_it_on(
    pool, client, receiver, deliverer, caplog
):
    ada = await add_person(pool)
    await register(client, ada, receiver, "/api/webhook/s3cret")
    receiver.answer = say("", 500)
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set failing_since = now() - interval '5 days'")
    await due_now(pool)
    await deliverer.deliver_once()
    told = await look(client, ada)
    assert told["state"] == "off"
    assert "is off" in caplog.text
    await due_now(pool)
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set off_at = now() - interval '30 days'")
    await due_now(pool)
    await deliverer.deliver_once()
    told = await look(client, ada)
    assert (told["state"], told["next_try_at"]) == ("off", None)
    await due_now(pool)
    assert await deliverer.deliver_once() == 0
    # Registered again it is tried at once.
    receiver.answer = acknowledge
    await register(client, ada, receiver)
    assert await deliverer.deliver_once() == 1
    assert (await look(client, ada))["state"] == "on"
    await run_sql(pool, "update endpoints set off_at = now(), failures = 9, failing_since = now()")
    await put_car(pool, ada.id)
    assert await deliverer.deliver_once() == 1
    assert (await look(client, ada))["state"] == "on"
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
async def test_nothing_is_sent_to_who_may_not_be_told_now(pool, client, receiver, deliverer, statement):
    ada = await add_person(pool)
    await register(client, ada, receiver)
    await run_sql(pool, statement)
    assert await deliverer.deliver_once() == 0
    assert receiver.posts == []
    # And it is told when it may be again.
    for undo in (
        "update users set plan = 'pro', closed_at = null",
        "update api_keys set revoked_at = null, scopes = '{read,control}'",
        "update settings set value = 'false' where key = 'delivery_paused'",
        "update endpoints set leased_until = now() - interval '1 s' where lease_token is not null",
        "update endpoints set streaming_until = null",
    ):
        await run_sql(pool, undo)
    assert await deliverer.deliver_once() == 1


async def test_a_cursor_of_another_past_or_too_old_gets_a_snapshot_with_a_gap(pool, client, receiver, deliverer):
    ada = await add_person(pool)
    car, _ = await put_car(pool, ada.id)
    await register(client, ada, receiver)
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set epoch = 'another'")
    await deliverer.deliver_once()
    await run_sql(pool, "update endpoints set seq = seq + 100")
    await deliverer.deliver_once()
    await add_transition(pool, ada.id, car, "plugged_in", age="25 h")
    await add_transition(pool, ada.id, car, "charging_started", age="1 h")
    await deliverer.deliver_once()
    bodies = [post.json["messages"] for post in receiver.posts[1:]]
    assert [[it["event"] for it in messages] for messages in bodies] == [
        ["snapshot"],
        ["snapshot"],
        ["snapshot", "transition"],
    ]
    assert [messages[0]["data"].get("gap") for messages in bodies] == [True, True, True]
    replayed = bodies[2][1]["data"]
    assert (replayed["type"], replayed["replayed"]) == ("charging_started", True)
    assert receiver.posts[-1].json["cursor"] == bodies[2][1]["id"]


async def test_what_nobody_sees_moves_the_cursor_without_a_post(pool, client, receiver, deliverer):
    ada = await add_person(pool)
    await register(client, ada, receiver)
    await deliverer.deliver_once()
    await run_sql(pool, "update feeds set seq = seq + 3")
    assert await deliverer.deliver_once() == 1
    assert len(receiver.posts) == 1
    assert (await look(client, ada))["pending"] is False


@asynccontextmanager
async def deliverers(runtime, count, rules=RULES):
    made = [Deliverer(runtime.pool, runtime.outbound, key=KEY, version="1", rules=rules) for _ in range(count)]
    for it in made:
        runtime.feed_waker.subscribe(it.hint)
    async with running(*(it.run() for it in made)):
        yield made


async def test_of_several_processes_one_posts_at_a_time_and_every_change_arrives(pool, client, receiver, runtime):
    ada = await add_person(pool)
    car, _ = await put_car(pool, ada.id)
    await register(client, ada, receiver)
    under_way, most = 0, 0

    async def slowly(post, request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return await acknowledge(post, request)

    receiver.answer = slowly
    async with deliverers(runtime, 4, DeliveryRules(sweep_every=timedelta(seconds=2))):
        seqs = []
        for _ in range(40):
            seqs.append(await add_transition(pool, ada.id, car))
            runtime.feed_waker.wake([ada.id])
            await asyncio.sleep(0.005)
        await until(lambda: receiver.posts and int(receiver.posts[-1].json["cursor"].partition(".")[2]) == seqs[-1])
    assert most == 1
    heard = [it for it in receiver.messages if it["event"] == "transition"]
    assert [int(it["id"].partition(".")[2]) for it in heard] == seqs[len(seqs) - len(heard) :]
    # What is missing at the beginning came with the snapshot.
    assert int(receiver.messages[0]["id"].partition(".")[2]) >= seqs[0] - 1
    assert len(receiver.posts) < 40  # what came together was told together


async def test_stalled_endpoints_do_not_hold_up_the_others(pool, client, receiver, runtime):
    rules = DeliveryRules(quick=2, slow=2, sweep_every=timedelta(hours=1))
    hang = asyncio.Event()

    async def stall(post, request):
        if "stalled" in post.path:
            await hang.wait()
        return await acknowledge(post, request)

    receiver.answer = stall
    stalled = [await add_person(pool) for _ in range(6)]
    quick = await add_person(pool)
    for person in stalled:
        await register(client, person, receiver, "/stalled")
    await register(client, quick, receiver, "/quick")
    # All of them have failed before: they may take what places there are for such.
    await run_sql(pool, "update endpoints set failures = 1, failing_since = now() where url like '%%stalled'")
    async with deliverers(runtime, 1, rules):
        await until(lambda: sum(it.path == "/stalled" for it in receiver.posts) == 2)
        for _ in range(5):
            told = sum(it.path == "/quick" for it in receiver.posts)
            await put_car(pool, quick.id)
            runtime.feed_waker.wake([quick.id])
            await until(lambda told=told: sum(it.path == "/quick" for it in receiver.posts) > told)
        hang.set()
        await until(lambda: sum(it.path == "/stalled" for it in receiver.posts) >= 6)


async def test_a_slow_endpoint_is_known_as_slow_until_it_is_quick_again(pool, client, receiver, runtime):
    deliverer = Deliverer(
        pool, runtime.outbound, key=KEY, version="1", rules=DeliveryRules(slow_after=timedelta(seconds=0.05))
    )

    async def slowly(post, request):
        await asyncio.sleep(0.2)
        return await acknowledge(post, request)

    ada = await add_person(pool)
    await register(client, ada, receiver)
    for answer, slow in ((slowly, True), (acknowledge, False)):
        receiver.answer = answer
        await put_car(pool, ada.id)
        await deliverer.deliver_once()
        async with pool.connection() as connection:
            assert await value(connection, "select slow from endpoints") is slow


async def test_a_process_that_ends_gives_its_leases_back(pool, client, receiver, runtime):
    hang = asyncio.Event()

    async def never(_post, _request):
        await hang.wait()
        return web.Response()

    receiver.answer = never
    ada = await add_person(pool)
    await register(client, ada, receiver)
    async with deliverers(runtime, 1):
        await until(lambda: len(receiver.posts) == 1)
    hang.set()
    receiver.answer = acknowledge
    assert await Deliverer(pool, runtime.outbound, key=KEY, version="1").deliver_once() == 1
    assert (await look(client, ada))["failing_since"] is None


async def test_who_comes_back_late_with_a_lost_lease_changes_nothing(pool, client, receiver, runtime):
    """A process that stood still while its lease ran out, and another one that delivered meanwhile."""
    go_on = asyncio.Event()

    async def wait(_post, _request):
        await go_on.wait()
        return web.Response(status=500)

    receiver.answer = wait
    ada = await add_person(pool)
    await register(client, ada, receiver)
    late = asyncio.create_task(Deliverer(pool, runtime.outbound, key=KEY, version="1").deliver_once())
    await until(lambda: len(receiver.posts) == 1)
    await run_sql(pool, "update endpoints set leased_until = now() - interval '1 s'")
    receiver.answer = acknowledge
    assert await Deliverer(pool, runtime.outbound, key=KEY, version="1").deliver_once() == 1
    go_on.set()
    assert await late == 1
    told = await look(client, ada)
    assert (told["pending"], told["failing_since"]) == (False, None)


async def classic(pool, runtime, person, **registration):
    async with pool.connection() as connection:
        caller = (await authenticate(connection, person.header["Authorization"], scope="read")).caller
    await register_classic(runtime, caller, **{"webhook_id": "entry1", **registration})


async def deliver_all(deliverer):
    while await deliverer.deliver_once():
        pass


async def test_a_classic_client_gets_one_object_a_car_and_says_ok(pool, runtime, receiver, deliverer):
    ada = await add_person(pool)
    cars = [(await put_car(pool, ada.id, level=level))[0] for level in (10, 20)]
    receiver.answer = say("OK")
    await classic(pool, runtime, ada, external_url=receiver.url(""))
    await deliver_all(deliverer)
    assert [post.path for post in receiver.posts] == ["/api/webhook/entry1"] * 2
    assert "webhook-signature" not in receiver.posts[0].headers
    body = receiver.posts[0].json
    assert (body["event"], body["user"]) == ("user:vehicle:updated", {"id": str(ada.id)})
    assert (body["vehicleId"], body["enodeVehicleId"], body["internalVehicleId"]) == (
        "enode-1",
        "enode-1",
        str(cars[0]),
    )
    vehicle = body["vehicle"]
    assert (vehicle["id"], vehicle["enodeId"], vehicle["internalId"]) == ("enode-1", "enode-1", str(cars[0]))
    assert (vehicle["userId"], vehicle["chargeState"]) == (str(ada.id), {"batteryLevel": 10})
    assert vehicle["information"]["displayName"] == "Red"
    await add_transition(pool, ada.id, cars[0])  # is nothing that a classic client knows
    await put_car(pool, ada.id, cars[0], level=11)
    await deliver_all(deliverer)
    assert [post.json["vehicle"]["chargeState"]["batteryLevel"] for post in receiver.posts] == [10, 20, 11]


async def test_a_classic_client_of_one_car_is_told_of_that_one_under_the_id_it_knows(
    pool, runtime, receiver, deliverer
):
    ada = await add_person(pool)
    mine, _ = await put_car(pool, ada.id)
    await put_car(pool, ada.id)
    receiver.answer = say("OK")
    await classic(pool, runtime, ada, external_url=receiver.url(""), vehicle_id=str(mine))
    await deliver_all(deliverer)
    [post] = receiver.posts
    assert (post.json["vehicleId"], post.json["vehicle"]["id"], post.json["internalVehicleId"]) == (str(mine),) * 3
    assert post.json["enodeVehicleId"] == "enode-1"


async def test_a_different_vehicle_is_tried_once_more_under_its_other_id(pool, runtime, receiver, deliverer):
    ada = await add_person(pool)
    car, _ = await put_car(pool, ada.id)

    async def knows_ours(post, _request):
        known = post.json["vehicleId"] == str(car)
        return web.Response(text="OK" if known else "OK (ignored - different vehicle)")

    receiver.answer = knows_ours
    await classic(pool, runtime, ada, external_url=receiver.url(""))
    await deliver_all(deliverer)
    assert [post.json["vehicleId"] for post in receiver.posts] == ["enode-1", str(car)]
    receiver.answer = say("OK (ignored - different vehicle)")
    await put_car(pool, ada.id, car)
    await deliver_all(deliverer)
    assert len(receiver.posts) == 4  # and that is that


@pytest.mark.parametrize("answer", [say("Error", 500), say(""), say("<html>"), say('{"ack": "x"}')])
async def test_a_classic_client_that_does_not_say_ok_is_told_again(pool, runtime, receiver, deliverer, answer):
    ada = await add_person(pool)
    await put_car(pool, ada.id)
    receiver.answer = answer
    await classic(pool, runtime, ada, external_url=receiver.url(""))
    await deliver_all(deliverer)
    assert len(receiver.posts) == 1
    receiver.answer = say("OK")
    await due_now(pool)
    await deliver_all(deliverer)
    assert len(receiver.posts) == 2


async def test_a_classic_endpoint_of_an_empty_account_or_another_past_comes_to_rest(pool, runtime, receiver, deliverer):
    ada = await add_person(pool)
    receiver.answer = say("OK")
    await classic(pool, runtime, ada, external_url=receiver.url(""))
    assert await deliverer.deliver_once() == 1
    assert await deliverer.deliver_once() == 0
    cars = [(await put_car(pool, ada.id))[0] for _ in range(2)]
    await add_transition(pool, ada.id, cars[0], age="30 h")
    await run_sql(pool, "update endpoints set epoch = 'another', seq = 0")
    await deliver_all(deliverer)
    assert len(receiver.posts) == 2


async def test_the_figures_tell_how_many_endpoints_are_in_which_state_and_how_far_behind(pool, client, receiver):
    states = {
        "on": "next_try_at = now()",
        "streaming": "streaming_until = now() + interval '1 minute'",
        "failing": "failures = 1, failing_since = now() - interval '1 hour'",
        "off": "failures = 9, failing_since = now() - interval '6 days', off_at = now()",
    }
    for state, columns in states.items():
        person = await add_person(pool)
        await put_car(pool, person.id)
        await register(client, person, receiver, f"/{state}")
        await run_sql(pool, f"update endpoints set {columns} where url like %s", f"%/{state}")
    quiet = await add_person(pool)
    await register(client, quiet, receiver)
    await run_sql(
        pool,
        "update endpoints e set epoch = f.epoch, seq = f.seq from feeds f where f.user_id = e.user_id and e.user_id = %s",
        quiet.id,
    )
    async with pool.connection() as connection:
        rows = {row[0]: row[1:] for row in await (await connection.execute(DELIVERY_FIGURES)).fetchall()}
    assert {state: count for state, (count, _) in rows.items()} == {"on": 2, "streaming": 1, "failing": 1, "off": 1}
    assert 0 <= rows["on"][1] < 60
    assert 3600 <= rows["failing"][1] < 3660
    assert 6 * 86400 <= rows["off"][1] < 6 * 86400 + 60


async def test_an_endpoint_goes_with_its_key(pool, client, receiver):
    ada, bob = [await add_person(pool) for _ in range(2)]
    for person in (ada, bob):
        await register(client, person, receiver)
    await run_sql(pool, "update api_keys set revoked_at = now() where id = %s", ada.credential)
    async with pool.connection() as connection:
        await prune(connection)
        assert await value(connection, "select array_agg(credential_id) from endpoints") == [bob.credential]
