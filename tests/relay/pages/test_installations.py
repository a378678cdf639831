import dataclasses
from uuid import UUID

import pytest

from tests.relay.support.endpoints import open_test_outbound, respond_with, run_receiver


@pytest.fixture
async def receiver(app):
    """A Home Assistant that the relay may reach."""
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
def put_endpoint(pool, account, key_id):
    async def put(**columns: object) -> None:
        names = ["user_id", "credential_id", "kind", *columns]
        values = [account.user_id, key_id, "v2", *columns.values()]
        marks = ", ".join(["%s"] * len(values))
        async with pool.connection() as connection:
            await connection.execute(f"insert into endpoints ({', '.join(names)}) values ({marks})", values)

    return put


@pytest.mark.parametrize(("used", "channel"), [("now() - interval '12 hours'", "Asks now and then"), ("null", "Idle")])
async def test_without_an_endpoint_an_installation_asks_or_is_idle(sign_in, account, pool, used, channel):
    async with pool.connection() as connection:
        await connection.execute(f"update api_keys set last_used_at = {used}")
    assert channel in (await (await sign_in(account.user_id)).get("/installations")).text


async def test_an_open_stream_is_live(sign_in, account, app, key_id):
    opened = await sign_in(account.user_id)
    with app.state.runtime.hub.open_listener(account.user_id, key_id):
        assert ">Live<" in (await opened.get("/installations")).text
    assert ">Live<" not in (await opened.get("/installations")).text


async def test_what_went_wrong_is_told_in_words_and_the_address_is_not(sign_in, account, put_endpoint):
    await put_endpoint(
        url="https://ha.example.org/api/webhook/secret",
        failures=3,
        failing_since="2026-01-02T03:04:05Z",
        last_failure="tls",
    )
    shown = (await (await sign_in(account.user_id)).get("/installations")).text
    assert "Told by webhook" in shown
    assert "Messages have not arrived since 2 Jan 2026, 03:04 UTC: the certificate is not valid." in shown
    assert "secret" not in shown


async def test_what_was_given_up_says_how_it_comes_back(sign_in, account, put_endpoint):
    await put_endpoint(
        url="https://x", failures=3, failing_since="2026-01-02Z", last_failure="status", off_at="2026-01-07Z"
    )
    shown = (await (await sign_in(account.user_id)).get("/installations")).text
    assert "Webhook given up" in shown
    assert "A successful test starts it again." in shown


async def test_a_test_that_arrives_is_told_and_the_next_must_wait(sign_in, account, receiver, put_endpoint, key_id):
    await put_endpoint(url=receiver.url(), failures=2, failing_since="2026-01-02Z", last_failure="timeout")
    opened = await sign_in(account.user_id)
    done = await opened.submit(f"/installations/{key_id}/test", on="/installations")
    assert (done.status_code, done.headers["location"]) == (303, "/installations")
    assert len(receiver.posts) == 1
    told = (await opened.get("/installations")).text
    assert "The test has arrived." in told
    assert "have not arrived" not in told
    await opened.submit(f"/installations/{key_id}/test", on="/installations")
    assert "Wait ten seconds." in (await opened.get("/installations")).text
    assert len(receiver.posts) == 1


async def test_a_test_that_does_not_arrive_says_why(sign_in, account, receiver, put_endpoint, key_id):
    receiver.answer = respond_with("no", status=500)
    await put_endpoint(url=receiver.url())
    opened = await sign_in(account.user_id)
    await opened.submit(f"/installations/{key_id}/test", on="/installations")
    told = (await opened.get("/installations")).text
    assert "The test did not arrive: Home Assistant answered with an error." in told


@pytest.mark.parametrize("which", ["key", "grant"])
async def test_disconnecting_lets_it_out_at_once(sign_in, account, app, pool, *, key_id, grant_id, which):
    it = {"key": key_id, "grant": grant_id}[which]
    opened = await sign_in(account.user_id)
    with app.state.runtime.hub.open_listener(account.user_id, it) as stream:
        assert "It is let out at once" in (await opened.get(f"/installations/{it}/disconnect")).text
        done = await opened.submit(f"/installations/{it}/disconnect")
        assert (done.status_code, done.headers["location"]) == (303, "/installations")
        assert b"revoked" in await stream.receive()
    assert "It is disconnected." in (await opened.get("/installations")).text
    async with pool.connection() as connection:
        row = await (await connection.execute("select revoked_at from credentials where id = %s", [it])).fetchone()
    assert row[0] is not None
    assert (await opened.get(f"/installations/{it}/disconnect")).status_code == 404


async def test_somebody_elses_is_neither_tested_nor_let_out(sign_in, account, make_account, key_id):
    opened = await sign_in((await make_account()).user_id)
    for what in ("test", "disconnect"):
        assert (await opened.submit(f"/installations/{key_id}/{what}", on="/profile")).status_code == 404
    assert (await (await sign_in(account.user_id)).get(f"/installations/{key_id}/disconnect")).status_code == 200


async def test_a_new_account_is_told_how_to_connect(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute("update api_keys set revoked_at = now()")
    shown = (await (await sign_in(account.user_id)).get("/installations")).text
    assert "Nothing is connected yet" in shown
    assert "http://127.0.0.1:8300" in shown
