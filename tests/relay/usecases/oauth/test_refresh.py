"""Refreshing and revoking: lost responses and races keep an installation signed in, only reuse revokes it."""

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


async def count_rows(pool, table):
    return (await (await execute(pool, f"select count(*) from {table}")).fetchone())[0]


async def advance_time(pool, by: timedelta):
    """Move all timestamps of tokens back by `by`."""
    await execute(
        pool,
        "update oauth_tokens set used_at = used_at - %(by)s, created_at = created_at - %(by)s, "
        "access_expires_at = access_expires_at - %(by)s".replace("%(by)s", f"interval '{by.total_seconds()} s'"),
    )


async def refresh(client, tokens):
    response = await client.refresh(tokens["refresh_token"])
    assert response.status_code == 200, response.text
    return response.json()


async def is_revoked(client, tokens):
    """Whether both tokens are refused."""
    response = await client.refresh(tokens["refresh_token"])
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    return await client.call(tokens["access_token"]) == 401


@pytest.fixture
async def tokens(client, account):
    return await client.sign_in(account.user_id)


async def test_refresh_returns_a_new_pair(client, tokens):
    fresh = await refresh(client, tokens)
    assert fresh["expires_in"] == 1800
    assert fresh["scope"] == "read control"
    assert len({tokens["access_token"], tokens["refresh_token"], fresh["access_token"], fresh["refresh_token"]}) == 4
    # A call that was sent before the refresh still succeeds.
    assert await client.call(tokens["access_token"]) == 200
    assert await client.call(fresh["access_token"]) == 200


async def test_access_token_expires_after_half_an_hour_and_refresh_token_later(client, pool, tokens):
    await advance_time(pool, timedelta(minutes=29))
    assert await client.call(tokens["access_token"]) == 200
    await advance_time(pool, timedelta(minutes=1))
    assert await client.call(tokens["access_token"]) == 401
    await advance_time(pool, timedelta(days=300))
    assert await client.call((await refresh(client, tokens))["access_token"]) == 200


async def test_refresh_token_expires_after_a_year(client, pool, tokens):
    await advance_time(pool, timedelta(days=365))
    assert await is_revoked(client, tokens)


async def test_refresh_can_be_repeated_after_a_lost_response(client, tokens):
    for _ in range(3):
        await refresh(client, tokens)
    assert await client.call((await refresh(client, tokens))["access_token"]) == 200


@pytest.mark.parametrize("by", ["access", "refresh"])
async def test_reuse_of_a_replaced_refresh_token_revokes_everything(client, tokens, by):
    fresh = await refresh(client, tokens)
    newest = fresh
    if by == "access":
        assert await client.call(fresh["access_token"]) == 200
    else:
        newest = await refresh(client, fresh)
    assert await is_revoked(client, tokens)
    for pair in (fresh, newest):
        assert await is_revoked(client, pair)


async def test_call_that_fails_for_another_reason_counts_as_use(client, pool, account):
    tokens = await client.sign_in(account.user_id, scope="read")
    fresh = await refresh(client, tokens)
    assert await client.call(fresh["access_token"], "/api/ha/v2/nothing") == 404
    bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert (await client.http.patch("/api/ha/v2/account", headers=bearer, json={"language": "de"})).status_code == 403
    assert await is_revoked(client, tokens)


async def test_pair_that_is_used_first_wins(client, tokens):
    lost, kept = await refresh(client, tokens), await refresh(client, tokens)
    assert await client.call(kept["access_token"]) == 200
    assert await client.call(lost["access_token"]) == 401


async def test_order_in_which_pairs_were_issued_does_not_matter(client, tokens):
    # The first request timed out and finished after the second, so the client has the older pair.
    kept, _lost = await refresh(client, tokens), await refresh(client, tokens)
    assert await client.call(kept["access_token"]) == 200
    assert await client.call((await refresh(client, kept))["access_token"]) == 200


async def test_racing_refreshes_do_not_lock_the_client_out(client, pool, tokens):
    one, two = await asyncio.gather(refresh(client, tokens), refresh(client, tokens))
    # One part of Home Assistant uses the first pair while another part saves the second.
    assert await client.call(one["access_token"]) == 200
    assert await client.call(two["access_token"]) == 401
    fresh = await refresh(client, two)
    assert await client.call(fresh["access_token"]) == 200
    await advance_time(pool, timedelta(minutes=30))
    assert await client.call((await refresh(client, fresh))["access_token"]) == 200


async def test_unused_twin_refreshed_after_a_minute_revokes_the_grant(client, pool, tokens):
    one, two = await refresh(client, tokens), await refresh(client, tokens)
    assert await client.call(one["access_token"]) == 200
    await advance_time(pool, timedelta(seconds=61))
    assert await is_revoked(client, two)
    assert await is_revoked(client, one), "two clients hold tokens of one installation"


async def test_chain_never_forks(client, pool, tokens):
    one, two = await refresh(client, tokens), await refresh(client, tokens)
    # Both are used at the same time, so neither call sees the other's use.
    await execute(pool, "update oauth_tokens set used_at = now() where replaces is not null")
    ends = [await refresh(client, token) for token in (one, two)]
    assert [await client.call(end["access_token"]) for end in ends] == [200, 401]


async def test_twenty_concurrent_refreshes_succeed_and_at_most_one_pair_continues(client, pool, tokens):
    responses = await asyncio.gather(*(refresh(client, tokens) for _ in range(20)))
    used = await asyncio.gather(*(client.call(response["access_token"]) for response in responses))
    # Calls at the same time may all succeed until the next refresh.
    assert used.count(200) >= 1
    assert await count_rows(pool, "oauth_tokens") == 21
    await advance_time(pool, timedelta(minutes=2))
    ends = [response for response in responses if (await client.refresh(response["refresh_token"])).status_code == 200]
    assert len(ends) <= 1


async def test_number_of_unused_successors_is_limited(client, pool, tokens):
    first = await refresh(client, tokens)
    for _ in range(MAX_UNUSED_SUCCESSORS):
        newest = await refresh(client, tokens)
    assert await count_rows(pool, "oauth_tokens") == 1 + MAX_UNUSED_SUCCESSORS
    assert await client.call(first["access_token"]) == 401
    assert await client.call(newest["access_token"]) == 200


@pytest.mark.parametrize(("scope", "status"), [("control read", 200), ("read", 400), ("read control account", 400)])
async def test_refresh_cannot_change_the_scopes(client, tokens, scope, status):
    response = await client.refresh(tokens["refresh_token"], scope=scope)
    assert response.status_code == status
    assert status == 200 or response.json()["error"] == "invalid_scope"
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_refresh_by_another_client_is_refused(client, tokens):
    response = await client.refresh(tokens["refresh_token"], client_id="other")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_disabled_account_can_refresh_but_not_call(client, pool, tokens):
    await execute(pool, "update users set disabled_at = now()")
    fresh = await refresh(client, tokens)
    assert await client.call(fresh["access_token"]) == 403
    await execute(pool, "update users set disabled_at = null")
    assert await client.call((await refresh(client, fresh))["access_token"]) == 200


async def test_closed_account_cannot_refresh(client, pool, tokens):
    await execute(pool, "update users set closed_at = now()")
    assert await is_revoked(client, tokens)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_the_installation(client, tokens, which):
    response = await client.revoke(tokens[which])
    assert (response.status_code, response.content) == (200, b"")
    assert await is_revoked(client, tokens)
    assert (await client.revoke(tokens[which])).status_code == 200


async def test_revoking_a_replaced_token_ends_the_installation(client, pool, tokens):
    fresh = await refresh(client, tokens)
    assert await client.call(fresh["access_token"]) == 200
    assert (await client.http.post("/oauth/revoke", data={"token": tokens["refresh_token"]})).status_code == 200
    assert await is_revoked(client, fresh)


async def test_revoking_an_unknown_token_returns_200(client, account, pool, tokens):
    await advance_time(pool, timedelta(minutes=31))
    unknown_tokens = ["", "x", "\0", "evr_" + "x" * 43, "x" * 50_000, account.header.removeprefix("Bearer ")]
    for token in [*unknown_tokens[1:], tokens["access_token"]]:
        assert (await client.revoke(token)).status_code == 200
    assert (await client.revoke("")).json()["error"] == "invalid_request"
    refused = await client.revoke(tokens["refresh_token"], client_id="other")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    assert await client.call(account.header.removeprefix("Bearer ")) == 200


@pytest.mark.parametrize("error", [psycopg.OperationalError, PoolTimeout])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_database_outage_returns_503_so_that_clients_retry(client, tokens, monkeypatch, error, path):
    def fail(*_arguments, **_named):
        raise error("fail")

    form = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": tokens["refresh_token"], "token": "x"}
    with monkeypatch.context() as patch:
        patch.setattr(type(client.runtime.pool), "connection", fail)
        response = await client.http.post(path, data=form)
    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_refreshing_in_a_loop_returns_429(frozen_clock, client, tokens):
    statuses = [(await client.refresh(tokens["refresh_token"])).status_code for _ in range(65)]
    assert statuses[:60] == [200] * 60
    assert 429 in statuses[60:]
    assert set(statuses[60:]) <= {200, 429}
    response = await client.refresh(tokens["refresh_token"])
    assert (response.status_code, response.json()["error"]) == (429, "temporarily_unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_guessing_tokens_returns_429_but_valid_tokens_still_work(frozen_clock, client, tokens):
    statuses = [(await client.refresh("evr_" + "x" * 43)).status_code for _ in range(65)]
    assert statuses[0] == 400
    assert statuses[-1] == 429
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_call_is_one_statement_and_first_use_is_written_once(client, pool, tokens, monkeypatch):
    statements = []
    original_execute = psycopg.AsyncCursor.execute

    async def record_statement(cursor, statement, *more, **named):
        statements.append(statement)
        return await original_execute(cursor, statement, *more, **named)

    # The ctid of the row changes with every write.
    row_versions = []
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.AsyncCursor, "execute", record_statement)
            assert await client.call(tokens["access_token"]) == 200
        row_versions.append(
            await (await execute(pool, "select ctid::text, used_at is not null from oauth_tokens")).fetchone()
        )
    assert len(statements) == 3
    assert row_versions[0] == row_versions[1] == row_versions[2]
    assert row_versions[0][1]
