"""Call tokens: each source grants once, a clawback takes at most what is left, and the balance is never negative."""

import asyncio

import psycopg
import pytest

from relay.metering.call_tokens import CallTokenEntry, Clawback, claw_back_call_tokens, grant_call_tokens


def entry(account, amount, source_id="1", source="operator"):
    return CallTokenEntry(user_id=account.user_id, source=source, source_id=source_id, amount=amount)


async def fetch_balance(pool, account):
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select balance from call_token_balances where user_id = %s", [account.user_id]
        )
        row = await cursor.fetchone()
    return row[0] if row else None


async def test_repeated_source_grants_once(pool, account):
    async with pool.connection() as connection:
        assert await grant_call_tokens(connection, entry(account, 100))
        assert not await grant_call_tokens(connection, entry(account, 100))
        assert not await grant_call_tokens(connection, entry(account, 250))
        assert await grant_call_tokens(connection, entry(account, 50, source_id="2"))
        assert await grant_call_tokens(connection, entry(account, 5, source="charge"))
    assert await fetch_balance(pool, account) == 155


async def test_concurrent_grants_of_one_source_grant_once(pool, account):
    async def grant():
        async with pool.connection() as connection:
            return await grant_call_tokens(connection, entry(account, 100))

    balances = await asyncio.gather(*(grant() for _ in range(20)))
    assert [balance for balance in balances if balance is not None] == [100]
    assert await fetch_balance(pool, account) == 100


async def test_clawback_takes_what_is_left_and_records_the_shortfall(pool, account):
    async with pool.connection() as connection:
        await grant_call_tokens(connection, entry(account, 100))
        assert await claw_back_call_tokens(connection, entry(account, 70, source_id="c1")) == Clawback(
            taken=70, shortfall=0
        )
        assert await claw_back_call_tokens(connection, entry(account, 70, source_id="c1")) is None
        assert await claw_back_call_tokens(connection, entry(account, 70, source_id="c2")) == Clawback(
            taken=30, shortfall=40
        )
        assert await claw_back_call_tokens(connection, entry(account, 1, source_id="c3")) == Clawback(
            taken=0, shortfall=1
        )
        cursor = await connection.execute("select kind, amount, shortfall from call_token_ledger order by id")
        rows = await cursor.fetchall()
    assert rows == [("grant", 100, 0), ("clawback", 70, 0), ("clawback", 30, 40), ("clawback", 0, 1)]
    assert await fetch_balance(pool, account) == 0


async def test_clawback_without_a_balance_takes_nothing(pool, account):
    async with pool.connection() as connection:
        assert await claw_back_call_tokens(connection, entry(account, 9)) == Clawback(taken=0, shortfall=9)
    assert await fetch_balance(pool, account) is None


async def test_concurrent_grants_and_clawbacks_add_up(pool, account):
    async def grant_or_claw_back(number):
        async with pool.connection() as connection:
            if number % 2:
                clawback = await claw_back_call_tokens(connection, entry(account, 7, source_id=f"c{number}"))
                return -clawback.taken
            await grant_call_tokens(connection, entry(account, 5, source_id=f"g{number}"))
            return 5

    moved = await asyncio.gather(*map(grant_or_claw_back, range(60)))
    assert await fetch_balance(pool, account) == sum(moved) >= 0


@pytest.mark.parametrize("amount", [0, -1])
async def test_amount_that_is_not_positive_is_refused(pool, account, amount):
    async with pool.connection() as connection:
        for operation in (grant_call_tokens, claw_back_call_tokens):
            with pytest.raises(ValueError, match="must be positive"):
                await operation(connection, entry(account, amount))


async def test_database_refuses_a_negative_balance(pool, account):
    async with pool.connection() as connection:
        await grant_call_tokens(connection, entry(account, 1))
        with pytest.raises(psycopg.errors.CheckViolation):
            await connection.execute("update call_token_balances set balance = -1")
