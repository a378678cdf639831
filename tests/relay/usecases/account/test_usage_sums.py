"""The figures of a usage report add up for any routes, installations, buckets and refunds."""

import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.identity.credentials import generate_api_key, get_key_prefix, hash_secret, parse_bearer_credential
from relay.kit.problems import Problem
from relay.metering.call_tokens import CallTokenEntry, grant_call_tokens
from relay.metering.quota import Quota, render_rate_limit_headers
from relay.usecases.account.usage_report import _count_by_day, _count_by_installation, _count_by_route, get_usage_report
from relay.usecases.calls.authorize import CallRequest, authorize_call, refund_call
from tests.relay.support.plans import create_plans

PLANS = create_plans(free=40, basic=40, pro=None)
ROUTES = ("status", "v2/vehicles", "v2/charging")
BEGAN = datetime(2027, 1, 28, 22, 30, tzinfo=UTC)
LONGEST_MONTH = timedelta(days=31)

ROWS = st.builds(
    lambda day, endpoint, number, calls: {
        "day": (BEGAN + day).date(),
        "endpoint": endpoint,
        "credential_id": number and UUID(int=number),
        "name": number and f"home {number}",
        "kind": number and "key",
        "calls": calls,
    },
    st.timedeltas(timedelta(0), LONGEST_MONTH),
    st.sampled_from(ROUTES),
    st.sampled_from([None, 1, 2]),
    st.integers(1, 500),
)


@given(st.lists(ROWS, max_size=60))
def test_each_breakdown_counts_every_call_once(rows):
    total = sum(row["calls"] for row in rows)
    days = list(_count_by_day(rows, BEGAN, BEGAN + LONGEST_MONTH))
    assert [day.day for day in days] == [date(2027, 1, 28) + timedelta(days=number) for number in range(32)]
    for breakdown in (days, list(_count_by_route(rows)), list(_count_by_installation(rows))):
        assert sum(row.calls for row in breakdown) == total
    for breakdown in (list(_count_by_route(rows)), list(_count_by_installation(rows))):
        assert [row.calls for row in breakdown] == sorted((row.calls for row in breakdown), reverse=True)
        assert all(row.calls for row in breakdown)


@given(
    st.integers(0, 20_000),
    st.integers(0, 30_000),
    st.integers(0, 5000),
    st.timedeltas(timedelta(-1), timedelta(days=31)),
)
def test_rate_limit_headers_match_the_remaining_calls(limit, used, tokens, ago):
    quota = Quota(used=used, call_tokens=tokens, began_at=BEGAN, resets_at=BEGAN + timedelta(days=31))
    fields = render_rate_limit_headers(quota, limit, BEGAN + ago)
    assert fields["RateLimit-Policy"] == f'"month";q={limit};w={31 * 86400}'
    remaining, seconds = (int(field.partition("=")[2]) for field in fields["RateLimit"].split(";")[1:])
    assert remaining == max(0, limit - used) + tokens
    # After this many seconds the month has started, and not a second earlier than needed.
    assert seconds >= 1
    assert quota.resets_at <= BEGAN + ago + timedelta(seconds=seconds) < quota.resets_at + timedelta(seconds=2)


async def insert_second_key(pool, account):
    key = generate_api_key()
    async with pool.connection() as connection:
        await connection.execute(
            "insert into api_keys (user_id, name, key_hash, prefix, scopes) values (%s, 'b', %s, %s, '{read,control}')",
            [account.user_id, hash_secret(key), get_key_prefix(key)],
        )
    return parse_bearer_credential(f"Bearer {key}")


async def execute(pool, statement):
    async with pool.connection() as connection:
        await connection.execute(statement)


@pytest.mark.parametrize("seed", range(4))
async def test_days_routes_and_installations_add_up_to_the_paid_calls(pool, make_account, seed):
    rng = random.Random(seed)  # noqa: S311 - no secret
    account = await make_account(plan="free")
    credentials = [account.credential, await insert_second_key(pool, account)]
    async with pool.connection() as connection:
        await grant_call_tokens(
            connection, CallTokenEntry(user_id=account.user_id, source="test", source_id=str(seed), amount=20)
        )
        calls = []
        for _ in range(90):
            request = CallRequest(scope="read", endpoint=rng.choice(ROUTES), vehicle_id=account.enode_id)
            with suppress(Problem):  # the budget is used up until the next refund
                calls.append(await authorize_call(connection, rng.choice(credentials), PLANS, request))
            if calls and rng.random() < 0.3:
                await refund_call(connection, calls.pop(rng.randrange(len(calls))))
        report = await get_usage_report(connection, account.user_id, PLANS)
    assert report.used + (20 - report.call_tokens) == len(calls)
    assert report.left == 40 - report.used
    for breakdown in (report.days, report.routes, report.installations):
        assert sum(row.calls for row in breakdown) == len(calls)


@pytest.mark.parametrize(("spent", "bucket"), [(0, "allowance"), (40, "call_tokens")])
@pytest.mark.parametrize("moved_to", ["another day", "another month"])
async def test_late_refund_is_booked_where_the_call_was_counted(pool, make_account, spent, bucket, moved_to):
    account = await make_account(plan="free")
    async with pool.connection() as connection:
        await grant_call_tokens(
            connection, CallTokenEntry(user_id=account.user_id, source="test", source_id="1", amount=5)
        )
        request = CallRequest(scope="read", endpoint="status", vehicle_id=account.enode_id)
        calls = [await authorize_call(connection, account.credential, PLANS, request) for _ in range(spent + 1)]
    # The clock can't be changed, so the usage is moved to yesterday or into a past month.
    if moved_to == "another day":
        await execute(pool, "update poll_logs set created_at = created_at - interval '1 day'")
        await execute(pool, "update usage_days set day = day - 1")
    else:
        for table in ("usage_months", "usage_days", "poll_logs"):
            await execute(pool, f"update {table} set period = period - interval '70 days'")
    async with pool.connection() as connection:
        await refund_call(connection, calls[-1])
        rows = await connection.execute(
            "select (select sum(used) from usage_months), (select balance from call_token_balances),"
            " sum(calls), sum(call_tokens), count(*) from usage_days"
        )
        assert await rows.fetchone() == (min(spent, 40), 5, spent, 0, 1)
        ((paid_by,),) = await (
            await connection.execute("select paid_by from poll_logs where refunded_at is not null")
        ).fetchall()
        report = await get_usage_report(connection, account.user_id, PLANS)
    assert paid_by == bucket
    assert report.used == (spent if moved_to == "another day" else 0)
