"""The delivery queue with several processes and with slow endpoints, its metrics, and its pruning."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from relay.delivery.metrics import DELIVERY_METRICS
from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.endpoints import (
    SECRET_KEY,
    acknowledge,
    get_endpoint_record,
    register_receiver,
    run_sql,
)
from tests.relay.support.feed import add_transition, add_user, fetch_value, put_vehicle, run_in_background, wait_until

RULES = DeliveryRules(sweep_interval=timedelta(hours=1))


@asynccontextmanager
async def run_deliverers(runtime, count, rules=RULES):
    deliverers = [
        Deliverer(runtime.pool, runtime.outbound, secret_key=SECRET_KEY, version="1", rules=rules) for _ in range(count)
    ]
    for deliverer in deliverers:
        runtime.feed_waker.add_callback(deliverer.add_hint)
    async with run_in_background(*(deliverer.run() for deliverer in deliverers)):
        yield deliverers


async def test_several_processes_post_to_an_endpoint_one_at_a_time(pool, client, receiver, runtime):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await register_receiver(client, ada, receiver)
    in_flight, max_in_flight = 0, 0

    async def slowly(post, request):
        nonlocal in_flight, max_in_flight
        in_flight += 1
        max_in_flight = max(max_in_flight, in_flight)
        await asyncio.sleep(0.02)
        in_flight -= 1
        return await acknowledge(post, request)

    receiver.answer = slowly
    async with run_deliverers(runtime, 4, DeliveryRules(sweep_interval=timedelta(seconds=2))):
        seqs = []
        for _ in range(40):
            seqs.append(await add_transition(pool, ada.id, vehicle_id))
            runtime.feed_waker.wake([ada.id])
            await asyncio.sleep(0.005)
        await wait_until(
            lambda: receiver.posts and int(receiver.posts[-1].json["cursor"].partition(".")[2]) == seqs[-1]
        )
    assert max_in_flight == 1
    events = [message for message in receiver.messages if message["event"] == "transition"]
    assert [int(event["id"].partition(".")[2]) for event in events] == seqs[len(seqs) - len(events) :]
    # The snapshot covers the first ones.
    assert int(receiver.messages[0]["id"].partition(".")[2]) >= seqs[0] - 1
    assert len(receiver.posts) < 40  # changes that came together were sent together


async def test_stalled_endpoints_do_not_delay_others(pool, client, receiver, runtime):
    rules = DeliveryRules(quick_slots=2, slow_slots=2, sweep_interval=timedelta(hours=1))
    hang = asyncio.Event()

    async def stall(post, request):
        if "stalled" in post.path:
            await hang.wait()
        return await acknowledge(post, request)

    receiver.answer = stall
    stalled = [await add_user(pool) for _ in range(6)]
    quick = await add_user(pool)
    for user in stalled:
        await register_receiver(client, user, receiver, "/stalled")
    await register_receiver(client, quick, receiver, "/quick")
    # They have all failed before, so they only get slow slots.
    await run_sql(pool, "update endpoints set failures = 1, failing_since = now() where url like '%%stalled'")
    async with run_deliverers(runtime, 1, rules):
        await wait_until(lambda: sum(request.path == "/stalled" for request in receiver.posts) == 2)
        for _ in range(5):
            count = sum(request.path == "/quick" for request in receiver.posts)
            await put_vehicle(pool, quick.id)
            runtime.feed_waker.wake([quick.id])
            await wait_until(lambda count=count: sum(request.path == "/quick" for request in receiver.posts) > count)
        hang.set()
        await wait_until(lambda: sum(request.path == "/stalled" for request in receiver.posts) >= 6)


async def test_endpoint_is_marked_slow_until_a_quick_delivery(pool, client, receiver, runtime):
    deliverer = Deliverer(
        pool,
        runtime.outbound,
        secret_key=SECRET_KEY,
        version="1",
        rules=DeliveryRules(slow_after=timedelta(seconds=0.05)),
    )

    async def slowly(post, request):
        await asyncio.sleep(0.2)
        return await acknowledge(post, request)

    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    for answer, slow in ((slowly, True), (acknowledge, False)):
        receiver.answer = answer
        await put_vehicle(pool, ada.id)
        await deliverer.deliver_once()
        async with pool.connection() as connection:
            assert await fetch_value(connection, "select slow from endpoints") is slow


async def test_cancelled_deliverer_releases_its_leases(pool, client, receiver, runtime):
    hang = asyncio.Event()

    async def never(_post, _request):
        await hang.wait()
        return web.Response()

    receiver.answer = never
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    async with run_deliverers(runtime, 1):
        await wait_until(lambda: len(receiver.posts) == 1)
    hang.set()
    receiver.answer = acknowledge
    assert await Deliverer(pool, runtime.outbound, secret_key=SECRET_KEY, version="1").deliver_once() == 1
    assert (await get_endpoint_record(client, ada))["failing_since"] is None


async def test_outcome_under_a_lost_lease_is_ignored(pool, client, receiver, runtime):
    """One process stalls until its lease has run out, and another one delivers meanwhile."""
    resume = asyncio.Event()

    async def wait(_post, _request):
        await resume.wait()
        return web.Response(status=500)

    receiver.answer = wait
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    late = asyncio.create_task(Deliverer(pool, runtime.outbound, secret_key=SECRET_KEY, version="1").deliver_once())
    await wait_until(lambda: len(receiver.posts) == 1)
    await run_sql(pool, "update endpoints set leased_until = now() - interval '1 s'")
    receiver.answer = acknowledge
    assert await Deliverer(pool, runtime.outbound, secret_key=SECRET_KEY, version="1").deliver_once() == 1
    resume.set()
    assert await late == 1
    record = await get_endpoint_record(client, ada)
    assert (record["pending"], record["failing_since"]) == (False, None)


async def test_metrics_count_endpoints_by_state_and_report_the_oldest_delay(pool, client, receiver):
    states = {
        "on": "next_try_at = now()",
        "streaming": "streaming_until = now() + interval '1 minute'",
        "failing": "failures = 1, failing_since = now() - interval '1 hour'",
        "off": "failures = 9, failing_since = now() - interval '6 days', off_at = now()",
    }
    for state, columns in states.items():
        user = await add_user(pool)
        await put_vehicle(pool, user.id)
        await register_receiver(client, user, receiver, f"/{state}")
        await run_sql(pool, f"update endpoints set {columns} where url like %s", f"%/{state}")
    quiet = await add_user(pool)
    await register_receiver(client, quiet, receiver)
    await run_sql(
        pool,
        "update endpoints e set epoch = f.epoch, seq = f.seq from feeds f"
        " where f.user_id = e.user_id and e.user_id = %s",
        quiet.id,
    )
    async with pool.connection() as connection:
        rows = {row[0]: row[1:] for row in await (await connection.execute(DELIVERY_METRICS)).fetchall()}
    assert {state: count for state, (count, _) in rows.items()} == {"on": 2, "streaming": 1, "failing": 1, "off": 1}
    assert 0 <= rows["on"][1] < 60
    assert 3600 <= rows["failing"][1] < 3660
    assert 6 * 86400 <= rows["off"][1] < 6 * 86400 + 60


async def test_pruning_deletes_endpoints_of_revoked_keys(pool, client, receiver):
    ada, bob = [await add_user(pool) for _ in range(2)]
    for user in (ada, bob):
        await register_receiver(client, user, receiver)
    await run_sql(pool, "update api_keys set revoked_at = now() where id = %s", ada.credential)
    async with pool.connection() as connection:
        await prune_old_rows(connection, Retention())
        assert await fetch_value(connection, "select array_agg(credential_id) from endpoints") == [bob.credential]
