from datetime import timedelta

import pytest

from relay.delivery.repository import upsert_endpoint
from relay.delivery.stream_lease import UNHELD_LEASE, acquire_stream_lease, release_stream_lease
from relay.feed.cursor import Cursor
from tests.relay.support.feed import add_user, fetch_value


@pytest.fixture
async def ada(pool):
    """A user with an endpoint."""
    ada = await add_user(pool)
    async with pool.connection() as connection:
        await upsert_endpoint(connection, user_id=ada.id, credential_id=ada.credential, url="http://127.0.0.1:1/")
    return ada


async def test_lease_moves_the_cursor_only_forwards_or_into_a_new_epoch(pool, ada):
    async with pool.connection() as connection:
        for delivered_cursor, expected in [
            (None, None),
            (Cursor(epoch="a", seq=5), "a.5"),
            (Cursor(epoch="a", seq=3), "a.5"),
            (Cursor(epoch="a", seq=6), "a.6"),
            (Cursor(epoch="a", seq=10), "a.10"),
            (Cursor(epoch="a", seq=9), "a.10"),
            (None, "a.10"),
            (Cursor(epoch="b", seq=1), "b.1"),
        ]:
            await acquire_stream_lease(connection, ada.credential, delivered_cursor)
            assert await fetch_value(connection, "select epoch || '.' || seq from endpoints") == expected
        held = await acquire_stream_lease(connection, ada.credential, None)
        assert await release_stream_lease(connection, ada.credential, held) is True
        assert await release_stream_lease(connection, ada.credential, held) is False


async def test_replaced_stream_cannot_renew_the_lease_while_it_is_held(pool, ada):
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


async def test_lease_lasts_a_minute_and_is_free_afterwards(pool, ada):
    async with pool.connection() as connection:
        await acquire_stream_lease(connection, ada.credential, None)
        remaining = await fetch_value(connection, "select streaming_until - now() from endpoints")
        assert timedelta(seconds=50) < remaining <= timedelta(minutes=1)
        # The second one is from a time at which the clock was ahead.
        for end in ("now() - interval '1 s'", "now() + interval '1 day'"):
            await connection.execute(f"update endpoints set streaming_until = {end}")
            held = await acquire_stream_lease(connection, ada.credential, None, held_until=UNHELD_LEASE)
            assert timedelta(seconds=50) < held - await fetch_value(connection, "select now()") <= timedelta(minutes=1)


async def test_new_stream_ends_the_failures_of_its_endpoint_unless_that_is_off(pool, ada):
    is_failing = "failures = 6 and failing_since is not null and next_try_at > now()"
    set_failing = "failures = 6, failing_since = now(), next_try_at = now() + interval '1 hour'"
    async with pool.connection() as connection:
        held = None
        for off_at, starts_stream, expected in [
            ("null", False, True),
            ("now()", True, True),
            ("null", True, False),
        ]:
            await connection.execute(f"update endpoints set {set_failing}, off_at = {off_at}")
            held = await acquire_stream_lease(
                connection, ada.credential, None, held_until=None if starts_stream else held or UNHELD_LEASE
            )
            assert await fetch_value(connection, f"select {is_failing} from endpoints") == expected
