"""Pruning of OAuth codes and tokens: what is deleted, and what is kept because a client may still present it."""

from datetime import UTC, datetime

import pytest

from relay.identity.oauth_pruning import prune_oauth
from tests.relay.usecases.oauth.client import issue_code

AGE_TOKENS_BY_EIGHT_DAYS = """
update oauth_tokens set used_at = used_at - interval '8 days', created_at = created_at - interval '8 days'
"""


@pytest.fixture
async def tokens(client, account):
    return await client.sign_in(account.user_id)


async def execute(pool, *statements):
    async with pool.connection() as connection:
        for statement in statements:
            cursor = await connection.execute(statement)
    return cursor


async def count(pool, table, where="true"):
    return (await (await execute(pool, f"select count(*) from {table} where {where}")).fetchone())[0]


async def prune(pool):
    async with pool.connection() as connection:
        return await prune_oauth(connection, datetime.now(UTC), batch_size=2)


async def test_code_is_deleted_an_hour_after_it_expired(client, pool, account):
    for _ in range(5):
        await issue_code(client.runtime, account.user_id)
    await execute(pool, "update oauth_codes set expires_at = now() - interval '59 minutes'")
    assert await prune(pool) == 0
    await execute(pool, "update oauth_codes set expires_at = now() - interval '61 minutes'")
    assert (await prune(pool), await count(pool, "oauth_codes")) == (5, 0)


async def test_valid_end_of_a_chain_is_kept_and_still_refreshes(client, pool, tokens):
    newest = tokens
    for _ in range(4):
        newest = (await client.refresh(newest["refresh_token"])).json()
        assert await client.call(newest["access_token"]) == 200
    await execute(pool, AGE_TOKENS_BY_EIGHT_DAYS)
    assert await prune(pool) == 4
    assert await count(pool, "oauth_tokens") == 1
    assert (await client.refresh(newest["refresh_token"])).status_code == 200


async def test_replaced_token_is_kept_for_a_week_and_its_reuse_revokes_the_grant(client, pool, tokens):
    newest = (await client.refresh(tokens["refresh_token"])).json()
    assert await client.call(newest["access_token"]) == 200
    await execute(pool, "update oauth_tokens set used_at = used_at - interval '6 days'")
    assert await prune(pool) == 0
    assert (await client.refresh(tokens["refresh_token"])).status_code == 400
    assert await client.call(newest["access_token"]) == 401


async def test_unused_twins_are_deleted_and_stay_invalid(client, pool, tokens):
    twins = [(await client.refresh(tokens["refresh_token"])).json() for _ in range(3)]
    assert await client.call(twins[1]["access_token"]) == 200
    await execute(pool, AGE_TOKENS_BY_EIGHT_DAYS)
    assert await prune(pool) == 3
    assert (await client.refresh(twins[0]["refresh_token"])).status_code == 400
    assert (await client.refresh(twins[1]["refresh_token"])).status_code == 200


async def test_tokens_of_a_revoked_grant_are_deleted_after_a_week(pool, tokens):
    await execute(pool, "update oauth_grants set revoked_at = now() - interval '6 days'")
    assert await prune(pool) == 0
    await execute(pool, "update oauth_grants set revoked_at = now() - interval '8 days'")
    assert (await prune(pool), await count(pool, "oauth_tokens"), await count(pool, "oauth_grants")) == (1, 0, 1)


@pytest.mark.parametrize(("days", "is_revoked"), [(364, 0), (366, 1)])
async def test_grant_without_a_refresh_for_a_year_is_revoked(client, pool, tokens, days, is_revoked):
    await execute(
        pool,
        f"update oauth_grants set created_at = now() - interval '{days} days'",
        f"update oauth_tokens set created_at = now() - interval '{days} days'",
    )
    await prune(pool)
    assert await count(pool, "oauth_grants", "revoked_at is not null") == is_revoked
    assert (await client.refresh(tokens["refresh_token"])).status_code == (400 if is_revoked else 200)
