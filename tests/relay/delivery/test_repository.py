"""Endpoints in the database: every statement affects only the endpoints that it names."""

from datetime import timedelta
from uuid import uuid4

import pytest

from relay.delivery.classic_repository import (
    claim_classic_test,
    delete_classic_endpoints,
    find_newest_classic_endpoint,
    list_classic_endpoints,
    upsert_classic_endpoint,
)
from relay.delivery.repository import (
    claim_test_message,
    delete_endpoint,
    delete_orphaned_endpoints,
    find_endpoint,
    mark_reachable,
    upsert_endpoint,
)
from tests.relay.support.feed import add_user, put_vehicle

MINUTE = timedelta(minutes=1)
BREAK = """
update endpoints set failures = 3, failing_since = now(), off_at = now(), slow = true, last_failure = 'tls',
    next_try_at = null, leased_until = now(), lease_token = gen_random_uuid(), epoch = 'e', seq = 5
"""


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


@pytest.fixture
async def users(connection, pool):
    """Ada and Bob, each with an endpoint of the integration and a classic one, `v2` and `w1`."""
    users = [await add_user(pool) for _ in range(2)]
    for user in users:
        await register(connection, user, "w1")
        await upsert_endpoint(connection, user_id=user.id, credential_id=user.credential, url="http://127.0.0.1:1/")
    return users


async def register(connection, user, webhook_id, vehicle_id=None, url="http://127.0.0.1:1/"):
    await upsert_classic_endpoint(
        connection,
        user_id=user.id,
        credential_id=user.credential,
        url=url,
        webhook_id=webhook_id,
        configured_id=None,
        vehicle_id=vehicle_id,
    )


async def list_endpoints(connection, condition="true"):
    """(user's id, `v2` or the webhook's id) of the endpoints that meet the condition."""
    cursor = await connection.execute(
        f"select user_id, coalesce(webhook_id, kind) from endpoints where {condition} order by created_at"
    )
    return set(await cursor.fetchall())


async def test_endpoint_is_found_changed_and_deleted_by_its_credential(connection, users):
    ada, bob = users
    everything = {(user.id, name) for user in users for name in ("v2", "w1")}
    found = await find_endpoint(connection, ada.credential)
    assert (found.webhook_id, found.pending) == (None, True)
    assert await find_endpoint(connection, uuid4()) is None
    assert not await delete_endpoint(connection, uuid4())
    assert await list_endpoints(connection) == everything
    assert await delete_endpoint(connection, ada.credential)
    assert await list_endpoints(connection) == everything - {(ada.id, "v2")}
    assert not await delete_endpoint(connection, ada.credential)
    assert (await find_endpoint(connection, bob.credential)).id != found.id


async def test_registering_again_switches_only_this_endpoint_on_and_keeps_its_cursor(connection, users):
    ada, bob = users
    await connection.execute(BREAK)
    before = await find_endpoint(connection, ada.credential)
    after = await upsert_endpoint(connection, user_id=ada.id, credential_id=ada.credential, url="http://127.0.0.1:2/")
    assert (after.id, after.salt, after.url) == (before.id, before.salt, "http://127.0.0.1:2/")
    assert (after.off_at, after.failing_since, after.last_failure) == (None, None, None)
    is_reset = "failures = 0 and not slow and next_try_at <= now() and leased_until is null and (epoch, seq) = ('e', 5)"
    assert await list_endpoints(connection, is_reset) == {(ada.id, "v2")}
    await register(connection, bob, "w1")
    assert await list_endpoints(connection, is_reset) == {(ada.id, "v2"), (bob.id, "w1")}
    assert await list_endpoints(connection, "last_failure is null and off_at is null") == {
        (ada.id, "v2"),
        (bob.id, "w1"),
    }


async def test_reachable_endpoint_is_switched_on_alone(connection, users):
    ada, _ = users
    await connection.execute(BREAK)
    await mark_reachable(connection, (await find_endpoint(connection, ada.credential)).id)
    for condition in (
        "failures = 0",
        "off_at is null",
        "not slow",
        "last_success_at is not null",
        "next_try_at <= now()",
    ):
        assert await list_endpoints(connection, condition) == {(ada.id, "v2")}


async def test_tests_of_an_endpoint_are_throttled_separately(connection, users):
    ada, bob = users
    first = await claim_test_message(connection, ada.credential, min_interval=MINUTE)
    assert first.id == (await find_endpoint(connection, ada.credential)).id
    assert await claim_test_message(connection, ada.credential, min_interval=MINUTE) is None
    assert await claim_test_message(connection, uuid4(), min_interval=MINUTE) is None
    assert await claim_test_message(connection, bob.credential, min_interval=MINUTE) is not None
    classic = await find_newest_classic_endpoint(connection, ada.credential)
    assert [await claim_classic_test(connection, classic.id, min_interval=MINUTE) for _ in range(2)] == [True, False]
    await connection.execute("update endpoints set tested_at = now() - interval '61 s'")
    assert await claim_test_message(connection, ada.credential, min_interval=MINUTE) is not None
    assert await claim_classic_test(connection, classic.id, min_interval=MINUTE)


async def test_only_endpoints_without_an_active_credential_are_orphaned(connection, users):
    ada, bob = users
    assert await delete_orphaned_endpoints(connection) == 0
    await connection.execute("update api_keys set revoked_at = now() where user_id = %s", [ada.id])
    assert await delete_orphaned_endpoints(connection) == 2
    assert await list_endpoints(connection) == {(bob.id, "v2"), (bob.id, "w1")}


async def test_classic_endpoints_are_listed_oldest_first_and_the_newest_is_tested(connection, users):
    ada, bob = users
    for webhook_id in ("w0", "w2"):
        await register(connection, ada, webhook_id)
    assert [endpoint.webhook_id for endpoint in await list_classic_endpoints(connection, ada.credential)] == [
        "w1",
        "w0",
        "w2",
    ]
    newest = await find_newest_classic_endpoint(connection, ada.credential)
    assert newest.id == (await list_classic_endpoints(connection, ada.credential))[-1].id
    assert [endpoint.webhook_id for endpoint in await list_classic_endpoints(connection, bob.credential)] == ["w1"]
    assert await find_newest_classic_endpoint(connection, uuid4()) is None


@pytest.mark.parametrize(("webhook_id", "deleted"), [("w1", 1), ("w2", 1), ("w3", 0), (None, 2)])
async def test_classic_endpoints_are_deleted_one_by_one_or_all_of_a_user(connection, users, webhook_id, deleted):
    ada, bob = users
    await register(connection, ada, "w2")
    assert await delete_classic_endpoints(connection, ada.credential, webhook_id) == deleted
    assert len(await list_classic_endpoints(connection, ada.credential)) == 2 - deleted
    assert await list_endpoints(connection) >= {(ada.id, "v2"), (bob.id, "v2"), (bob.id, "w1")}


async def test_classic_registration_for_a_vehicle_replaces_only_that_vehicles(connection, users, pool):
    ada, bob = users
    vehicles = [(await put_vehicle(pool, ada.id))[0] for _ in range(2)]
    for webhook_id, vehicle_id in (("a", vehicles[0]), ("b", vehicles[1]), ("c", vehicles[0])):
        await register(connection, ada, webhook_id, vehicle_id)
    assert await list_endpoints(connection, "kind = 'classic'") == {
        (ada.id, "w1"),
        (ada.id, "b"),
        (ada.id, "c"),
        (bob.id, "w1"),
    }


@pytest.mark.parametrize("is_same", [True, False])
async def test_classic_endpoint_keeps_its_cursor_only_for_the_same_vehicle(connection, users, pool, is_same):
    ada, _ = users
    first, second = [(await put_vehicle(pool, ada.id))[0] for _ in range(2)]
    await register(connection, ada, "a", first)
    await connection.execute(BREAK)
    await register(connection, ada, "a", first if is_same else second, url="http://127.0.0.1:3/")
    kept = await list_endpoints(connection, "url = 'http://127.0.0.1:3/' and (epoch, seq) = ('e', 5)")
    assert kept == ({(ada.id, "a")} if is_same else set())
    assert await list_endpoints(connection, "url = 'http://127.0.0.1:3/' and failures = 0") == {(ada.id, "a")}


async def test_twenty_classic_endpoints_are_kept_and_the_oldest_goes_first(connection, users):
    ada, bob = users
    for number in range(21):
        await register(connection, ada, f"n{number:02}")
    names = [endpoint.webhook_id for endpoint in await list_classic_endpoints(connection, ada.credential)]
    assert names == [f"n{number:02}" for number in range(1, 21)]
    assert len(await list_classic_endpoints(connection, bob.credential)) == 1
