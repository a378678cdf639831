"""The table `endpoints` as the delivery queue: which endpoints are due, in which order, and what an outcome changes."""

from datetime import timedelta

import pytest
from psycopg.rows import dict_row

from relay.delivery.delivery_queue import (
    LEASE_DURATION,
    advance_cursor,
    lease_due_endpoints,
    record_failure,
    release_lease,
)
from relay.delivery.repository import upsert_endpoint
from relay.delivery.retry import RetryPlan
from relay.feed.cursor import Cursor
from tests.relay.support.feed import add_user, fetch_value

ENDPOINT, USER, KEY = "endpoints set {}", "users set {}", "api_keys set {}"
LEASED = "leased_until = now() + interval '{}', lease_token = gen_random_uuid()"
FAILING = "failures = {}, failing_since = now()"
OFF = f"off_at = now(), {FAILING.format(6)}"
# A change of an endpoint that is due, of its user or of its key; whether the endpoint is still due.
CASES = [
    ("due", ENDPOINT, "slow = false", True),
    ("due just now", ENDPOINT, "next_try_at = now()", True),
    ("due in an hour", ENDPOINT, f"next_try_at = now() + interval '1 hour', {FAILING.format(6)}", False),
    (
        "probed in six hours",
        ENDPOINT,
        f"next_try_at = now() + interval '6 hours', {OFF}",
        False,
    ),
    ("never retried", ENDPOINT, "next_try_at = null", False),
    ("leased", ENDPOINT, LEASED.format("1 minute"), False),
    ("lease has run out", ENDPOINT, LEASED.format("-1 s"), True),
    ("stream open", ENDPOINT, "streaming_until = now() + interval '1 minute'", False),
    # Further ahead than the relay sets these times: the clock was ahead and has been corrected.
    ("healthy, but due in an hour", ENDPOINT, "next_try_at = now() + interval '1 hour'", True),
    ("first retry in an hour", ENDPOINT, f"next_try_at = now() + interval '1 hour', {FAILING.format(1)}", True),
    ("retried in two hours", ENDPOINT, f"next_try_at = now() + interval '2 hours', {FAILING.format(6)}", True),
    ("probed in a day", ENDPOINT, f"next_try_at = now() + interval '1 day', {OFF}", True),
    ("leased for a day", ENDPOINT, LEASED.format("1 day"), True),
    ("stream open for a day", ENDPOINT, "streaming_until = now() + interval '1 day'", True),
    ("stream has ended", ENDPOINT, "streaming_until = now() - interval '1 s'", True),
    ("up to date", ENDPOINT, "epoch = 'e', seq = 10", False),
    ("behind by one", ENDPOINT, "epoch = 'e', seq = 9", True),
    ("ahead of the feed", ENDPOINT, "epoch = 'e', seq = 11", True),
    ("another epoch", ENDPOINT, "epoch = 'f', seq = 10", True),
    ("failing", ENDPOINT, "failures = 1, failing_since = now()", True),
    ("slow", ENDPOINT, "slow = true", True),
    ("off and probed", ENDPOINT, "failures = 99, failing_since = now(), off_at = now()", True),
    ("closed", USER, "closed_at = now()", False),
    ("disabled", USER, "disabled_at = now()", False),
    ("plan without push", USER, "plan = 'basic'", False),
    ("revoked key", KEY, "revoked_at = now()", False),
    ("key without read", KEY, "scopes = '{control}'", False),
    ("key that only reads", KEY, "scopes = '{read}'", True),
]


async def add_endpoint(pool, url="http://127.0.0.1:1/"):
    """A user whose feed is at e.10, with an endpoint that has received nothing."""
    user = await add_user(pool)
    async with pool.connection() as connection:
        await connection.execute("update feeds set epoch = 'e', seq = 10 where user_id = %s", [user.id])
        await upsert_endpoint(connection, user_id=user.id, credential_id=user.credential, url=url)
    return user


async def lease(pool, users=None, *, quick=100, slow=100, plans=("pro",)):
    async with pool.connection() as connection:
        user_ids = None if users is None else [user.id for user in users]
        return await lease_due_endpoints(connection, user_ids, plans, quick_slots=quick, slow_slots=slow)


async def execute(pool, statement, *values):
    async with pool.connection() as connection:
        await connection.execute(statement, values)


async def fetch_endpoint(pool, user):
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("select *, now() as at from endpoints where user_id = %s", [user.id])
        return await cursor.fetchone()


async def test_only_due_endpoints_that_may_be_delivered_to_are_leased(pool):
    names = {}
    for name, update, change, _ in CASES:
        user = await add_endpoint(pool)
        names[user.id] = name
        column = "id" if update == USER else "user_id"
        await execute(pool, f"update {update.format(change)} where {column} = %s", user.id)
    expected = {name for name, *_, is_due in CASES if is_due}
    await execute(pool, "insert into settings (key, value) values ('delivery_paused', 'true')")
    assert await lease(pool) == []
    await execute(pool, "update settings set value = 'false'")
    await execute(pool, "insert into settings (key, value) values ('commands_paused', 'true')")
    assert {names[each.user_id] for each in await lease(pool)} == expected
    assert await lease(pool) == []


@pytest.mark.parametrize("of_users", [False, True])
async def test_earliest_endpoints_get_the_slots_of_their_kind(pool, of_users):
    users = [await add_endpoint(pool) for _ in range(6)]
    for index, (minutes, failures) in enumerate([(10, 0), (9, 0), (11, 0), (3, 1), (2, 1), (4, 1)]):
        await execute(
            pool,
            """
            update endpoints set next_try_at = now() - %s * interval '1 minute', failures = %s,
                failing_since = case when %s > 0 then now() end
            where user_id = %s
            """,
            minutes,
            failures,
            failures,
            users[index].id,
        )
    leased = await lease(pool, users if of_users else None, quick=2, slow=1)
    assert {each.user_id for each in leased} == {users[index].id for index in (0, 2, 5)}


async def test_failing_and_slow_endpoints_take_no_quick_slots(pool):
    """Although they have waited longer."""
    quick, failing, slow = [await add_endpoint(pool) for _ in range(3)]
    for user, change in ((failing, "failures = 1, failing_since = now()"), (slow, "slow = true")):
        await execute(
            pool, f"update endpoints set {change}, next_try_at = now() - interval '1 hour' where user_id = %s", user.id
        )
    assert [each.user_id for each in await lease(pool, quick=3, slow=0)] == [quick.id]
    assert {each.user_id for each in await lease(pool, quick=0, slow=3)} == {failing.id, slow.id}


async def test_only_the_named_users_are_considered(pool):
    ada, bob = [await add_endpoint(pool) for _ in range(2)]
    assert await lease(pool, []) == []
    assert [each.user_id for each in await lease(pool, [bob])] == [bob.id]
    assert [each.user_id for each in await lease(pool)] == [ada.id]


async def test_lease_holds_for_a_minute(pool):
    user = await add_endpoint(pool)
    [leased] = await lease(pool)
    row = await fetch_endpoint(pool, user)
    assert row["leased_until"] - leased.leased_at == LEASE_DURATION == timedelta(seconds=60)
    assert row["lease_token"] == leased.token
    assert (leased.user_id, leased.credential_id, leased.kind, leased.slow) == (user.id, user.credential, "v2", False)


@pytest.mark.parametrize(
    ("epoch", "seq", "is_invalid"),
    [(None, None, True), ("e", 9, False), ("e", 10, False), ("e", 11, True), ("f", 9, True), ("f", 10, True)],
)
async def test_cursor_that_the_feed_cannot_have_issued_is_invalid(pool, epoch, seq, is_invalid):
    await add_endpoint(pool)
    await execute(pool, "update endpoints set epoch = %s, seq = %s", epoch, seq)
    if (epoch, seq) == ("e", 10):
        await execute(pool, "update feeds set seq = 100")
    [leased] = await lease(pool)
    assert leased.has_invalid_cursor is is_invalid
    assert leased.cursor == (None if epoch is None else Cursor(epoch=epoch, seq=seq))
    assert leased.feed_epoch == "e"


@pytest.mark.parametrize(
    ("seq", "age", "is_stale"), [(10, "25 hours", True), (10, "23 hours", False), (9, "25 hours", False)]
)
async def test_cursor_before_a_transition_that_is_no_longer_replayed_is_stale(pool, seq, age, is_stale):
    user, other = [await add_endpoint(pool) for _ in range(2)]
    await execute(pool, "update endpoints set epoch = 'e', seq = 9")
    await execute(pool, "update feeds set seq = 11")
    for owner, transition_seq, transition_age in ((user, seq, age), (other, 10, "30 hours")):
        await execute(
            pool,
            """
            with v as (
                insert into vehicles (user_id, vendor, vehicle_cache, revision) values (%s, 'TESLA', '{}', 9)
                returning id, user_id
            )
            insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, created_at)
            select user_id, %s, id, 'unplugged', now(), now() - %s::interval from v
            """,
            owner.id,
            transition_seq,
            transition_age,
        )
    [leased] = await lease(pool, [user])
    assert leased.has_stale_cursor is is_stale


FAILING = """
update endpoints set failures = 7, failing_since = now() - interval '1 day', off_at = now() - interval '1 hour',
    last_failure = 'status', slow = true
"""


async def test_delivery_moves_the_cursor_and_ends_a_series_of_failures(pool):
    user = await add_endpoint(pool)
    await execute(pool, FAILING)
    [leased] = await lease(pool)
    async with pool.connection() as connection:
        assert not await advance_cursor(connection, leased, Cursor(epoch="e", seq=10), delivered=True, slow=False)
    row = await fetch_endpoint(pool, user)
    assert (row["epoch"], row["seq"], row["failures"], row["slow"]) == ("e", 10, 0, False)
    assert (row["failing_since"], row["off_at"], row["leased_until"], row["lease_token"]) == (None, None, None, None)
    assert row["at"] - row["last_success_at"] < timedelta(minutes=1)
    assert row["next_try_at"] <= row["at"]


async def test_moving_the_cursor_without_a_delivery_keeps_the_failures(pool):
    user = await add_endpoint(pool)
    await execute(pool, FAILING)
    before = await fetch_endpoint(pool, user)
    [leased] = await lease(pool)
    async with pool.connection() as connection:
        assert await advance_cursor(connection, leased, Cursor(epoch="e", seq=9), delivered=False, slow=True)
    row = await fetch_endpoint(pool, user)
    kept = ("failures", "failing_since", "off_at", "last_success_at", "last_failure")
    assert {name: row[name] for name in kept} == {name: before[name] for name in kept}
    assert (row["epoch"], row["seq"], row["slow"], row["leased_until"]) == ("e", 9, True, None)


@pytest.mark.parametrize(("epoch", "seq", "has_more"), [("e", 10, False), ("e", 9, True), ("f", 10, True)])
async def test_there_is_more_to_deliver_while_the_feed_is_elsewhere(pool, epoch, seq, has_more):
    await add_endpoint(pool)
    [leased] = await lease(pool)
    async with pool.connection() as connection:
        cursor = Cursor(epoch=epoch, seq=seq)
        assert await advance_cursor(connection, leased, cursor, delivered=True, slow=False) is has_more


async def test_failure_is_counted_and_keeps_the_beginning_of_the_series(pool):
    user = await add_endpoint(pool)
    rows = []
    for plan in (
        RetryPlan(is_off=False, delay=timedelta(minutes=5)),
        RetryPlan(is_off=True, delay=timedelta(hours=6)),
        RetryPlan(is_off=True, delay=None),
    ):
        await execute(pool, "update endpoints set next_try_at = now()")
        [leased] = await lease(pool)
        async with pool.connection() as connection:
            await record_failure(connection, leased, "timeout", plan, slow=True)
            await record_failure(connection, leased, "status", plan, slow=True)  # the lease is gone
        rows.append(await fetch_endpoint(pool, user))
    assert [row["failures"] for row in rows] == [1, 2, 3]
    assert {row["failing_since"] for row in rows} == {rows[0]["failing_since"]}
    assert [row["off_at"] is None for row in rows] == [True, False, False]
    assert rows[1]["off_at"] == rows[2]["off_at"]
    assert [row["last_failure"] for row in rows] == ["timeout"] * 3
    assert rows[0]["at"] < rows[0]["next_try_at"] <= rows[0]["at"] + timedelta(minutes=5)
    assert rows[1]["next_try_at"] - rows[1]["at"] > timedelta(hours=5)
    assert (rows[2]["next_try_at"], rows[2]["leased_until"], rows[2]["slow"]) == (None, None, True)
    assert rows[2]["seq"] is None


async def test_lost_lease_moves_no_cursor(pool):
    """The endpoint belongs to the process that has leased it since."""
    user = await add_endpoint(pool)
    [lost] = await lease(pool)
    await execute(pool, "update endpoints set leased_until = now() - interval '1 s'")
    [current] = await lease(pool)
    async with pool.connection() as connection:
        assert not await advance_cursor(connection, lost, Cursor(epoch="e", seq=9), delivered=True, slow=False)
    row = await fetch_endpoint(pool, user)
    assert (row["epoch"], row["seq"], row["last_success_at"], row["lease_token"]) == (None, None, None, current.token)


async def test_released_lease_can_be_taken_at_once(pool):
    await add_endpoint(pool)
    [first] = await lease(pool)
    async with pool.connection() as connection:
        await release_lease(connection, first)
    [second] = await lease(pool)
    assert (second.id, second.failures) == (first.id, 0)
    async with pool.connection() as connection:
        await release_lease(connection, first)  # of an earlier lease: changes nothing
        assert await fetch_value(connection, "select lease_token from endpoints") == second.token
    assert await lease(pool) == []


async def test_lease_skips_rows_that_another_process_is_leasing(pool):
    ada, bob = [await add_endpoint(pool) for _ in range(2)]
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select from endpoints where user_id = %s for update", [ada.id])
        await execute(pool, "set statement_timeout = '5s'")
        assert [each.user_id for each in await lease(pool)] == [bob.id]
