"""Exact to the call, whoever races: over many connections, over processes, with refunds between, at a month's edge."""

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

# Another process with connections of its own: 100 calls of the account, every fifth about a foreign car.
ELSEWHERE = """
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

        async def one(number):
            request = CallRequest(scope="read", endpoint="v2/vehicles", vehicle_id=foreign if number % 5 == 0 else own)
            try:
                async with pool.connection(timeout=60) as connection:
                    await authorize_call(connection, parse_bearer_credential(header), plans, request)
            except Problem as problem:
                return problem.status
            return 200

        print(json.dumps(Counter(await asyncio.gather(*map(one, range(100))))), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def rows(pool, statement, *values):
    async with pool.connection() as connection:
        return await (await connection.execute(statement, values)).fetchall()


async def ask(pool, account, vehicle=None, plans=PLANS):
    async with pool.connection(timeout=60) as connection:
        return await authorize_call(
            connection, account.credential, plans, CallRequest(scope="read", endpoint="v2/vehicles", vehicle_id=vehicle)
        )


async def status_of(call):
    try:
        await call
    except Problem as problem:
        return problem.status
    return 200


async def give_tokens(pool, account, amount=TOKENS):
    async with pool.connection() as connection:
        await grant_call_tokens(
            connection, CallTokenEntry(user_id=account.user_id, source="test", source_id=str(uuid4()), amount=amount)
        )


async def quota(pool, account):
    async with pool.connection() as connection:
        return (await authenticate_caller(connection, account.credential, scope="read")).quota


async def books(pool, account):
    """What each of the books says was paid by which bucket."""
    logged = await rows(
        pool,
        "select paid_by, count(*) from poll_logs where user_id = %s and refunded_at is null group by 1",
        account.user_id,
    )
    ((calls, by_token),) = await rows(
        pool,
        "select coalesce(sum(calls), 0), coalesce(sum(call_tokens), 0) from usage_days where user_id = %s",
        account.user_id,
    )
    now = await quota(pool, account)
    return dict(logged), (calls - by_token, by_token), now


@pytest.mark.parametrize("turn", range(5))
async def test_400_racing_calls_are_granted_exactly_allowance_and_tokens(pool, make_account, turn):
    account = await make_account(plan="free")
    await give_tokens(pool, account)
    asked = [ask(pool, account, FOREIGN if it % 5 == 0 else account.enode_id) for it in range(400)]
    answers = Counter(await asyncio.gather(*map(status_of, asked)))
    assert answers == {200: 75, 404: 80, 429: 245}
    logged, days, now = await books(pool, account)
    assert logged == {"allowance": 50, "call_tokens": 25}
    assert days == (50, 25)
    assert (now.used, now.call_tokens) == (50, 0)


async def test_four_processes_that_race_are_granted_no_more_together(pool, database_url, make_account):
    account = await make_account(plan="free")
    await give_tokens(pool, account)
    arguments = [database_url, account.header, account.enode_id, FOREIGN]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", ELSEWHERE, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in processes:
        assert await process.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    answers = sum((Counter(json.loads(out)) for out, _ in outputs), Counter())
    assert answers == {"200": 75, "404": 80, "429": 245}
    _, days, now = await books(pool, account)
    assert (days, now.used, now.call_tokens) == ((50, 25), 50, 0)


@pytest.mark.parametrize("turn", range(5))
async def test_refunds_that_race_with_calls_give_back_exactly_what_was_paid(pool, make_account, turn):
    account = await make_account(plan="free")
    await give_tokens(pool, account)

    async def regret(call):
        async with pool.connection(timeout=60) as connection:
            await refund_call(connection, call)

    async def call_and_regret(number):
        try:
            call = await ask(pool, account)
        except Problem as problem:
            return problem.status
        if number % 3:
            return 200
        await asyncio.gather(regret(call), regret(call))
        return "refunded"

    answers = Counter(await asyncio.gather(*map(call_and_regret, range(300))))
    logged, days, now = await books(pool, account)
    # Each call that stands is in every book once, and what is not used is there to be used.
    assert sum(logged.values()) == sum(days) == answers[200] <= 75
    assert days == (logged.get("allowance", 0), logged.get("call_tokens", 0))
    assert now.used == logged["allowance"]
    assert now.call_tokens == TOKENS - logged.get("call_tokens", 0)
    more = Counter([await status_of(ask(pool, account)) for _ in range(76 - answers[200])])
    assert more == {200: 75 - answers[200], 429: 1}


@pytest.mark.parametrize(("plan", "allowance"), [("basic", 7), ("pro", 0)])
async def test_tokens_are_touched_only_when_the_allowance_is_gone_and_given_back_to_themselves(
    pool, make_account, plan, allowance
):
    account = await make_account(plan=plan)
    await give_tokens(pool, account, 2)
    calls = [await ask(pool, account) for _ in range(allowance + 2)]
    left = [(it.quota.used, it.quota.call_tokens) for it in calls]
    assert left == [(it, 2) for it in range(1, allowance + 1)] + [(allowance, 1), (allowance, 0)]
    assert await status_of(ask(pool, account)) == 429
    async with pool.connection() as connection:
        given = await refund_call(connection, calls[-1])
        assert (given.quota.used, given.quota.call_tokens) == (allowance, 1)
        again = await refund_call(connection, calls[-1])
    assert again.quota == calls[-1].quota
    assert (await quota(pool, account)).call_tokens == 1
    assert await status_of(ask(pool, account)) == 200


async def test_a_plan_that_shrinks_keeps_what_was_used(pool, make_account):
    account = await make_account(plan="free")
    for _ in range(10):
        await ask(pool, account)
    await rows(pool, "update users set plan = 'basic' returning id")
    with pytest.raises(Problem) as caught:
        await ask(pool, account)
    assert (caught.value.members["used"], caught.value.members["allowance"]) == (10, 7)
    assert caught.value.headers["RateLimit"].startswith('"month";r=0;t=')


async def test_with_a_new_month_the_allowance_is_whole_again_and_old_refunds_stay_in_their_month(pool, make_account):
    account = await make_account(plan="basic")
    old = [await ask(pool, account) for _ in range(7)]
    assert await status_of(ask(pool, account)) == 429
    # Time cannot be moved, but what was counted can: into a month that is over.
    for table in ("usage_months", "usage_days", "poll_logs"):
        await rows(pool, f"update {table} set period = period - interval '70 days' returning period")
    assert (await ask(pool, account)).quota.used == 1
    async with pool.connection() as connection:
        await refund_call(connection, old[0])
    assert (await quota(pool, account)).used == 1
    months = await rows(pool, "select used from usage_months order by period")
    assert months == [(6,), (1,)]
