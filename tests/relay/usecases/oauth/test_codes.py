"""A code is good for one try within a minute, by who asked for it; used twice it ends what it gave."""

import asyncio
import secrets
from datetime import timedelta

import pytest

from tests.relay.usecases.oauth.client import CLIENT, ask


async def grants(pool):
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select name, scopes, revoked_at is not null from oauth_grants order by created_at"
        )
        return await cursor.fetchall()


async def age_codes(pool, age: timedelta):
    async with pool.connection() as connection:
        await connection.execute("update oauth_codes set expires_at = expires_at - %s", [age])


def is_refused(answer, error="invalid_grant", status=400):
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return True


async def test_a_code_becomes_tokens_and_an_installation(door, pool, account):
    asked = await ask(door.runtime, account.user_id, name="Summer house")
    answer = await door.token(asked.form())
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens | {"access_token": "", "refresh_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 1800,
        "refresh_token": "",
        "scope": "read control",
    }
    assert tokens["access_token"].startswith("eva_")
    assert tokens["refresh_token"].startswith("evr_")
    assert await door.call(tokens["access_token"]) == 200
    assert await grants(pool) == [("Summer house", ["read", "control"], False)]


async def test_a_narrower_scope_is_what_the_tokens_are_good_for(door, account):
    tokens = await door.sign_in(account.user_id, scope="read")
    assert tokens["scope"] == "read"
    assert await door.call(tokens["access_token"]) == 200
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    refused = await door.http.patch("/api/ha/v2/account", headers=bearer, json={"language": "de"})
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
async def test_one_wrong_try_uses_a_code_up(door, pool, account, change):
    asked = await ask(door.runtime, account.user_id)
    assert is_refused(await door.token(asked.form(**change)))
    assert is_refused(await door.token(asked.form()))
    assert await grants(pool) == []


async def test_the_challenge_is_no_verifier(door, account):
    verifier = "v" * 43
    asked = await ask(door.runtime, account.user_id, code_challenge=verifier)
    assert is_refused(await door.token(asked.form(code_verifier=verifier)))


async def test_a_code_of_another_sign_in_is_not_answered_by_ones_own_verifier(door, account, make_account):
    other = await ask(door.runtime, (await make_account()).user_id)
    mine = await ask(door.runtime, account.user_id)
    assert is_refused(await door.token(mine.form(code=other.code)))


async def test_where_no_redirect_is_named_pkce_alone_decides(door, account):
    # OAuth 2.1 has clients say it no more.
    asked = await ask(door.runtime, account.user_id)
    assert (await door.token(asked.form(redirect_uri=None))).status_code == 200


async def test_after_a_minute_a_code_is_dead(door, pool, account):
    young, old = await ask(door.runtime, account.user_id), await ask(door.runtime, account.user_id)
    await age_codes(pool, timedelta(seconds=55))
    assert (await door.token(young.form())).status_code == 200
    await age_codes(pool, timedelta(seconds=10))
    assert is_refused(await door.token(old.form()))


@pytest.mark.parametrize("verifier", ["right", "wrong"])
async def test_a_code_used_twice_ends_what_it_gave(door, pool, account, verifier):
    asked = await ask(door.runtime, account.user_id)
    tokens = (await door.token(asked.form())).json()
    again = asked.form() if verifier == "right" else asked.form(code_verifier=secrets.token_urlsafe(48))
    assert is_refused(await door.token(again))
    assert await door.call(tokens["access_token"]) == 401
    assert is_refused(await door.refresh(tokens["refresh_token"]))
    assert await grants(pool) == [("Home", ["read", "control"], True)]


async def test_it_does_so_when_the_minute_is_over_too(door, pool, account):
    asked = await ask(door.runtime, account.user_id)
    tokens = (await door.token(asked.form())).json()
    await age_codes(pool, timedelta(minutes=30))
    assert is_refused(await door.token(asked.form()))
    assert await door.call(tokens["access_token"]) == 401


async def test_of_twenty_exchanges_at_once_one_succeeds_and_the_others_end_what_it_got(door, pool, account):
    asked = await ask(door.runtime, account.user_id)
    answers = await asyncio.gather(*(door.token(asked.form()) for _ in range(20)))
    assert sorted(it.status_code for it in answers) == [200] + [400] * 19
    given = next(it.json() for it in answers if it.status_code == 200)
    # Twice is twice: nobody can tell a race from a thief who is as fast.
    assert await door.call(given["access_token"]) == 401
    assert await grants(pool) == [("Home", ["read", "control"], True)]


async def test_a_closed_account_gets_no_tokens(door, pool, account):
    asked = await ask(door.runtime, account.user_id)
    async with pool.connection() as connection:
        await connection.execute("update users set closed_at = now()")
    assert is_refused(await door.token(asked.form()))


async def test_the_newest_sign_in_of_one_home_assistant_takes_the_place_of_the_one_before(
    door, pool, account, make_account
):
    first = await door.sign_in(account.user_id, installation="7f3a", name="Home")
    # Neither another Home Assistant of that name, nor one that does not say who it is, nor another person's.
    others = [
        await door.sign_in(account.user_id, installation="90c1", name="Home"),
        await door.sign_in(account.user_id, name="Home"),
        await door.sign_in(account.user_id, name="Home"),
        await door.sign_in((await make_account()).user_id, installation="7f3a", name="Home"),
    ]
    again = await door.sign_in(account.user_id, installation="7f3a", name="Home, renamed")
    assert await door.call(first["access_token"]) == 401
    assert is_refused(await door.refresh(first["refresh_token"]))
    for tokens in [*others, again]:
        assert await door.call(tokens["access_token"]) == 200


async def test_only_hashes_are_kept_and_nothing_is_logged(door, pool, account, caplog):
    caplog.set_level(0)
    asked = await ask(door.runtime, account.user_id)
    tokens = (await door.token(asked.form())).json()
    fresh = (await door.refresh(tokens["refresh_token"])).json()
    await door.token(asked.form())
    async with pool.connection() as connection:
        kept = ""
        for table in ("oauth_codes", "oauth_grants", "oauth_tokens"):
            rows = await (await connection.execute(f"select to_jsonb(it)::text from {table} it")).fetchall()
            assert rows
            kept += str(rows)
    secrets_of = [it[key] for it in (tokens, fresh) for key in ("access_token", "refresh_token")]
    for secret in (asked.code, asked.verifier, *secrets_of):
        assert secret not in kept
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
async def test_what_makes_no_sense_is_refused_in_oauth_s_words(door, fields, error, status):
    assert is_refused(await door.token(fields), error, status)


async def test_codes_and_refresh_tokens_are_not_taken_for_each_other(door, account):
    asked = await ask(door.runtime, account.user_id)
    assert is_refused(await door.refresh(asked.code))
    tokens = await door.sign_in(account.user_id)
    for token in (tokens["refresh_token"], tokens["access_token"]):
        assert is_refused(await door.token(asked.form(code=token)))
    assert is_refused(await door.refresh(tokens["access_token"]))
    assert await door.call(tokens["refresh_token"]) == 401
    assert (await door.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_only_small_forms_are_read_and_never_the_address(door, account, path):
    refresh_token = (await door.sign_in(account.user_id))["refresh_token"]
    form = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": refresh_token, "token": refresh_token}
    post = door.http.post
    assert is_refused(await post(path, params=form), "invalid_request")
    assert is_refused(await post(path, params={"client_id": CLIENT}, data=form), "invalid_request")
    assert is_refused(await post(path, json=form), "invalid_request")
    assert is_refused(await post(path, data=form, files={"token": b"x"}), "invalid_request")
    assert is_refused(await post(path, content=b"", headers={"Content-Type": ""}), "invalid_request")
    of_a_form = {"Content-Type": "application/x-www-form-urlencoded"}
    for odd in (b"\xff\xfe", b"grant_type=%ff", b"a=1&" * 30, b"token=a&token=b&grant_type=x", b"&&&===", b""):
        assert is_refused(await post(path, content=odd, headers=of_a_form), "invalid_request")
    assert (await post(path, content=b"token=" + b"x" * 70_000, headers=of_a_form)).status_code == 413
    assert (await door.http.get(path)).status_code == 405
    assert (await door.refresh(refresh_token)).status_code == 200, "none of these has used it up"
