"""API keys of one user: listed, limited and revoked without touching anyone else's."""

import pytest

from relay.kit.problems import Problem
from relay.usecases.access.manage_keys import MAX_KEYS, TooManyKeysError, create_key, get_key, list_keys, revoke_key


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


@pytest.fixture
async def ada(connection, account):
    await connection.execute("delete from api_keys")
    return account.user_id


async def list_names(connection, user_id, **options):
    return [key.name for key in await list_keys(connection, user_id, **options)]


async def test_active_keys_are_listed_newest_first(connection, ada, make_account):
    await make_account()
    for name in ("first", "second", "third"):
        await create_key(connection, ada, name=name, scopes=["read"])
    second = next(key for key in await list_keys(connection, ada) if key.name == "second")
    await revoke_key(connection, ada, second.id, lambda _: None)
    assert await list_names(connection, ada) == ["third", "first"]
    assert await list_names(connection, ada, include_revoked=True) == ["third", "second", "first"]


@pytest.mark.parametrize(("limit", "active"), [(1, 1), (2, 2), (None, 5)])
async def test_at_most_the_limit_of_active_keys_can_be_created(connection, ada, make_account, limit, active):
    await make_account()  # another user's key doesn't count
    created = 0
    for _ in range(5):
        try:
            await create_key(connection, ada, name="x", scopes=["read"], max_keys=limit)
        except TooManyKeysError:
            break
        created += 1
    assert created == active
    assert MAX_KEYS == 50
    if limit is not None:
        [key, *_] = await list_keys(connection, ada)
        await revoke_key(connection, ada, key.id, lambda _: None)
        await create_key(connection, ada, name="x", scopes=["read"], max_keys=limit)


async def test_key_is_revoked_once_and_its_streams_are_closed(connection, ada):
    closed = []
    for name in ("kept", "revoked"):
        await create_key(connection, ada, name=name, scopes=["read"])
    revoked, kept = await list_keys(connection, ada)
    await revoke_key(connection, ada, revoked.id, closed.append)
    assert closed == [revoked.id]
    assert await get_key(connection, ada, kept.id) == kept
    for attempt in (revoke_key(connection, ada, revoked.id, closed.append), get_key(connection, ada, revoked.id)):
        with pytest.raises(Problem) as raised:
            await attempt
        assert (raised.value.status, raised.value.slug) == (404, "not-found")
    assert closed == [revoked.id]


async def test_another_users_key_can_be_neither_read_nor_revoked(connection, ada, make_account):
    mallory = await make_account()
    await create_key(connection, ada, name="Home", scopes=["read"])
    [key] = await list_keys(connection, ada)
    for attempt in (
        get_key(connection, mallory.user_id, key.id),
        revoke_key(connection, mallory.user_id, key.id, lambda _: None),
    ):
        with pytest.raises(Problem) as raised:
            await attempt
        assert raised.value.status == 404
    assert await list_names(connection, ada) == ["Home"]
