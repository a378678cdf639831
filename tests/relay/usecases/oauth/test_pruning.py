"""What of OAuth is forgotten, and what must stay because somebody may still come with it."""

from datetime import UTC, datetime

import pytest

from relay.identity.oauth_pruning import prune_oauth
from tests.relay.usecases.oauth.client import ask

EIGHT_DAYS_LATER = """
update oauth_tokens set used_at = used_at - interval '8 days', created_at = created_at - interval '8 days'
"""


@pytest.fixture
async def tokens(door, account):
    return await door.sign_in(account.user_id)


async def run(pool, *statements):
    async with pool.connection() as connection:
        for statement in statements:
            cursor = await connection.execute(statement)
    return cursor


async def count(pool, table, where="true"):
    return (await (await run(pool, f"select count(*) from {table} where {where}")).fetchone())[0]


async def prune(pool):
    async with pool.connection() as connection:
        return await prune_oauth(connection, datetime.now(UTC), batch_size=2)


async def test_a_code_is_remembered_for_an_hour_after_its_end(door, pool, account):
    for _ in range(5):
        await ask(door.runtime, account.user_id)
    await run(pool, "update oauth_codes set expires_at = now() - interval '59 minutes'")
    assert await prune(pool) == 0
    await run(pool, "update oauth_codes set expires_at = now() - interval '61 minutes'")
    assert (await prune(pool), await count(pool, "oauth_codes")) == (5, 0)


async def test_of_a_chain_the_living_end_stays_and_still_refreshes(door, pool, tokens):
    newest = tokens
    for _ in range(4):
        newest = (await door.refresh(newest["refresh_token"])).json()
        assert await door.call(newest["access_token"]) == 200
    await run(
        pool,
        "update oauth_tokens set used_at = used_at - interval '8 days', created_at = created_at - interval '8 days'",
    )
    assert await prune(pool) == 4
    assert await count(pool, "oauth_tokens") == 1
    assert (await door.refresh(newest["refresh_token"])).status_code == 200


async def test_a_dead_token_of_this_week_is_known_and_ends_the_grant(door, pool, tokens):
    newest = (await door.refresh(tokens["refresh_token"])).json()
    assert await door.call(newest["access_token"]) == 200
    await run(pool, "update oauth_tokens set used_at = used_at - interval '6 days'")
    assert await prune(pool) == 0
    assert (await door.refresh(tokens["refresh_token"])).status_code == 400
    assert await door.call(newest["access_token"]) == 401


async def test_twins_go_together_with_what_they_answered_and_none_rises(door, pool, tokens):
    twins = [(await door.refresh(tokens["refresh_token"])).json() for _ in range(3)]
    assert await door.call(twins[1]["access_token"]) == 200
    await run(
        pool,
        "update oauth_tokens set used_at = used_at - interval '8 days', created_at = created_at - interval '8 days'",
    )
    assert await prune(pool) == 3
    assert (await door.refresh(twins[0]["refresh_token"])).status_code == 400
    assert (await door.refresh(twins[1]["refresh_token"])).status_code == 200


async def test_tokens_of_an_ended_installation_go_after_a_week(pool, tokens):
    await run(pool, "update oauth_grants set revoked_at = now() - interval '6 days'")
    assert await prune(pool) == 0
    await run(pool, "update oauth_grants set revoked_at = now() - interval '8 days'")
    assert (await prune(pool), await count(pool, "oauth_tokens"), await count(pool, "oauth_grants")) == (1, 0, 1)


@pytest.mark.parametrize(("days", "ended"), [(364, 0), (366, 1)])
async def test_an_installation_that_was_silent_for_a_year_is_let_in_no_more(door, pool, tokens, days, ended):
    await run(
        pool,
        f"update oauth_grants set created_at = now() - interval '{days} days'",
        f"update oauth_tokens set created_at = now() - interval '{days} days'",
    )
    await prune(pool)
    assert await count(pool, "oauth_grants", "revoked_at is not null") == ended
    assert (await door.refresh(tokens["refresh_token"])).status_code == (400 if ended else 200)
