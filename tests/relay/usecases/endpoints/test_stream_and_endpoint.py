"""A stream and an endpoint of one Home Assistant: while one tells, the other is quiet; nothing is lost between."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.repository import upsert_endpoint
from relay.delivery.stream_lease import UNHELD_LEASE, acquire_stream_lease, release_stream_lease
from relay.feed.cursor import Cursor
from relay.streams.hub import StreamRules
from relay.streams.listener import StreamListener
from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from relay.usecases.feed import stream_events
from relay.usecases.feed.stream_events import ASSUME_DELIVERED_AFTER, DeliveredCursorTracker
from tests.relay.support.endpoints import SECRET_KEY, open_test_outbound
from tests.relay.support.feed import add_transition, add_user, fetch_value, put_vehicle, running, wait_until
from tests.relay.usecases.feed.test_stream_events import RelayProcess, http, open_stream

__all__ = ["http"]
NEVER = timedelta(hours=1)
RULES = StreamRules(sweep_interval=NEVER, heartbeat_interval=NEVER, recheck_interval=timedelta(seconds=0.1))


async def register(pool, person, url):
    async with pool.connection() as connection:
        await upsert_endpoint(connection, user_id=person.id, credential_id=person.credential, url=url)


async def column(pool, name):
    async with pool.connection() as connection:
        return await fetch_value(connection, f"select {name} from endpoints")


@asynccontextmanager
async def delivering(pool, relay):
    async with open_test_outbound() as outbound:
        deliverer = Deliverer(
            pool, outbound, secret_key=SECRET_KEY, version="1", rules=DeliveryRules(sweep_interval=NEVER)
        )
        relay.waker.add_callback(deliverer.add_hint)
        async with running(deliverer.run()):
            yield deliverer


async def test_an_endpoint_is_quiet_while_the_stream_is_open_and_takes_over_when_it_ends(pool, http, receiver):
    ada = await add_user(pool)
    car, _ = await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    async with RelayProcess(pool, RULES).serve() as relay:
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            assert await column(pool, "streaming_until > now() + interval '50 s'")
            async with delivering(pool, relay) as deliverer:
                await add_transition(pool, ada.id, car)
                relay.waker.wake([ada.id])
                assert (await stream.read_event()).name == "transition"
                assert await deliverer.deliver_once() == 0
                assert receiver.posts == []
        async with delivering(pool, relay):
            # The deliverer is woken by the end of a stream, not by its sweep.
            await wait_until(lambda: len(receiver.posts) == 1)
            assert receiver.messages[0]["event"] == "snapshot"
            async with open_stream(http, relay, ada) as stream:
                await stream.read_event()
                seq = await add_transition(pool, ada.id, car)
                relay.waker.wake([ada.id])
                assert (await stream.read_event()).seq == seq
                assert len(receiver.posts) == 1
            # So soon nobody knows what the client really got: it is told again, and knows it by its number.
            await wait_until(lambda: len(receiver.posts) == 2)
            assert [it["id"].partition(".")[2] for it in receiver.posts[1].json["messages"]] == [str(seq)]


async def test_a_stream_that_ends_while_it_holds_on_leaves_no_hold(pool, http, receiver, monkeypatch):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    holding, left, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    end = StreamListener.end

    async def hold_slowly(connection, credential_id, told, *, held):
        until_ = await acquire_stream_lease(connection, credential_id, told, held_until=held)
        if held is not None:
            holding.set()
            await go_on.wait()
        return until_

    def end_and_tell(subscription, *bye):
        end(subscription, *bye)
        left.set()

    monkeypatch.setattr(stream_events, "acquire_stream_lease", hold_slowly)
    monkeypatch.setattr(StreamListener, "end", end_and_tell)
    async with RelayProcess(pool, RULES).serve() as relay, delivering(pool, relay):
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            await holding.wait()
        await left.wait()
        for _ in range(50):  # what follows from that in this very loop has followed
            await asyncio.sleep(0)
        go_on.set()
        await wait_until(lambda: len(receiver.posts) == 1)


async def test_an_endpoint_registered_while_the_stream_is_open_takes_over_when_it_ends(pool, http, receiver):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    rules = replace(RULES, recheck_interval=NEVER)  # the stream ends before it hears of the endpoint
    async with RelayProcess(pool, rules).serve() as relay, delivering(pool, relay):
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            await register(pool, ada, receiver.url())
            async with pool.connection() as connection:  # as PUT endpoint does
                await acquire_stream_lease(connection, ada.credential, None, held_until=UNHELD_LEASE)
            relay.waker.wake([ada.id])
            assert receiver.posts == []
        await wait_until(lambda: len(receiver.posts) == 1)


async def test_the_endpoint_s_cursor_follows_at_a_distance(pool, http, receiver, monkeypatch):
    monkeypatch.setattr("relay.usecases.feed.stream_events.ASSUME_DELIVERED_AFTER", timedelta(seconds=0.3))
    ada = await add_user(pool)
    car, _ = await put_vehicle(pool, ada.id)
    await register(pool, ada, receiver.url())
    async with RelayProcess(pool, RULES).serve() as relay, open_stream(http, relay, ada) as stream:
        await stream.read_event()
        seq = await add_transition(pool, ada.id, car)
        relay.waker.wake([ada.id])
        await stream.read_event()
        assert await column(pool, "coalesce(seq, 0)") < seq
        async with asyncio.timeout(10):
            while await column(pool, "coalesce(seq, 0)") != seq:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_it_stays_quiet_when_a_stream_ends_that_another_one_has_replaced(pool, http, receiver, elsewhere):
    """A client that reconnects is there before its broken connection is noticed."""
    ada = await add_user(pool)
    await register(pool, ada, receiver.url())
    seldom = StreamRules(sweep_interval=NEVER, heartbeat_interval=NEVER, recheck_interval=NEVER)
    async with RelayProcess(pool, seldom).serve() as relay, RelayProcess(pool, seldom).serve() as other:
        async with open_stream(http, relay, ada) as old:
            await old.read_event()
            async with open_stream(http, other if elsewhere else relay, ada) as new:
                await new.read_event()
                old.response.close()
                await wait_until(lambda: relay.hub.stream_count == (0 if elsewhere else 1))
                assert await column(pool, "streaming_until > now() + interval '50 s'")
        async with asyncio.timeout(10):
            while await column(pool, "streaming_until is not null"):
                await asyncio.sleep(0.02)


async def test_streams_of_other_keys_leave_it_alone(pool, http, receiver):
    ada, bob = [await add_user(pool) for _ in range(2)]
    await register(pool, ada, receiver.url())
    async with RelayProcess(pool, RULES).serve() as relay, open_stream(http, relay, bob) as stream:
        await stream.read_event()
        assert await column(pool, "streaming_until is null")


async def test_a_cursor_never_goes_back_but_into_the_stream_s_epoch(pool, receiver):
    ada = await add_user(pool)
    await register(pool, ada, receiver.url())
    async with pool.connection() as connection:
        for told, expected in [
            (None, None),
            (Cursor(epoch="a", seq=5), "a.5"),
            (Cursor(epoch="a", seq=3), "a.5"),
            (Cursor(epoch="a", seq=6), "a.6"),
            (None, "a.6"),
            (Cursor(epoch="b", seq=1), "b.1"),
        ]:
            await acquire_stream_lease(connection, ada.credential, told)
            assert await fetch_value(connection, "select epoch || '.' || seq from endpoints") == expected
        held = await acquire_stream_lease(connection, ada.credential, None)
        assert await release_stream_lease(connection, ada.credential, held) is True
        assert await release_stream_lease(connection, ada.credential, held) is False


async def test_a_stream_that_was_replaced_holds_nothing_until_it_is_free_again(pool, receiver):
    ada = await add_user(pool)
    await register(pool, ada, receiver.url())
    async with pool.connection() as connection:
        old = await acquire_stream_lease(connection, ada.credential, None)
        new = await acquire_stream_lease(connection, ada.credential, None)
        assert await acquire_stream_lease(connection, ada.credential, Cursor(epoch="a", seq=5), held_until=old) is None
        assert await acquire_stream_lease(connection, ada.credential, None, held_until=UNHELD_LEASE) is None
        assert await fetch_value(connection, "select seq is null and streaming_until = %s from endpoints", new)
        newer = await acquire_stream_lease(connection, ada.credential, None, held_until=new)
        assert newer > new
        assert await release_stream_lease(connection, ada.credential, newer)
        assert await acquire_stream_lease(connection, ada.credential, None, held_until=old) > newer


@given(st.lists(st.floats(0.1, 40), min_size=1, max_size=60))
def test_what_is_surely_told_was_sent_a_minute_ago_and_not_much_longer(waits):
    told, now, sent = DeliveredCursorTracker(ASSUME_DELIVERED_AFTER), 0.0, []
    for seq, wait in enumerate(waits):
        now += wait
        sent.append((now, seq))
        surely = told.update(Cursor(epoch="e", seq=seq), now)
        old = [it for at, it in sent if at <= now - 60]
        assert (surely.seq if surely else None) == (old[-1] if old else None)
