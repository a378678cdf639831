"""Metering is exact to the call under concurrency: connections, processes, refunds, and the start of a month."""

import asyncio
import json
import sys
from collections import Counter
from uuid import uuid4

import pytest

from relay.kit.problems import Problem
from relay.metering.call_tokens import CallTokenEntry, grant_call_tokens
from relay.usecases.calls.authorize import CallRequest, authenticate_caller, authorize_call, refund_call
from tests.relay.support.plans import create_plans

PLANS = create_plans(free=50, basic=7, pro=0)
TOKENS = 25
FOREIGN = str(uuid4())

# Runs in another process, with its own connections: 100 calls of the account, every fifth for a foreign vehicle.
WORKER_CODE = """
import asyncio, json, sys
from collections import Counter
from relay.identity.credentials import parse_bearer_credential
from relay.kit.database import open_pool
from relay.kit.problems import Problem
from relay.plans import CLOUD_PLANS
from relay.usecases.calls.authorize import CallRequest, authorize_call

async def main(conninfo, header, own, foreign):
    plans = CLOUD_PLANS.override(monthly_calls={"free": 50, "basic": 7, "pro": 0})
    async with open_pool(conninfo, size=6) as pool:
        async with pool.connection() as connection:
            await connection.execute("select")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

        async def make_call(number):
            request = CallRequest(scope="read", endpoint="v2/vehicles", vehicle_id=foreign if number % 5 == 0 else own)
            try:
                async with pool.connection(timeout=60) as connection:
                    await authorize_call(connection, parse_bearer_credential(header), plans, request)
            except Problem as problem:
                return problem.status
            return 200

        print(json.dumps(Counter(await asyncio.gather(*map(make_call, range(100))))), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def fetch_rows(pool, statement, *values):
    async with pool.connection() as connection:
        return await (await connection.execute(statement, values)).fetchall()


async def make_call(pool, account, vehicle=None, plans=PLANS):
    async with pool.connection(timeout=60) as connection:
        return await authorize_call(
            connection, account.credential, plans, CallRequest(scope="read", endpoint="v2/vehicles", vehicle_id=vehicle)
        )


async def get_status(call):
    try:
        await call
    except Problem as problem:
        return problem.status
    return 200


async def grant_tokens(pool, account, amount=TOKENS):
    async with pool.connection() as connection:
        await grant_call_tokens(
            connection, CallTokenEntry(user_id=account.user_id, source="test", source_id=str(uuid4()), amount=amount)
        )


async def fetch_quota(pool, account):
    async with pool.connection() as connection:
        return (await authenticate_caller(connection, account.credential, scope="read")).quota


async def fetch_totals(pool, account):
    """Calls by the bucket that paid, from the call log, from the daily totals, and the current quota."""
    logged = await fetch_rows(
        pool,
        "select paid_by, count(*) from poll_logs where user_id = %s and refunded_at is null group by 1",
        account.user_id,
    )
    ((calls, by_token),) = await fetch_rows(
        pool,
        "select coalesce(sum(calls), 0), coalesce(sum(call_tokens), 0) from usage_days where user_id = %s",
        account.user_id,
    )
    now = await fetch_quota(pool, account)
    return dict(logged), (calls - by_token, by_token), now


@pytest.mark.parametrize("turn", range(5))
async def test_400_concurrent_calls_are_granted_exactly_allowance_and_tokens(pool, make_account, turn):
    account = await make_account(plan="free")
    await grant_tokens(pool, account)
    calls = [make_call(pool, account, FOREIGN if number % 5 == 0 else account.enode_id) for number in range(400)]
    answers = Counter(await asyncio.gather(*map(get_status, calls)))
    assert answers == {200: 75, 404: 80, 429: 245}
    logged, days, now = await fetch_totals(pool, account)
    assert logged == {"allowance": 50, "call_tokens": 25}
    assert days == (50, 25)
    assert (now.used, now.call_tokens) == (50, 0)


async def test_four_processes_together_are_granted_exactly_allowance_and_tokens(pool, database_url, make_account):
    account = await make_account(plan="free")
    await grant_tokens(pool, account)
    arguments = [database_url, account.header, account.enode_id, FOREIGN]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORKER_CODE,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert await process.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    answers = sum((Counter(json.loads(out)) for out, _ in outputs), Counter())
    assert answers == {"200": 75, "404": 80, "429": 245}
    _, days, now = await fetch_totals(pool, account)
    assert (days, now.used, now.call_tokens) == ((50, 25), 50, 0)


@pytest.mark.parametrize("turn", range(5))
async def test_concurrent_refunds_return_exactly_what_was_paid(pool, make_account, turn):
    account = await make_account(plan="free")
    await grant_tokens(pool, account)

    async def refund(call):
        async with pool.connection(timeout=60) as connection:
            await refund_call(connection, call)

    async def call_and_refund(number):
        try:
            call = await make_call(pool, account)
        except Problem as problem:
            return problem.status
        if number % 3:
            return 200
        await asyncio.gather(refund(call), refund(call))
        return "refunded"

    answers = Counter(await asyncio.gather(*map(call_and_refund, range(300))))
    logged, days, now = await fetch_totals(pool, account)
    # Each call that wasn't refunded is in every total once, and the rest of the budget can still be used.
    assert sum(logged.values()) == sum(days) == answers[200] <= 75
    assert days == (logged.get("allowance", 0), logged.get("call_tokens", 0))
    assert now.used == logged["allowance"]
    assert now.call_tokens == TOKENS - logged.get("call_tokens", 0)
    more = Counter([await get_status(make_call(pool, account)) for _ in range(76 - answers[200])])
    assert more == {200: 75 - answers[200], 429: 1}


@pytest.mark.parametrize(("plan", "allowance"), [("basic", 7), ("pro", 0)])
async def test_tokens_pay_only_after_the_allowance_and_get_their_own_refunds(pool, make_account, plan, allowance):
    account = await make_account(plan=plan)
    await grant_tokens(pool, account, 2)
    calls = [await make_call(pool, account) for _ in range(allowance + 2)]
    remaining = [(call.quota.used, call.quota.call_tokens) for call in calls]
    assert remaining == [(number, 2) for number in range(1, allowance + 1)] + [(allowance, 1), (allowance, 0)]
    assert await get_status(make_call(pool, account)) == 429
    async with pool.connection() as connection:
        refunded = await refund_call(connection, calls[-1])
        assert (refunded.quota.used, refunded.quota.call_tokens) == (allowance, 1)
        again = await refund_call(connection, calls[-1])
    assert again.quota == calls[-1].quota
    assert (await fetch_quota(pool, account)).call_tokens == 1
    assert await get_status(make_call(pool, account)) == 200


async def test_smaller_plan_keeps_the_usage(pool, make_account):
    account = await make_account(plan="free")
    for _ in range(10):
        await make_call(pool, account)
    await fetch_rows(pool, "update users set plan = 'basic' returning id")
    with pytest.raises(Problem) as caught:
        await make_call(pool, account)
    assert (caught.value.members["used"], caught.value.members["allowance"]) == (10, 7)
    assert caught.value.headers["RateLimit"].startswith('"month";r=0;t=')


async def test_new_month_resets_the_allowance_and_old_refunds_stay_in_their_month(pool, make_account):
    account = await make_account(plan="basic")
    old = [await make_call(pool, account) for _ in range(7)]
    assert await get_status(make_call(pool, account)) == 429
    # The clock can't be changed, so the usage is moved into a past month.
    for table in ("usage_months", "usage_days", "poll_logs"):
        await fetch_rows(pool, f"update {table} set period = period - interval '70 days' returning period")
    assert (await make_call(pool, account)).quota.used == 1
    async with pool.connection() as connection:
        await refund_call(connection, old[0])
    assert (await fetch_quota(pool, account)).used == 1
    months = await fetch_rows(pool, "select used from usage_months order by period")
    assert months == [(6,), (1,)]
