"""Installations of one user: how each is reached, in which order they are listed, and disconnecting one."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from relay.kit.problems import Problem
from relay.usecases.access.list_installations import (
    Installation,
    disconnect_installation,
    get_installation,
    list_installations,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INSTALLATION = {
    "id": UUID(int=1),
    "kind": "key",
    "name": "Home",
    "scopes": ["read"],
    "created_at": NOW,
    "last_used_at": None,
    "has_endpoint": False,
    "is_streaming": False,
    "last_success_at": None,
    "last_failure": None,
    "failing_since": None,
    "off_at": None,
    "can_test": None,
}


@pytest.mark.parametrize(
    ("changes", "channel"),
    [
        ({}, "none"),
        ({"has_endpoint": True}, "webhook"),
        ({"has_endpoint": True, "last_used_at": NOW}, "webhook"),
        ({"has_endpoint": True, "off_at": NOW}, "webhook_off"),
        ({"has_endpoint": True, "off_at": NOW, "is_streaming": True}, "stream"),
        ({"is_streaming": True}, "stream"),
    ],
)
def test_channel_is_how_updates_arrive_now(changes, channel):
    assert Installation(**INSTALLATION | changes).channel == channel


@pytest.mark.parametrize(
    ("unused_for", "channel"),
    [(timedelta(hours=12, minutes=50), "polling"), (timedelta(hours=13, minutes=1), "none")],
)
def test_installation_polls_until_it_has_been_unused_for_13_hours(unused_for, channel):
    last_used_at = datetime.now(UTC) - unused_for
    assert Installation(**INSTALLATION | {"last_used_at": last_used_at}).channel == channel


class Hub:
    """Knows one credential with an open stream, and records whose streams are closed."""

    def __init__(self, streaming=None):
        self.streaming, self.closed = streaming, []

    def has_stream(self, credential_id):
        return credential_id == self.streaming

    def close_credential_streams(self, credential_id):
        self.closed.append(credential_id)


@pytest.fixture
def runtime(pool):
    return SimpleNamespace(pool=pool, hub=Hub())


@pytest.fixture
async def add_key(pool, account):
    async with pool.connection() as connection:
        await connection.execute("delete from api_keys where user_id = %s", [account.user_id])

    async def add(name, last_used=None, created="0 s", revoked_at=None):
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "insert into api_keys (user_id, name, key_hash, prefix, last_used_at, created_at, revoked_at)"
                " values (%s, %s, sha256(%s::text::bytea), 'evc_', now() - %s::interval, now() - %s::interval, %s)"
                " returning id",
                [account.user_id, name, str(uuid4()), last_used, created, revoked_at],
            )
            return (await cursor.fetchone())[0]

    return add


async def test_most_recently_used_installation_is_listed_first_and_unused_ones_last(
    runtime, account, add_key, make_account
):
    await make_account()
    await add_key("unused, old", created="2 days")
    await add_key("unused, new", created="1 day")
    await add_key("used long ago", last_used="9 days")
    await add_key("used just now", last_used="1 s", created="20 days")
    await add_key("revoked", revoked_at=NOW)
    names = [installation.name for installation in await list_installations(runtime, account.user_id)]
    assert names == ["used just now", "used long ago", "unused, new", "unused, old"]


async def test_installation_has_the_state_of_its_own_endpoint(runtime, account, add_key, pool):
    home, cottage = await add_key("Home"), await add_key("Cottage")
    for kind, created, failure in (("classic", "1 s", "status"), ("v2", "1 day", "timeout"), ("classic", "2 s", "tls")):
        async with pool.connection() as connection:
            await connection.execute(
                "insert into endpoints (user_id, credential_id, kind, url, webhook_id, last_failure, created_at)"
                " values (%s, %s, %s, 'http://127.0.0.1:1/', %s, %s, now() - %s::interval)",
                [account.user_id, home, kind, failure if kind == "classic" else None, failure, created],
            )
    installation = await get_installation(runtime, account.user_id, home)
    assert (installation.has_endpoint, installation.can_test, installation.last_failure) == (True, True, "timeout")
    assert (await get_installation(runtime, account.user_id, cottage)).has_endpoint is False
    async with pool.connection() as connection:
        await connection.execute("delete from endpoints where kind = 'v2'")
    installation = await get_installation(runtime, account.user_id, home)
    assert (installation.can_test, installation.last_failure) == (False, "status")  # the newest classic one


@pytest.mark.parametrize(("until", "expected"), [("1 minute", True), ("1 day", False), ("-1 s", False), (None, False)])
async def test_stream_of_another_process_is_seen_by_its_lease(runtime, account, add_key, pool, *, until, expected):
    key = await add_key("Home")
    async with pool.connection() as connection:
        await connection.execute(
            "insert into endpoints (user_id, credential_id, kind, url, streaming_until)"
            " values (%s, %s, 'v2', 'http://127.0.0.1:1/', now() + %s::interval)",
            [account.user_id, key, until],
        )
    assert (await get_installation(runtime, account.user_id, key)).is_streaming is expected
    runtime.hub = Hub(streaming=key)
    assert (await get_installation(runtime, account.user_id, key)).is_streaming is True


async def test_installation_is_disconnected_once_and_only_by_its_user(runtime, account, add_key, make_account):
    mallory = await make_account()
    key, kept = await add_key("Home"), await add_key("Cottage")
    await disconnect_installation(runtime, account.user_id, key)
    for user_id, installation_id in ((account.user_id, key), (mallory.user_id, kept)):
        with pytest.raises(Problem) as raised:
            await disconnect_installation(runtime, user_id, installation_id)
        assert (raised.value.status, raised.value.slug) == (404, "not-found")
    assert runtime.hub.closed == [key]
    assert [installation.id for installation in await list_installations(runtime, account.user_id)] == [kept]
    for user_id, installation_id in ((account.user_id, key), (mallory.user_id, kept)):
        with pytest.raises(Problem) as raised:
            await get_installation(runtime, user_id, installation_id)
        assert raised.value.status == 404
