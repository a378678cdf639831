"""Who is in stays in: answers get lost, requests race, and only a copied token ends an installation."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from relay.identity.oauth import MAX_UNUSED_SUCCESSORS
from tests.relay.usecases.oauth.client import CLIENT


async def execute(pool, statement, *parameters):
    async with pool.connection() as connection:
        return await connection.execute(statement, parameters)


async def count(pool, table):
    return (await (await execute(pool, f"select count(*) from {table}")).fetchone())[0]


async def later(pool, by: timedelta):
    """Let time pass for all tokens."""
    await execute(
        pool,
        "update oauth_tokens set used_at = used_at - %(by)s, created_at = created_at - %(by)s, "
        "access_expires_at = access_expires_at - %(by)s".replace("%(by)s", f"interval '{by.total_seconds()} s'"),
    )


async def refreshed(door, tokens):
    answer = await door.refresh(tokens["refresh_token"])
    assert answer.status_code == 200, answer.text
    return answer.json()


async def is_gone(door, tokens):
    """Neither token is good for anything."""
    answer = await door.refresh(tokens["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    return await door.call(tokens["access_token"]) == 401


@pytest.fixture
async def tokens(door, account):
    return await door.sign_in(account.user_id)


async def test_a_refresh_gives_a_new_pair(door, tokens):
    fresh = await refreshed(door, tokens)
    assert fresh["expires_in"] == 1800
    assert fresh["scope"] == "read control"
    assert len({tokens["access_token"], tokens["refresh_token"], fresh["access_token"], fresh["refresh_token"]}) == 4
    # A call that was on its way meanwhile goes through.
    assert await door.call(tokens["access_token"]) == 200
    assert await door.call(fresh["access_token"]) == 200


async def test_an_access_token_lives_half_an_hour_and_a_refresh_token_longer(door, pool, tokens):
    await later(pool, timedelta(minutes=29))
    assert await door.call(tokens["access_token"]) == 200
    await later(pool, timedelta(minutes=1))
    assert await door.call(tokens["access_token"]) == 401
    await later(pool, timedelta(days=300))
    assert await door.call((await refreshed(door, tokens))["access_token"]) == 200


async def test_who_was_silent_for_a_year_signs_in_again(door, pool, tokens):
    await later(pool, timedelta(days=365))
    assert await is_gone(door, tokens)


async def test_a_lost_answer_is_asked_for_again(door, tokens):
    for _ in range(3):
        await refreshed(door, tokens)
    assert await door.call((await refreshed(door, tokens))["access_token"]) == 200


@pytest.mark.parametrize("by", ["access", "refresh"])
async def test_a_refresh_token_is_dead_once_its_successor_was_used_and_then_ends_everything(door, tokens, by):
    fresh = await refreshed(door, tokens)
    newest = fresh
    if by == "access":
        assert await door.call(fresh["access_token"]) == 200
    else:
        newest = await refreshed(door, fresh)
    assert await is_gone(door, tokens)
    for pair in (fresh, newest):
        assert await is_gone(door, pair)


async def test_a_call_that_is_refused_for_another_reason_is_a_use_too(door, pool, account):
    tokens = await door.sign_in(account.user_id, scope="read")
    fresh = await refreshed(door, tokens)
    assert await door.call(fresh["access_token"], "/api/ha/v2/nothing") == 404
    bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert (await door.http.patch("/api/ha/v2/account", headers=bearer, json={"language": "de"})).status_code == 403
    assert await is_gone(door, tokens)


async def test_of_two_answers_the_one_used_first_is_the_one(door, tokens):
    lost, kept = await refreshed(door, tokens), await refreshed(door, tokens)
    assert await door.call(kept["access_token"]) == 200
    assert await door.call(lost["access_token"]) == 401


async def test_which_of_two_answers_came_first_does_not_matter(door, tokens):
    # The first request was given up, and is answered after the second: the client has the older answer.
    kept, _lost = await refreshed(door, tokens), await refreshed(door, tokens)
    assert await door.call(kept["access_token"]) == 200
    assert await door.call((await refreshed(door, kept))["access_token"]) == 200


async def test_two_refreshes_that_race_lock_nobody_out(door, pool, tokens):
    one, two = await asyncio.gather(refreshed(door, tokens), refreshed(door, tokens))
    # One part of Home Assistant has used the first answer when another part writes the second to disk.
    assert await door.call(one["access_token"]) == 200
    assert await door.call(two["access_token"]) == 401
    fresh = await refreshed(door, two)
    assert await door.call(fresh["access_token"]) == 200
    await later(pool, timedelta(minutes=30))
    assert await door.call((await refreshed(door, fresh))["access_token"]) == 200


async def test_the_race_is_over_after_a_minute(door, pool, tokens):
    one, two = await refreshed(door, tokens), await refreshed(door, tokens)
    assert await door.call(one["access_token"]) == 200
    await later(pool, timedelta(seconds=61))
    assert await is_gone(door, two)
    assert await is_gone(door, one), "two hold tokens of one installation"


async def test_a_chain_never_forks(door, pool, tokens):
    one, two = await refreshed(door, tokens), await refreshed(door, tokens)
    # Both are used in the same moment: who of them looks sees neither used.
    await execute(pool, "update oauth_tokens set used_at = now() where replaces is not null")
    ends = [await refreshed(door, it) for it in (one, two)]
    assert [await door.call(it["access_token"]) for it in ends] == [200, 401]


async def test_twenty_refreshes_at_once_are_all_answered_and_one_goes_on(door, pool, tokens):
    answers = await asyncio.gather(*(refreshed(door, tokens) for _ in range(20)))
    used = await asyncio.gather(*(door.call(it["access_token"]) for it in answers))
    # Those that look in the same moment get through until they are refreshed.
    assert used.count(200) >= 1
    assert await count(pool, "oauth_tokens") == 21
    await later(pool, timedelta(minutes=2))
    ends = [it for it in answers if (await door.refresh(it["refresh_token"])).status_code == 200]
    assert len(ends) <= 1


async def test_so_many_answers_are_kept_and_not_more(door, pool, tokens):
    first = await refreshed(door, tokens)
    for _ in range(MAX_UNUSED_SUCCESSORS):
        newest = await refreshed(door, tokens)
    assert await count(pool, "oauth_tokens") == 1 + MAX_UNUSED_SUCCESSORS
    assert await door.call(first["access_token"]) == 401
    assert await door.call(newest["access_token"]) == 200


@pytest.mark.parametrize(("scope", "status"), [("control read", 200), ("read", 400), ("read control account", 400)])
async def test_scopes_stay_as_they_were_approved(door, tokens, scope, status):
    answer = await door.refresh(tokens["refresh_token"], scope=scope)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"] == "invalid_scope"
    assert (await door.refresh(tokens["refresh_token"])).status_code == 200


async def test_another_client_gets_nothing(door, tokens):
    answer = await door.refresh(tokens["refresh_token"], client_id="other")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await door.refresh(tokens["refresh_token"])).status_code == 200


async def test_an_account_that_is_switched_off_for_now_is_not_asked_to_sign_in_again(door, pool, tokens):
    await execute(pool, "update users set disabled_at = now()")
    fresh = await refreshed(door, tokens)
    assert await door.call(fresh["access_token"]) == 403
    await execute(pool, "update users set disabled_at = null")
    assert await door.call((await refreshed(door, fresh))["access_token"]) == 200


async def test_a_closed_account_is_gone(door, pool, tokens):
    await execute(pool, "update users set closed_at = now()")
    assert await is_gone(door, tokens)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_revoked_token_ends_the_installation(door, tokens, which):
    answer = await door.revoke(tokens[which])
    assert (answer.status_code, answer.content) == (200, b"")
    assert await is_gone(door, tokens)
    assert (await door.revoke(tokens[which])).status_code == 200


async def test_a_token_of_long_ago_lets_its_installation_out_too(door, pool, tokens):
    fresh = await refreshed(door, tokens)
    assert await door.call(fresh["access_token"]) == 200
    assert (await door.http.post("/oauth/revoke", data={"token": tokens["refresh_token"]})).status_code == 200
    assert await is_gone(door, fresh)


async def test_what_is_no_token_of_ours_is_revoked_already(door, account, pool, tokens):
    await later(pool, timedelta(minutes=31))
    strange = ["", "x", "\0", "evr_" + "x" * 43, "x" * 50_000, account.header.removeprefix("Bearer ")]
    for token in [*strange[1:], tokens["access_token"]]:
        assert (await door.revoke(token)).status_code == 200
    assert (await door.revoke("")).json()["error"] == "invalid_request"
    refused = await door.revoke(tokens["refresh_token"], client_id="other")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert (await door.refresh(tokens["refresh_token"])).status_code == 200
    assert await door.call(account.header.removeprefix("Bearer ")) == 200


@pytest.mark.parametrize("error", [psycopg.OperationalError, PoolTimeout])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_while_the_database_is_away_nobody_is_sent_to_sign_in(door, tokens, monkeypatch, error, path):
    def away(*_arguments, **_named):
        raise error("away")

    form = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": tokens["refresh_token"], "token": "x"}
    with monkeypatch.context() as during:
        during.setattr(type(door.runtime.pool), "connection", away)
        answer = await door.http.post(path, data=form)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert (await door.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_client_that_goes_round_in_circles_is_told_to_wait(standing_clock, door, tokens):
    statuses = [(await door.refresh(tokens["refresh_token"])).status_code for _ in range(65)]
    assert statuses[:60] == [200] * 60
    assert 429 in statuses[60:]
    assert set(statuses[60:]) <= {200, 429}
    answer = await door.refresh(tokens["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_who_tries_tokens_is_slowed_down_and_their_neighbours_are_not(standing_clock, door, tokens):
    statuses = [(await door.refresh("evr_" + "x" * 43)).status_code for _ in range(65)]
    assert statuses[0] == 400
    assert statuses[-1] == 429
    assert (await door.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_call_with_an_access_token_is_one_statement_and_its_first_use_is_written_once(
    door, pool, tokens, monkeypatch
):
    asked = []
    execute_as_ever = psycopg.AsyncCursor.execute

    async def counted(cursor, statement, *more, **named):
        asked.append(statement)
        return await execute_as_ever(cursor, statement, *more, **named)

    # Where its row lies changes with every write.
    places = []
    for _ in range(3):
        with monkeypatch.context() as during:
            during.setattr(psycopg.AsyncCursor, "execute", counted)
            assert await door.call(tokens["access_token"]) == 200
        places.append(
            await (await execute(pool, "select ctid::text, used_at is not null from oauth_tokens")).fetchone()
        )
    assert len(asked) == 3
    assert places[0] == places[1] == places[2]
    assert places[0][1]
