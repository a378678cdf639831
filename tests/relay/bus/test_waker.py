import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from relay.bus.postgres import ListenerTimings, PostgresListener
from relay.bus.waker import FEED_CHANNEL, INBOX_CHANNEL, Waker
from relay.kit.database import open_pool
from tests.relay.support.feed import running, wait_until

QUICK = ListenerTimings(
    test_interval=timedelta(seconds=0.3), test_timeout=timedelta(seconds=2), poll_interval=timedelta(seconds=0.05)
)


class Hints(list):
    """Collects hints and lets a test wait for one."""

    def __init__(self, waker):
        super().__init__()
        self._changed = asyncio.Event()
        waker.add_callback(self._take)

    def _take(self, hint):
        self.append(hint)
        self._changed.set()

    async def until(self, enough):
        async with asyncio.timeout(10):
            while not enough(self):
                self._changed.clear()
                await self._changed.wait()


async def until_status(listener, status):
    await wait_until(lambda: listener.status == status)


async def test_hints_are_told_here_at_once_and_sent_together(pool, database_url):
    users = [uuid4() for _ in range(1000)]
    waker = Waker(pool, FEED_CHANNEL)
    hints = Hints(waker)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
        await other.execute(sql.SQL("listen {}").format(sql.Identifier(FEED_CHANNEL)))
        for user in users:
            waker.wake([user])
        assert len(hints) == 1000
        heard = []
        async with running(waker.run()):
            while len(heard) < 5:
                heard += [notice async for notice in other.notifies(timeout=10, stop_after=1)]
            # Nothing more follows: the next notification is that of the next wake-up.
            last = uuid4()
            waker.wake([last])
            [end] = [notice async for notice in other.notifies(timeout=10, stop_after=1)]
    assert end.payload.split()[1:] == [last.hex]
    assert len(heard) == 5
    assert all(len(notice.payload) < 8000 for notice in heard)
    assert sorted(name for notice in heard for name in notice.payload.split()[1:]) == sorted(it.hex for it in users)


async def test_other_processes_hear_and_the_sender_does_not_hear_itself(pool, database_url):
    here, there = Waker(pool, FEED_CHANNEL), Waker(pool, FEED_CHANNEL)
    inbox = Waker(pool, INBOX_CHANNEL)
    listeners = [PostgresListener(database_url, pool, [here]), PostgresListener(database_url, pool, [there, inbox])]
    hints = {waker: Hints(waker) for waker in (here, there, inbox)}
    async with running(here.run(), there.run(), inbox.run(), *(listener.run() for listener in listeners)):
        for listener in listeners:
            await until_status(listener, "listening")
        for heard in hints.values():
            heard.clear()  # all are told to look once a connection listens
        one, two = uuid4(), uuid4()
        here.wake([one])
        await hints[there].until(lambda it: it == [{one}])
        there.wake([two])
        await hints[here].until(lambda it: {two} in it)
    assert hints[here] == [{one}, {two}]
    assert hints[there] == [{one}, {two}]
    assert hints[inbox] == []


async def test_a_payload_of_another_relay_means_that_anybody_may_have_news(pool):
    waker = Waker(pool, FEED_CHANNEL)
    hints = Hints(waker)
    waker.receive("someone ids=by-another-way")
    assert hints == [None]


async def test_a_hint_that_cannot_be_sent_stops_nothing(pool, database_url, caplog):
    waker = Waker(pool, FEED_CHANNEL)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name='evconduit'")
        await owner.execute(sql.SQL("listen {}").format(sql.Identifier(FEED_CHANNEL)))
        async with running(waker.run()), asyncio.timeout(10):
            waker.wake([uuid4()])
            while "was not sent" not in caplog.text:
                await asyncio.sleep(0.01)
                waker.wake([uuid4()])
            last = uuid4()
            heard = ""
            while last.hex not in heard:
                waker.wake([last])
                heard = "".join([it.payload async for it in owner.notifies(timeout=0.2, stop_after=1)])


async def test_a_lost_connection_is_made_again_and_everybody_told_to_look(pool, database_url):
    here, there = Waker(pool, FEED_CHANNEL), Waker(pool, FEED_CHANNEL)
    listener = PostgresListener(database_url, pool, [there], timings=QUICK)
    hints = Hints(there)
    async with (
        running(here.run(), listener.run()),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        await until_status(listener, "listening")
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'evconduit listen'"
        )
        await until_status(listener, "reconnecting")
        hints.clear()
        await until_status(listener, "listening")
        assert None in hints
        user = uuid4()
        here.wake([user])
        await hints.until(lambda it: {user} in it)


@pytest.fixture
async def elsewhere(postgres):
    """A connection string whose notifications do not reach the test's database: what a transaction pooler does."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database elsewhere template template")
        yield psycopg.conninfo.make_conninfo(postgres, dbname="elsewhere")
        connection.execute("drop database elsewhere with (force)")


async def test_behind_a_transaction_pooler_it_says_so_once_and_polls(pool, elsewhere, caplog):
    waker = Waker(pool, FEED_CHANNEL)
    hints = Hints(waker)
    times = ListenerTimings(
        test_interval=timedelta(seconds=0.1), test_timeout=timedelta(seconds=0.1), poll_interval=timedelta(seconds=0.02)
    )
    listener = PostgresListener(elsewhere, pool, [waker], timings=times)
    async with running(listener.run()):
        await until_status(listener, "polling")
        before = len(hints)
        await hints.until(lambda it: len(it) > before + 20)
    assert hints[-1] is None
    assert caplog.text.count("transaction pooler") == 1


async def test_it_listens_again_when_the_pooler_is_gone(pool, elsewhere, database_url):
    class Detour:
        """A pool that begins in another database."""

        def __init__(self, wrong, right):
            self.pools = [wrong, right]

        @asynccontextmanager
        async def connection(self):
            async with self.pools[0].connection() as connection:
                yield connection
            if len(self.pools) > 1:
                self.pools.pop(0)

    waker = Waker(pool, FEED_CHANNEL)
    times = ListenerTimings(test_interval=timedelta(seconds=0.1), test_timeout=timedelta(seconds=0.5))
    async with open_pool(elsewhere, size=2) as wrong:
        listener = PostgresListener(database_url, Detour(wrong, pool), [waker], timings=times)
        async with running(listener.run()):
            await until_status(listener, "polling")
            await until_status(listener, "listening")
