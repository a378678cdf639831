"""The endpoint of a Home Assistant that signed in hangs on its grant: whatever ends that, ends the POSTs."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from relay.usecases.access.list_installations import disconnect_installation, list_installations
from relay.usecases.oauth.issue_tokens import exchange_code, refresh_tokens, revoke_token
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.endpoints import get_endpoint_record, make_due, register_receiver, run_sql, status_and_slug
from tests.relay.support.feed import add_user, put_vehicle
from tests.relay.usecases.oauth.client import CLIENT, ask


@dataclass(frozen=True, kw_only=True)
class Home:
    """A Home Assistant that was let in."""

    header: dict[str, str]
    refresh_token: str


def home(pair):
    return Home(header={"Authorization": f"Bearer {pair.access_token}"}, refresh_token=pair.refresh_token)


async def sign_in(runtime, person, **changes):
    it = await ask(runtime, person.id, **changes)
    asked = {"code": it.code, "verifier": it.verifier, "redirect_uri": it.redirect_uri}
    return home(await exchange_code(runtime, client_id=CLIENT, **asked))


async def grants(pool, user_id):
    async with pool.connection() as connection:
        found = await connection.execute(
            "select id from oauth_grants where user_id = %s and revoked_at is null order by created_at", [user_id]
        )
        return [UUID(str(row[0])) for row in await found.fetchall()]


async def endpoints(pool):
    async with pool.connection() as connection:
        return (await (await connection.execute("select count(*) from endpoints")).fetchone())[0]


@pytest.fixture
async def ada(pool):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    return ada


async def test_it_outlives_the_tokens_that_registered_it(runtime, client, receiver, deliverer, ada):
    first = await sign_in(runtime, ada)
    secret = await register_receiver(client, first, receiver)
    newer = home(await refresh_tokens(runtime, client_id=CLIENT, token=first.refresh_token, scope=None))
    assert (await get_endpoint_record(client, newer))["state"] == "on"
    await run_sql(runtime.pool, "update oauth_tokens set access_expires_at = now() - interval '1 hour'")
    assert await deliverer.deliver_once() == 1
    body = Webhook(secret).verify(receiver.posts[0].body, receiver.posts[0].headers)
    assert body["messages"][0]["event"] == "snapshot"


async def lets_itself_out(runtime, ada, it):
    await revoke_token(runtime, client_id=CLIENT, token=it.refresh_token)


async def is_disconnected(runtime, ada, it):
    (grant,) = await grants(runtime.pool, ada.id)
    await disconnect_installation(runtime, ada.id, grant)


async def signs_in_anew_as_the_same(runtime, ada, it):
    await sign_in(runtime, ada, installation="home-1")


@pytest.mark.parametrize("end", [lets_itself_out, is_disconnected, signs_in_anew_as_the_same])
async def test_when_the_grant_ends_nothing_is_posted_and_the_row_goes(
    runtime, client, receiver, *, deliverer, ada, end
):
    it = await sign_in(runtime, ada, installation="home-1")
    await register_receiver(client, it, receiver)
    assert await deliverer.deliver_once() == 1
    await end(runtime, ada, it)
    await put_vehicle(runtime.pool, ada.id)
    await make_due(runtime.pool)
    assert await deliverer.deliver_once() == 0
    assert status_and_slug(await client.get("endpoint", headers=it.header)) == (401, "unauthorized")
    answer = await client.put("endpoint", json={"url": receiver.url()}, headers=it.header)
    assert status_and_slug(answer) == (401, "unauthorized")
    assert len(receiver.posts) == 1
    async with runtime.pool.connection() as connection:
        await prune_old_rows(connection, Retention())
    assert await endpoints(runtime.pool) == 0


async def test_who_signs_in_anew_registers_the_same_address_and_is_told_everything_once(
    runtime, client, receiver, deliverer, ada
):
    before = await sign_in(runtime, ada, installation="home-1")
    old_secret = await register_receiver(client, before, receiver)
    assert await deliverer.deliver_once() == 1
    after = await sign_in(runtime, ada, installation="home-1")
    assert status_and_slug(await client.get("endpoint", headers=after.header)) == (404, "not-found")
    secret = await register_receiver(client, after, receiver)
    assert secret != old_secret
    await put_vehicle(runtime.pool, ada.id)
    await make_due(runtime.pool)
    assert await deliverer.deliver_once() == 1
    assert await deliverer.deliver_once() == 0
    post = receiver.posts[-1]
    (snapshot,) = Webhook(secret).verify(post.body, post.headers)["messages"]
    assert (snapshot["event"], len(snapshot["data"]["vehicles"])) == ("snapshot", 2)
    (shown,) = [it for it in await list_installations(runtime, ada.id) if it.kind == "oauth"]
    assert (shown.channel, shown.has_endpoint) == ("webhook", True)
