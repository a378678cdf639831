"""A stream and an endpoint of one installation: only one of them delivers at a time, and nothing is lost between."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.delivery import stream_lease
from relay.delivery.repository import upsert_endpoint
from relay.delivery.stream_lease import UNHELD_LEASE, acquire_stream_lease, release_stream_lease
from relay.streams.listener import StreamListener
from relay.streams.rules import StreamRules
from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from tests.relay.support.endpoints import SECRET_KEY, open_test_outbound
from tests.relay.support.feed import add_transition, add_user, fetch_value, put_vehicle, run_in_background, wait_until
from tests.relay.support.streams import RelayProcess, open_stream

NEVER = timedelta(hours=1)
RULES = StreamRules(sweep_interval=NEVER, heartbeat_interval=NEVER, recheck_interval=timedelta(seconds=0.1))


async def register(pool, user, url):
    async with pool.connection() as connection:
        await upsert_endpoint(connection, user_id=user.id, credential_id=user.credential, url=url)


async def select_endpoint(pool, expression):
    async with pool.connection() as connection:
        return await fetch_value(connection, f"select {expression} from endpoints")


@asynccontextmanager
async def run_deliverer(pool, relay):
    async with open_test_outbound() as outbound:
        deliverer = Deliverer(
            pool, outbound, secret_key=SECRET_KEY, version="1", rules=DeliveryRules(sweep_interval=NEVER)
        )
        relay.waker.add_callback(deliverer.add_hint)
        async with run_in_background(deliverer.run()):
            yield deliverer


async def test_endpoint_gets_deliveries_only_while_no_stream_is_open(pool, http, receiver):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    async with RelayProcess(pool, RULES).serve() as relay:
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            assert await select_endpoint(pool, "streaming_until > now() + interval '50 s'")
            async with run_deliverer(pool, relay) as deliverer:
                await add_transition(pool, ada.id, vehicle_id)
                relay.waker.wake([ada.id])
                assert (await stream.read_event()).name == "transition"
                assert await deliverer.deliver_once() == 0
                assert receiver.posts == []
        async with run_deliverer(pool, relay):
            # The end of the stream wakes the deliverer, which never sweeps here.
            await wait_until(lambda: len(receiver.posts) == 1)
            assert receiver.messages[0]["event"] == "snapshot"
            async with open_stream(http, relay, ada) as stream:
                await stream.read_event()
                seq = await add_transition(pool, ada.id, vehicle_id)
                relay.waker.wake([ada.id])
                assert (await stream.read_event()).seq == seq
                assert len(receiver.posts) == 1
            # The stream has just sent this, so it may have been lost: it is sent again, with the same sequence number.
            await wait_until(lambda: len(receiver.posts) == 2)
            assert [message["id"].partition(".")[2] for message in receiver.posts[1].json["messages"]] == [str(seq)]


async def test_first_post_has_the_transitions_since_the_registration(pool, http, receiver):
    """The stream may have ended before it delivered them, and the snapshot's id tells the client to resume after it."""
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    async with pool.connection() as connection:
        await acquire_stream_lease(connection, ada.credential, None)
    seq = await add_transition(pool, ada.id, vehicle_id)
    async with pool.connection() as connection:
        await release_stream_lease(connection, ada.credential, None)
    async with RelayProcess(pool, RULES).serve() as relay, run_deliverer(pool, relay):
        relay.waker.wake([ada.id])
        await wait_until(lambda: len(receiver.posts) == 1)
    snapshot, *transitions = receiver.messages
    assert (snapshot["event"], [message["event"] for message in transitions]) == ("snapshot", ["transition"])
    assert [int(message["id"].partition(".")[2]) for message in receiver.messages] == [seq - 1, seq]


async def test_endpoint_takes_over_at_once_although_it_failed_before_the_stream(pool, http, receiver):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    async with pool.connection() as connection:
        # A Home Assistant refuses a POST that overtakes its stream. Several short interruptions add up.
        failing = "failures = 6, failing_since = now() - interval '6 days', next_try_at = now() + interval '1 hour'"
        await connection.execute(f"update endpoints set {failing}")
    async with RelayProcess(pool, RULES).serve() as relay, run_deliverer(pool, relay):
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            assert await select_endpoint(pool, "failures = 0 and failing_since is null")
        await wait_until(lambda: len(receiver.posts) == 1)


async def test_stream_that_ends_during_a_lease_renewal_releases_the_lease(pool, http, receiver, monkeypatch):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    renewing, ended, resume = asyncio.Event(), asyncio.Event(), asyncio.Event()
    end = StreamListener.end

    async def acquire_slowly(connection, credential_id, delivered_cursor, *, held_until):
        ends_at = await acquire_stream_lease(connection, credential_id, delivered_cursor, held_until=held_until)
        if held_until is not None:
            renewing.set()
            await resume.wait()
        return ends_at

    def end_and_signal(listener, *bye):
        end(listener, *bye)
        ended.set()

    monkeypatch.setattr(stream_lease, "acquire_stream_lease", acquire_slowly)
    monkeypatch.setattr(StreamListener, "end", end_and_signal)
    async with RelayProcess(pool, RULES).serve() as relay, run_deliverer(pool, relay):
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            await renewing.wait()
        await ended.wait()
        for _ in range(50):  # let everything run that the end has triggered in this event loop
            await asyncio.sleep(0)
        resume.set()
        await wait_until(lambda: len(receiver.posts) == 1)


async def test_endpoint_registered_while_a_stream_is_open_takes_over_when_it_ends(pool, http, receiver):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    rules = replace(RULES, recheck_interval=NEVER)  # the stream ends before it learns of the endpoint
    async with RelayProcess(pool, rules).serve() as relay, run_deliverer(pool, relay):
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            await register(pool, ada, receiver.url())
            async with pool.connection() as connection:  # as PUT endpoint does
                await acquire_stream_lease(connection, ada.credential, None, held_until=UNHELD_LEASE)
            relay.waker.wake([ada.id])
            assert receiver.posts == []
        await wait_until(lambda: len(receiver.posts) == 1)


async def test_endpoint_cursor_lags_behind_the_stream(pool, http, receiver, monkeypatch):
    monkeypatch.setattr("relay.usecases.feed.stream_events.ASSUME_DELIVERED_AFTER", timedelta(seconds=0.3))
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    async with RelayProcess(pool, RULES).serve() as relay, open_stream(http, relay, ada) as stream:
        await stream.read_event()
        seq = await add_transition(pool, ada.id, vehicle_id)
        relay.waker.wake([ada.id])
        await stream.read_event()
        assert await select_endpoint(pool, "coalesce(seq, 0)") < seq
        async with asyncio.timeout(10):
            while await select_endpoint(pool, "coalesce(seq, 0)") != seq:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_endpoint_stays_quiet_when_a_replaced_stream_ends(pool, http, receiver, elsewhere):
    """A client may reconnect before its broken connection is noticed."""
    ada = await add_user(pool)
    await register(pool, ada, receiver.url())
    rules = StreamRules(sweep_interval=NEVER, heartbeat_interval=NEVER, recheck_interval=NEVER)
    async with RelayProcess(pool, rules).serve() as relay, RelayProcess(pool, rules).serve() as other:
        async with open_stream(http, relay, ada) as old:
            await old.read_event()
            async with open_stream(http, other if elsewhere else relay, ada) as new:
                await new.read_event()
                old.response.close()
                await wait_until(lambda: relay.hub.stream_count == (0 if elsewhere else 1))
                assert await select_endpoint(pool, "streaming_until > now() + interval '50 s'")
        async with asyncio.timeout(10):
            while await select_endpoint(pool, "streaming_until is not null"):
                await asyncio.sleep(0.02)


async def test_stream_of_another_key_does_not_lease_the_endpoint(pool, http, receiver):
    ada, bob = [await add_user(pool) for _ in range(2)]
    await register(pool, ada, receiver.url())
    async with RelayProcess(pool, RULES).serve() as relay, open_stream(http, relay, bob) as stream:
        await stream.read_event()
        assert await select_endpoint(pool, "streaming_until is null")
