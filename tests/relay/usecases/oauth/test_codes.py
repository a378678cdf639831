"""Authorization codes: one exchange within a minute by the requesting client; reuse revokes the grant."""

import asyncio
import secrets
from datetime import timedelta

import pytest

from tests.relay.usecases.oauth.client import CLIENT, issue_code


async def list_grants(pool):
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select name, scopes, revoked_at is not null from oauth_grants order by created_at"
        )
        return await cursor.fetchall()


async def age_codes(pool, age: timedelta):
    async with pool.connection() as connection:
        await connection.execute("update oauth_codes set expires_at = expires_at - %s", [age])


def assert_refused(response, error="invalid_grant", status=400):
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert response.headers["cache-control"] == "no-store"


async def test_code_is_exchanged_for_tokens_of_a_new_installation(client, pool, account):
    issued = await issue_code(client.runtime, account.user_id, name="Summer house")
    response = await client.token(issued.form())
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    tokens = response.json()
    assert tokens | {"access_token": "", "refresh_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 1800,
        "refresh_token": "",
        "scope": "read control",
    }
    assert tokens["access_token"].startswith("eva_")
    assert tokens["refresh_token"].startswith("evr_")
    assert await client.call(tokens["access_token"]) == 200
    assert await list_grants(pool) == [("Summer house", ["read", "control"], False)]


async def test_tokens_have_only_the_approved_scope(client, account):
    tokens = await client.sign_in(account.user_id, scope="read")
    assert tokens["scope"] == "read"
    assert await client.call(tokens["access_token"]) == 200
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    refused = await client.http.patch("/api/ha/v2/account", headers=bearer, json={"language": "de"})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": secrets.token_urlsafe(48)},
        {"redirect_uri": "http://ha.local/auth/external/callback"},
        {"redirect_uri": "https://my.home-assistant.io/redirect/oauth/"},
    ],
    ids=["verifier", "redirect", "nearly the redirect"],
)
async def test_failed_exchange_uses_up_the_code(client, pool, account, change):
    issued = await issue_code(client.runtime, account.user_id)
    assert_refused(await client.token(issued.form(**change)))
    assert_refused(await client.token(issued.form()))
    assert await list_grants(pool) == []


async def test_code_challenge_is_not_accepted_as_verifier(client, account):
    verifier = "v" * 43
    issued = await issue_code(client.runtime, account.user_id, code_challenge=verifier)
    assert_refused(await client.token(issued.form(code_verifier=verifier)))


async def test_code_of_another_sign_in_is_refused(client, account, make_account):
    other = await issue_code(client.runtime, (await make_account()).user_id)
    mine = await issue_code(client.runtime, account.user_id)
    assert_refused(await client.token(mine.form(code=other.code)))


async def test_redirect_uri_is_optional_in_the_exchange(client, account):
    # OAuth 2.1 clients no longer send it; PKCE is the check.
    issued = await issue_code(client.runtime, account.user_id)
    assert (await client.token(issued.form(redirect_uri=None))).status_code == 200


async def test_code_expires_after_a_minute(client, pool, account):
    fresh_code, old_code = (
        await issue_code(client.runtime, account.user_id),
        await issue_code(client.runtime, account.user_id),
    )
    await age_codes(pool, timedelta(seconds=55))
    assert (await client.token(fresh_code.form())).status_code == 200
    await age_codes(pool, timedelta(seconds=10))
    assert_refused(await client.token(old_code.form()))


@pytest.mark.parametrize("verifier", ["right", "wrong"])
async def test_second_use_of_a_code_revokes_its_grant(client, pool, account, verifier):
    issued = await issue_code(client.runtime, account.user_id)
    tokens = (await client.token(issued.form())).json()
    again = issued.form() if verifier == "right" else issued.form(code_verifier=secrets.token_urlsafe(48))
    assert_refused(await client.token(again))
    assert await client.call(tokens["access_token"]) == 401
    assert_refused(await client.refresh(tokens["refresh_token"]))
    assert await list_grants(pool) == [("Home", ["read", "control"], True)]


async def test_second_use_of_an_expired_code_revokes_its_grant(client, pool, account):
    issued = await issue_code(client.runtime, account.user_id)
    tokens = (await client.token(issued.form())).json()
    await age_codes(pool, timedelta(minutes=30))
    assert_refused(await client.token(issued.form()))
    assert await client.call(tokens["access_token"]) == 401


async def test_concurrent_exchanges_yield_one_pair_whose_grant_is_revoked(client, pool, account):
    issued = await issue_code(client.runtime, account.user_id)
    responses = await asyncio.gather(*(client.token(issued.form()) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 19
    tokens = next(response.json() for response in responses if response.status_code == 200)
    # The grant is revoked even after a race, because it can't be told apart from a fast thief.
    assert await client.call(tokens["access_token"]) == 401
    assert await list_grants(pool) == [("Home", ["read", "control"], True)]


async def test_closed_account_gets_no_tokens(client, pool, account):
    issued = await issue_code(client.runtime, account.user_id)
    async with pool.connection() as connection:
        await connection.execute("update users set closed_at = now()")
    assert_refused(await client.token(issued.form()))


async def test_new_sign_in_of_an_installation_revokes_the_previous_one(client, pool, account, make_account):
    first = await client.sign_in(account.user_id, installation="7f3a", name="Home")
    # Not affected: another id with the same name, sign-ins without an id, and another user's with the same id.
    others = [
        await client.sign_in(account.user_id, installation="90c1", name="Home"),
        await client.sign_in(account.user_id, name="Home"),
        await client.sign_in(account.user_id, name="Home"),
        await client.sign_in((await make_account()).user_id, installation="7f3a", name="Home"),
    ]
    again = await client.sign_in(account.user_id, installation="7f3a", name="Home, renamed")
    assert await client.call(first["access_token"]) == 401
    assert_refused(await client.refresh(first["refresh_token"]))
    for tokens in [*others, again]:
        assert await client.call(tokens["access_token"]) == 200


async def test_codes_and_tokens_are_stored_as_hashes_and_never_logged(client, pool, account, caplog):
    caplog.set_level(0)
    issued = await issue_code(client.runtime, account.user_id)
    tokens = (await client.token(issued.form())).json()
    fresh = (await client.refresh(tokens["refresh_token"])).json()
    await client.token(issued.form())
    async with pool.connection() as connection:
        stored = ""
        for table in ("oauth_codes", "oauth_grants", "oauth_tokens"):
            rows = await (await connection.execute(f"select to_jsonb(it)::text from {table} it")).fetchall()
            assert rows
            stored += str(rows)
    tokens_to_hide = [pair[key] for pair in (tokens, fresh) for key in ("access_token", "refresh_token")]
    for secret in (issued.code, issued.verifier, *tokens_to_hide):
        assert secret not in stored
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("fields", "error", "status"),
    [
        ({}, "invalid_request", 400),
        ({"grant_type": "authorization_code"}, "invalid_request", 400),
        ({"grant_type": "authorization_code", "client_id": CLIENT}, "invalid_request", 400),
        ({"grant_type": "authorization_code", "client_id": CLIENT, "code": "x"}, "invalid_request", 400),
        ({"grant_type": "authorization_code", "client_id": "other", "code": "x"}, "invalid_client", 401),
        ({"grant_type": "authorization_code", "client_id": CLIENT, "refresh_token": "x"}, "invalid_request", 400),
        ({"grant_type": "refresh_token", "client_id": CLIENT, "code": "x"}, "invalid_request", 400),
        ({"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": ""}, "invalid_request", 400),
        ({"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": "\0é🚗"}, "invalid_grant", 400),
        ({"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": "x" * 50_000}, "invalid_grant", 400),
        (
            {"grant_type": "password", "client_id": CLIENT, "username": "a", "password": "b"},
            "unsupported_grant_type",
            400,
        ),
        ({"grant_type": "client_credentials", "client_id": CLIENT}, "unsupported_grant_type", 400),
    ],
)
async def test_invalid_token_request_returns_the_oauth_error(client, fields, error, status):
    assert_refused(await client.token(fields), error, status)


async def test_codes_access_tokens_and_refresh_tokens_are_not_interchangeable(client, account):
    issued = await issue_code(client.runtime, account.user_id)
    assert_refused(await client.refresh(issued.code))
    tokens = await client.sign_in(account.user_id)
    for token in (tokens["refresh_token"], tokens["access_token"]):
        assert_refused(await client.token(issued.form(code=token)))
    assert_refused(await client.refresh(tokens["access_token"]))
    assert await client.call(tokens["refresh_token"]) == 401
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_parameters_are_accepted_only_in_a_small_form_body(client, account, path):
    refresh_token = (await client.sign_in(account.user_id))["refresh_token"]
    form = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": refresh_token, "token": refresh_token}
    post = client.http.post
    assert_refused(await post(path, params=form), "invalid_request")
    assert_refused(await post(path, params={"client_id": CLIENT}, data=form), "invalid_request")
    assert_refused(await post(path, json=form), "invalid_request")
    assert_refused(await post(path, data=form, files={"token": b"x"}), "invalid_request")
    assert_refused(await post(path, content=b"", headers={"Content-Type": ""}), "invalid_request")
    form_headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"\xff\xfe", b"grant_type=%ff", b"a=1&" * 30, b"token=a&token=b&grant_type=x", b"&&&===", b""):
        assert_refused(await post(path, content=body, headers=form_headers), "invalid_request")
    assert (await post(path, content=b"token=" + b"x" * 70_000, headers=form_headers)).status_code == 413
    assert (await client.http.get(path)).status_code == 405
    assert (await client.refresh(refresh_token)).status_code == 200, "none of these requests used up the refresh token"
