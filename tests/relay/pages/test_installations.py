import dataclasses
from uuid import UUID

import pytest

from tests.relay.support.endpoints import open_test_outbound, respond_with, run_receiver


@pytest.fixture
async def receiver(app):
    """A Home Assistant that the relay is allowed to reach."""
    async with run_receiver() as made, open_test_outbound() as outbound:
        app.state.runtime = dataclasses.replace(app.state.runtime, outbound=outbound)
        yield made


@pytest.fixture
async def key_id(pool, account) -> UUID:
    async with pool.connection() as connection:
        row = await (
            await connection.execute("select id from api_keys where user_id = %s", [account.user_id])
        ).fetchone()
        return row[0]


@pytest.fixture
async def grant_id(pool, account) -> UUID:
    async with pool.connection() as connection:
        row = await (
            await connection.execute(
                "insert into oauth_grants (user_id, client_id, name, scopes, redirect_uri) "
                "values (%s, 'home-assistant', 'Summer house', '{read}', 'https://x.example') returning id",
                [account.user_id],
            )
        ).fetchone()
        return row[0]


@pytest.fixture
def store_endpoint(pool, account, key_id):
    async def store(**columns: object) -> None:
        names = ["user_id", "credential_id", "kind", *columns]
        values = [account.user_id, key_id, "v2", *columns.values()]
        marks = ", ".join(["%s"] * len(values))
        async with pool.connection() as connection:
            await connection.execute(f"insert into endpoints ({', '.join(names)}) values ({marks})", values)

    return store


@pytest.mark.parametrize(("used", "channel"), [("now() - interval '12 hours'", "Polling"), ("null", "Idle")])
async def test_installation_without_an_endpoint_is_polling_or_idle(sign_in, account, pool, used, channel):
    async with pool.connection() as connection:
        await connection.execute(f"update api_keys set last_used_at = {used}")
    assert channel in (await (await sign_in(account.user_id)).get("/installations")).text


async def test_installation_with_an_open_stream_is_live(sign_in, account, app, key_id):
    opened = await sign_in(account.user_id)
    with app.state.runtime.hub.open_listener(account.user_id, key_id):
        assert ">Live<" in (await opened.get("/installations")).text
    assert ">Live<" not in (await opened.get("/installations")).text


async def test_delivery_failure_shows_its_reason_but_not_the_address(sign_in, account, store_endpoint):
    await store_endpoint(
        url="https://ha.example.org/api/webhook/secret",
        failures=3,
        failing_since="2026-01-02T03:04:05Z",
        last_failure="tls",
    )
    page = (await (await sign_in(account.user_id)).get("/installations")).text
    assert ">Webhook<" in page
    since = '<time class="exact" datetime="2026-01-02T03:04:05+00:00">2 Jan 2026, 03:04 UTC</time>'
    assert f"been delivered since {since}: the certificate is not valid." in page
    assert "secret" not in page


async def test_webhook_that_is_off_shows_how_to_turn_it_on(sign_in, account, store_endpoint):
    await store_endpoint(
        url="https://x", failures=3, failing_since="2026-01-02Z", last_failure="status", off_at="2026-01-07Z"
    )
    page = (await (await sign_in(account.user_id)).get("/installations")).text
    assert "Webhook off" in page
    assert "Send a test to turn it on again." in page


async def test_delivered_test_is_reported_and_the_next_must_wait(sign_in, account, receiver, store_endpoint, key_id):
    await store_endpoint(url=receiver.url(), failures=2, failing_since="2026-01-02Z", last_failure="timeout")
    opened = await sign_in(account.user_id)
    done = await opened.submit(f"/installations/{key_id}/test", on="/installations")
    assert (done.status_code, done.headers["location"]) == (303, "/installations")
    assert len(receiver.posts) == 1
    page = (await opened.get("/installations")).text
    assert "The test message was delivered." in page
    assert "been delivered since" not in page
    await opened.submit(f"/installations/{key_id}/test", on="/installations")
    assert "Wait ten seconds, then try again." in (await opened.get("/installations")).text
    assert len(receiver.posts) == 1


async def test_failed_test_shows_its_reason(sign_in, account, receiver, store_endpoint, key_id):
    receiver.answer = respond_with("no", status=500)
    await store_endpoint(url=receiver.url())
    opened = await sign_in(account.user_id)
    await opened.submit(f"/installations/{key_id}/test", on="/installations")
    page = (await opened.get("/installations")).text
    assert "delivered: Home Assistant answered with an error. Check its log." in page


@pytest.mark.parametrize("which", ["key", "grant"])
async def test_disconnecting_revokes_access_immediately(sign_in, account, app, pool, *, key_id, grant_id, which):
    credential_id = {"key": key_id, "grant": grant_id}[which]
    opened = await sign_in(account.user_id)
    with app.state.runtime.hub.open_listener(account.user_id, credential_id) as stream:
        assert (
            "It loses access to your account immediately."
            in (await opened.get(f"/installations/{credential_id}/disconnect")).text
        )
        done = await opened.submit(f"/installations/{credential_id}/disconnect")
        assert (done.status_code, done.headers["location"]) == (303, "/installations")
        assert b"revoked" in await stream.receive()
    assert "The installation is disconnected." in (await opened.get("/installations")).text
    async with pool.connection() as connection:
        row = await (
            await connection.execute("select revoked_at from credentials where id = %s", [credential_id])
        ).fetchone()
    assert row[0] is not None
    assert (await opened.get(f"/installations/{credential_id}/disconnect")).status_code == 404


async def test_another_user_s_installation_cannot_be_tested_or_disconnected(sign_in, account, make_account, key_id):
    opened = await sign_in((await make_account()).user_id)
    for action in ("test", "disconnect"):
        assert (await opened.submit(f"/installations/{key_id}/{action}", on="/profile")).status_code == 404
    assert (await (await sign_in(account.user_id)).get(f"/installations/{key_id}/disconnect")).status_code == 200


async def test_account_without_installations_is_shown_how_to_connect(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute("update api_keys set revoked_at = now()")
    page = (await (await sign_in(account.user_id)).get("/installations")).text
    assert "No installations yet" in page
    assert "http://127.0.0.1:8300" in page


async def test_a_key_is_shown_and_revoked_where_it_is_listed(sign_in, account, pool, key_id, grant_id):
    async with pool.connection() as connection:
        await connection.execute("update api_keys set prefix = 'evc_R4mW9cQe'")
    opened = await sign_in(account.user_id)
    page = (await opened.get("/installations")).text
    assert page.count("evc_R4mW9cQe") == 1
    assert f'href="/keys/{key_id}/revoke"' in page
    assert f'href="/installations/{key_id}/disconnect"' not in page
    assert f'href="/installations/{grant_id}/disconnect"' in page
    assert "evc_R4mW9cQe" not in (await opened.get("/keys")).text, "listed twice"
    done = await opened.submit(f"/keys/{key_id}/revoke")
    assert done.headers["location"] == "/installations"
    page = (await opened.get("/installations")).text
    assert "The key is revoked." in page
    assert "evc_R4mW9cQe" not in page
