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
from tests.relay.support.feed import run_in_background, wait_until

QUICK = ListenerTimings(
    test_interval=timedelta(seconds=0.3), test_timeout=timedelta(seconds=2), poll_interval=timedelta(seconds=0.05)
)


class Hints(list):
    """Collects a waker's hints and lets a test wait for them."""

    def __init__(self, waker):
        super().__init__()
        self._changed = asyncio.Event()
        waker.add_callback(self._add)

    def _add(self, hint):
        self.append(hint)
        self._changed.set()

    async def wait_until(self, condition):
        async with asyncio.timeout(10):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()


async def wait_until_status(listener, status):
    await wait_until(lambda: listener.status == status)


async def test_hints_are_passed_on_locally_at_once_and_sent_in_batches(pool, database_url):
    user_ids = [uuid4() for _ in range(1000)]
    waker = Waker(pool, FEED_CHANNEL)
    hints = Hints(waker)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
        await other.execute(sql.SQL("listen {}").format(sql.Identifier(FEED_CHANNEL)))
        for user_id in user_ids:
            waker.wake([user_id])
        assert len(hints) == 1000
        notifications = []
        async with run_in_background(waker.run()):
            while len(notifications) < 5:
                notifications += [notice async for notice in other.notifies(timeout=10, stop_after=1)]
            # There is no sixth one: the next notification is that of the next wake-up.
            last = uuid4()
            waker.wake([last])
            [end] = [notice async for notice in other.notifies(timeout=10, stop_after=1)]
    assert end.payload.split()[1:] == [last.hex]
    assert len(notifications) == 5
    assert all(len(notice.payload) < 8000 for notice in notifications)
    assert sorted(name for notice in notifications for name in notice.payload.split()[1:]) == sorted(
        user_id.hex for user_id in user_ids
    )


async def test_other_processes_receive_hints_and_the_sender_ignores_its_own(pool, database_url):
    local, remote = Waker(pool, FEED_CHANNEL), Waker(pool, FEED_CHANNEL)
    inbox = Waker(pool, INBOX_CHANNEL)
    listeners = [PostgresListener(database_url, pool, [local]), PostgresListener(database_url, pool, [remote, inbox])]
    hints = {waker: Hints(waker) for waker in (local, remote, inbox)}
    async with run_in_background(local.run(), remote.run(), inbox.run(), *(listener.run() for listener in listeners)):
        for listener in listeners:
            await wait_until_status(listener, "listening")
        for received in hints.values():
            received.clear()  # a new connection notifies the wakers of all users
        one, two = uuid4(), uuid4()
        local.wake([one])
        await hints[remote].wait_until(lambda hinted: hinted == [{one}])
        remote.wake([two])
        await hints[local].wait_until(lambda hinted: {two} in hinted)
    assert hints[local] == [{one}, {two}]
    assert hints[remote] == [{one}, {two}]
    assert hints[inbox] == []


async def test_malformed_payload_is_a_hint_for_all_users(pool):
    waker = Waker(pool, FEED_CHANNEL)
    hints = Hints(waker)
    waker.receive("someone ids=by-another-way")
    assert hints == [None]


HOSTILE_PAYLOADS = [
    " ",
    "\t\n ",
    "\N{NO-BREAK SPACE}",
    "x" * 7999,
    "--",
    "s " + "0" * 32 + " \N{BOMB}",
    "s {} []",
]


async def test_listener_survives_blank_and_hostile_notifications_of_any_login(pool, database_url, caplog):
    caplog.set_level("INFO", "relay")
    waker = Waker(pool, FEED_CHANNEL)
    hints = Hints(waker)
    listener = PostgresListener(database_url, pool, [waker])
    async with (
        run_in_background(listener.run()),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other,
    ):
        await wait_until_status(listener, "listening")
        await other.execute(sql.SQL("notify {}").format(sql.Identifier(FEED_CHANNEL)))
        for payload in HOSTILE_PAYLOADS:
            await other.execute("select pg_notify(%s, %s)", [FEED_CHANNEL, payload])
        last = uuid4()
        await other.execute("select pg_notify(%s, %s)", [FEED_CHANNEL, f"other {last}"])
        await hints.wait_until(lambda hinted: {last} in hinted)
        assert listener.status == "listening"
    assert [record.message for record in caplog.records] == ["wake-up listener connected transport=postgres"]


async def test_listener_reconnects_after_a_notification_that_is_not_text(pool, postgres, caplog):
    with psycopg.connect(postgres, autocommit=True) as owner:
        owner.execute("create database bytes template template0 encoding 'SQL_ASCII' locale 'C'")
        conninfo = psycopg.conninfo.make_conninfo(postgres, dbname="bytes", client_encoding="SQL_ASCII")
        try:
            async with open_pool(conninfo, size=2) as bytes_pool:
                listener = PostgresListener(conninfo, bytes_pool, [Waker(pool, FEED_CHANNEL)])
                async with run_in_background(listener.run()):
                    await wait_until_status(listener, "listening")
                    async with bytes_pool.connection() as connection:
                        await connection.execute(f"notify {FEED_CHANNEL}, E'\\xff'")
                    await wait_until(lambda: "error=UnicodeDecodeError" in caplog.text)
                    await wait_until_status(listener, "listening")
        finally:
            owner.execute("drop database bytes with (force)")


async def test_hints_are_sent_again_after_a_failed_send(pool, database_url, caplog):
    waker = Waker(pool, FEED_CHANNEL)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name='evconduit'")
        await owner.execute(sql.SQL("listen {}").format(sql.Identifier(FEED_CHANNEL)))
        async with run_in_background(waker.run()), asyncio.timeout(10):
            waker.wake([uuid4()])
            while "wake-up not sent" not in caplog.text:
                await asyncio.sleep(0.01)
                waker.wake([uuid4()])
            last = uuid4()
            payloads = ""
            while last.hex not in payloads:
                waker.wake([last])
                payloads = "".join(
                    [notification.payload async for notification in owner.notifies(timeout=0.2, stop_after=1)]
                )


async def test_listener_reconnects_and_then_hints_at_all_users(pool, database_url):
    local, remote = Waker(pool, FEED_CHANNEL), Waker(pool, FEED_CHANNEL)
    listener = PostgresListener(database_url, pool, [remote], timings=QUICK)
    hints = Hints(remote)
    async with (
        run_in_background(local.run(), listener.run()),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        await wait_until_status(listener, "listening")
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'evconduit listen'"
        )
        await wait_until_status(listener, "reconnecting")
        hints.clear()
        await wait_until_status(listener, "listening")
        assert None in hints
        user_id = uuid4()
        local.wake([user_id])
        await hints.wait_until(lambda hinted: {user_id} in hinted)


@pytest.fixture
async def elsewhere(postgres):
    """A connection string that the test's notifications don't reach, as with a transaction pooler: another database."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database elsewhere template template")
        yield psycopg.conninfo.make_conninfo(postgres, dbname="elsewhere")
        connection.execute("drop database elsewhere with (force)")


async def test_behind_a_transaction_pooler_the_listener_polls_and_logs_one_warning(pool, elsewhere, caplog):
    waker = Waker(pool, FEED_CHANNEL)
    hints = Hints(waker)
    timings = ListenerTimings(
        test_interval=timedelta(seconds=0.1), test_timeout=timedelta(seconds=0.1), poll_interval=timedelta(seconds=0.02)
    )
    listener = PostgresListener(elsewhere, pool, [waker], timings=timings)
    async with run_in_background(listener.run()):
        await wait_until_status(listener, "polling")
        before = len(hints)
        await hints.wait_until(lambda hinted: len(hinted) > before + 20)
    assert hints[-1] is None
    assert caplog.text.count("transaction pooler") == 1


async def test_listener_stops_polling_once_the_self_test_succeeds(pool, elsewhere, database_url):
    class Detour:
        """A pool whose first connection is to another database."""

        def __init__(self, wrong, right):
            self.pools = [wrong, right]

        @asynccontextmanager
        async def connection(self):
            async with self.pools[0].connection() as connection:
                yield connection
            if len(self.pools) > 1:
                self.pools.pop(0)

    waker = Waker(pool, FEED_CHANNEL)
    timings = ListenerTimings(test_interval=timedelta(seconds=0.1), test_timeout=timedelta(seconds=0.5))
    async with open_pool(elsewhere, size=2) as wrong:
        listener = PostgresListener(database_url, Detour(wrong, pool), [waker], timings=timings)
        async with run_in_background(listener.run()):
            await wait_until_status(listener, "polling")
            await wait_until_status(listener, "listening")
