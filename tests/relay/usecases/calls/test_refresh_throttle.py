"""The throttle of refreshes: one per row and interval."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.usecases.calls.refresh_throttle import RefreshThrottle

THROTTLE = RefreshThrottle("users", timedelta(minutes=5))


async def set_age(pool, age):
    async with pool.connection() as connection:
        await connection.execute("update users set refreshed_at = now() - %s::interval", [age])


async def test_first_refresh_is_acquired_and_the_next_one_refused(pool, account):
    refreshed_at, is_acquired = await THROTTLE.try_acquire(pool, account.user_id)
    assert is_acquired
    assert await THROTTLE.try_acquire(pool, account.user_id) == (refreshed_at, False)
    assert await THROTTLE.try_acquire(pool, uuid4()) is None


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("4 minutes", False),
        ("5 minutes", True),
        ("6 minutes", True),
        ("-50 seconds", False),
        # The clock was ahead at the last refresh.
        ("-2 minutes", True),
        ("-1 day", True),
    ],
)
async def test_refresh_is_possible_again_after_the_interval(pool, account, age, expected):
    await set_age(pool, age)
    _, is_acquired = await THROTTLE.try_acquire(pool, account.user_id)
    assert is_acquired is expected


async def test_rows_are_throttled_separately(pool, make_account):
    ada, bob = await make_account(), await make_account()
    assert [(await THROTTLE.try_acquire(pool, user.user_id))[1] for user in (ada, bob, ada)] == [True, True, False]


async def test_failed_refresh_is_released_but_never_a_later_one(pool, account):
    first, _ = await THROTTLE.try_acquire(pool, account.user_id)
    await THROTTLE.release(pool, account.user_id, first)
    second, is_acquired = await THROTTLE.try_acquire(pool, account.user_id)
    assert is_acquired
    await THROTTLE.release(pool, account.user_id, first)
    await THROTTLE.release(pool, uuid4(), second)
    assert await THROTTLE.try_acquire(pool, account.user_id) == (second, False)


async def test_one_of_several_concurrent_callers_acquires(pool, account):
    attempts = await asyncio.gather(*(THROTTLE.try_acquire(pool, account.user_id) for _ in range(6)))
    assert sum(is_acquired for _, is_acquired in attempts) == 1
