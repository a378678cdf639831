"""The endpoint of an OAuth installation ends with its grant, however that ends."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from relay.usecases.access.list_installations import disconnect_installation, list_installations
from relay.usecases.oauth.issue_tokens import exchange_code, refresh_tokens, revoke_token
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.endpoints import get_endpoint_record, get_status_and_slug, make_due, register_receiver, run_sql
from tests.relay.support.feed import add_user, fetch_value, put_vehicle
from tests.relay.usecases.oauth.client import CLIENT, issue_code


@dataclass(frozen=True, kw_only=True)
class Home:
    """A Home Assistant that has signed in."""

    header: dict[str, str]
    refresh_token: str


def make_home(pair):
    return Home(header={"Authorization": f"Bearer {pair.access_token}"}, refresh_token=pair.refresh_token)


async def sign_in(runtime, user, **changes):
    request = await issue_code(runtime, user.id, **changes)
    parameters = {"code": request.code, "verifier": request.verifier, "redirect_uri": request.redirect_uri}
    return make_home(await exchange_code(runtime, client_id=CLIENT, **parameters))


async def list_grants(pool, user_id):
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select id from oauth_grants where user_id = %s and revoked_at is null order by created_at", [user_id]
        )
        return [UUID(str(row[0])) for row in await cursor.fetchall()]


async def count_endpoints(pool):
    async with pool.connection() as connection:
        return await fetch_value(connection, "select count(*) from endpoints")


@pytest.fixture
async def ada(pool):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    return ada


async def test_endpoint_survives_refresh_and_expiry_of_the_tokens(runtime, client, receiver, deliverer, ada):
    first = await sign_in(runtime, ada)
    secret = await register_receiver(client, first, receiver)
    newer = make_home(await refresh_tokens(runtime, client_id=CLIENT, token=first.refresh_token, scope=None))
    assert (await get_endpoint_record(client, newer))["state"] == "on"
    await run_sql(runtime.pool, "update oauth_tokens set access_expires_at = now() - interval '1 hour'")
    assert await deliverer.deliver_once() == 1
    body = Webhook(secret).verify(receiver.posts[0].body, receiver.posts[0].headers)
    assert body["messages"][0]["event"] == "snapshot"


async def revokes_its_token(runtime, ada, home):
    await revoke_token(runtime, client_id=CLIENT, token=home.refresh_token)


async def is_disconnected(runtime, ada, home):
    (grant,) = await list_grants(runtime.pool, ada.id)
    await disconnect_installation(runtime, ada.id, grant)


async def signs_in_again(runtime, ada, home):
    await sign_in(runtime, ada, installation="home-1")


@pytest.mark.parametrize("end", [revokes_its_token, is_disconnected, signs_in_again])
async def test_endpoint_of_an_ended_grant_gets_nothing_and_is_pruned(runtime, client, receiver, *, deliverer, ada, end):
    home = await sign_in(runtime, ada, installation="home-1")
    await register_receiver(client, home, receiver)
    assert await deliverer.deliver_once() == 1
    await end(runtime, ada, home)
    await put_vehicle(runtime.pool, ada.id)
    await make_due(runtime.pool)
    assert await deliverer.deliver_once() == 0
    assert get_status_and_slug(await client.get("endpoint", headers=home.header)) == (401, "unauthorized")
    answer = await client.put("endpoint", json={"url": receiver.url()}, headers=home.header)
    assert get_status_and_slug(answer) == (401, "unauthorized")
    assert len(receiver.posts) == 1
    async with runtime.pool.connection() as connection:
        await prune_old_rows(connection, Retention())
    assert await count_endpoints(runtime.pool) == 0


async def test_signing_in_again_makes_a_new_endpoint_with_one_snapshot(runtime, client, receiver, deliverer, ada):
    before = await sign_in(runtime, ada, installation="home-1")
    old_secret = await register_receiver(client, before, receiver)
    assert await deliverer.deliver_once() == 1
    after = await sign_in(runtime, ada, installation="home-1")
    assert get_status_and_slug(await client.get("endpoint", headers=after.header)) == (404, "not-found")
    secret = await register_receiver(client, after, receiver)
    assert secret != old_secret
    await put_vehicle(runtime.pool, ada.id)
    await make_due(runtime.pool)
    assert await deliverer.deliver_once() == 1
    assert await deliverer.deliver_once() == 0
    post = receiver.posts[-1]
    (snapshot,) = Webhook(secret).verify(post.body, post.headers)["messages"]
    assert (snapshot["event"], len(snapshot["data"]["vehicles"])) == ("snapshot", 2)
    (installation,) = [
        installation for installation in await list_installations(runtime, ada.id) if installation.kind == "oauth"
    ]
    assert (installation.channel, installation.has_endpoint) == ("webhook", True)
