"""The one statement: who may, about which car, and exactly once counted."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.kit.problems import Problem
from relay.metering.repository import refund_metered_call
from relay.plans import SELF_HOSTED_PLANS
from relay.usecases.calls.authorize import CallRequest, authenticate_caller, authorize_call
from tests.relay.support.plans import create_plans


async def ask(pool, account, plans=SELF_HOSTED_PLANS, **changes):
    wanted = {"scope": "read", "endpoint": "ha/status", "vehicle": str(account.vehicle_id)} | changes
    async with pool.connection() as connection:
        return await authorize_call(connection, account.credential, plans, CallRequest(**wanted))


async def used(pool, account):
    async with pool.connection() as connection:
        return (await authenticate_caller(connection, account.credential, scope="read")).quota.used


async def test_a_car_is_found_by_our_id_and_by_enode_s(pool, account):
    ours = await ask(pool, account)
    enodes = await ask(pool, account, vehicle=account.enode_id)
    assert ours.vehicle == enodes.vehicle
    assert ours.vehicle.enode_vehicle_id == account.enode_id
    assert (ours.quota.used, enodes.quota.used) == (1, 2)


async def test_after_a_new_link_the_old_enode_id_still_names_the_car(pool, account):
    async with pool.connection() as connection:
        await connection.execute("update vehicle_links set ended_at = now()")
        await connection.execute(
            "insert into vehicle_links (enode_vehicle_id, vehicle_id) values ('new', %s)", [account.vehicle_id]
        )
    call = await ask(pool, account, vehicle=account.enode_id)
    assert (call.vehicle.vehicle_id, call.vehicle.enode_vehicle_id) == (account.vehicle_id, "new")


@pytest.mark.parametrize(
    "vehicle", ["nonsense", "46c7fd41-07fe-46c7-863b-fe0f86a4d275", "", "'; drop table users; --", "x" * 5000]
)
async def test_unknown_and_foreign_cars_are_the_same_404_and_cost_nothing(pool, account, make_account, vehicle):
    other = await make_account()
    for foreign in (vehicle, str(other.vehicle_id), other.enode_id):
        with pytest.raises(Problem) as caught:
            await ask(pool, account, vehicle=foreign)
        assert (caught.value.status, caught.value.detail) == (404, "No such vehicle.")
    assert await used(pool, account) == 0


@pytest.mark.parametrize("change", ["gone_at = now()", "link_state = 'over_limit'"])
async def test_a_car_that_is_gone_or_over_the_limit_is_not_served(pool, account, change):
    async with pool.connection() as connection:
        await connection.execute(f"update vehicles set {change}")
    with pytest.raises(Problem, match="No such vehicle"):
        await ask(pool, account)


async def test_a_missing_scope_is_403_and_costs_nothing(pool, make_account):
    reader = await make_account(scopes=["read"])
    with pytest.raises(Problem) as caught:
        await ask(pool, reader, scope="control")
    assert (caught.value.status, caught.value.slug) == (403, "forbidden")
    assert await used(pool, reader) == 0


@pytest.mark.parametrize(
    "change", ["update api_keys set revoked_at = now()", "update users set closed_at = now()", "delete from api_keys"]
)
async def test_a_dead_credential_is_401_with_the_challenge(pool, account, change):
    async with pool.connection() as connection:
        await connection.execute(change)
    for asked in (ask(pool, account), used(pool, account)):
        with pytest.raises(Problem) as caught:
            await asked
        assert caught.value.status == 401
        assert caught.value.headers["WWW-Authenticate"] == "Bearer"


async def test_every_call_is_recorded_with_who_what_and_which_car(pool, account):
    await ask(pool, account)
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select user_id, vehicle_id, endpoint, paid_by, credential_id is not null from poll_logs"
        )
        assert await cursor.fetchall() == [(account.user_id, account.vehicle_id, "ha/status", "allowance", True)]


async def test_when_the_month_is_used_up_the_problem_says_until_when(pool, make_account):
    plans = create_plans(free=1, basic=None, pro=None)
    account = await make_account(plan="free")
    await ask(pool, account, plans)
    with pytest.raises(Problem) as caught:
        await ask(pool, account, plans)
    assert (caught.value.status, caught.value.slug, caught.value.members["allowance"]) == (429, "quota-exhausted", 1)
    assert 0 < int(caught.value.headers["Retry-After"]) <= 31 * 86400
    assert await used(pool, account) == 1


async def test_a_refund_happens_once(pool, account):
    call = await ask(pool, account)
    async with pool.connection() as connection:
        assert await refund_metered_call(connection, call.call_id)
        assert not await refund_metered_call(connection, call.call_id)
    assert await used(pool, account) == 0


async def test_last_use_is_noted_but_not_on_every_call(pool, account):
    await ask(pool, account)
    async with pool.connection() as connection:
        cursor = await connection.execute("select xmin::text, last_used_at is not null from api_keys")
        first = await cursor.fetchone()
        await ask(pool, account)
        cursor = await connection.execute("select xmin::text, last_used_at is not null from api_keys")
        assert await cursor.fetchone() == first
    assert first[1]


@pytest.mark.parametrize("age", [0, 1, 27, 28, 31, 59, 365, 366, 4000])
async def test_the_quota_month_holds_now_and_begins_on_the_anchor_s_day(pool, account, age):
    anchor = datetime.now(UTC) - timedelta(days=age)
    anchor = anchor.replace(day=min(anchor.day, 28))
    async with pool.connection() as connection:
        await connection.execute("update users set quota_anchor = %s", [anchor])
        await connection.execute("set timezone to 'Pacific/Auckland'")
        call = await authorize_call(
            connection, account.credential, SELF_HOSTED_PLANS, CallRequest(scope="read", endpoint="ha/status")
        )
        cursor = await connection.execute("select period from poll_logs")
        (began,) = await cursor.fetchone()
    ends = call.quota.resets_at.astimezone(UTC)
    began = began.astimezone(UTC)
    assert began <= datetime.now(UTC) < ends
    assert {began.day, ends.day} == {anchor.day}
    assert {began.time(), ends.time()} == {anchor.time()}
    assert 28 <= (ends - began).days <= 31
