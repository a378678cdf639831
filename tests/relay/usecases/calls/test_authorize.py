"""Authorization of calls: scopes, the vehicle that an id means, exact counting and refunds."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.kit.problems import Problem
from relay.metering.repository import refund_metered_call
from relay.plans import SELF_HOSTED_PLANS
from relay.usecases.calls.authorize import CallRequest, authenticate_caller, authorize_call
from tests.relay.support.plans import create_plans


async def authorize(pool, account, plans=SELF_HOSTED_PLANS, **changes):
    request = {"scope": "read", "endpoint": "ha/status", "vehicle_id": str(account.vehicle_id)} | changes
    async with pool.connection() as connection:
        return await authorize_call(connection, account.credential, plans, CallRequest(**request))


async def get_used_calls(pool, account):
    async with pool.connection() as connection:
        return (await authenticate_caller(connection, account.credential, scope="read")).quota.used


async def test_vehicle_is_found_by_our_id_and_by_enodes_id(pool, account):
    by_our_id = await authorize(pool, account)
    by_enode_id = await authorize(pool, account, vehicle_id=account.enode_id)
    assert by_our_id.vehicle == by_enode_id.vehicle
    assert by_our_id.vehicle.enode_vehicle_id == account.enode_id
    assert (by_our_id.quota.used, by_enode_id.quota.used) == (1, 2)


async def test_old_enode_id_finds_the_vehicle_after_a_relink(pool, account):
    async with pool.connection() as connection:
        await connection.execute("update vehicle_links set ended_at = now()")
        await connection.execute(
            "insert into vehicle_links (enode_vehicle_id, vehicle_id) values ('new', %s)", [account.vehicle_id]
        )
    call = await authorize(pool, account, vehicle_id=account.enode_id)
    assert (call.vehicle.vehicle_id, call.vehicle.enode_vehicle_id) == (account.vehicle_id, "new")


@pytest.mark.parametrize(
    "unknown_id", ["nonsense", "46c7fd41-07fe-46c7-863b-fe0f86a4d275", "", "'; drop table users; --", "x" * 5000]
)
async def test_unknown_and_foreign_vehicles_get_the_same_404_free_of_charge(pool, account, make_account, unknown_id):
    other = await make_account()
    for foreign in (unknown_id, str(other.vehicle_id), other.enode_id):
        with pytest.raises(Problem) as caught:
            await authorize(pool, account, vehicle_id=foreign)
        assert (caught.value.status, caught.value.detail) == (404, "No such vehicle.")
    assert await get_used_calls(pool, account) == 0


@pytest.mark.parametrize("change", ["gone_at = now()", "link_state = 'over_limit'"])
async def test_vehicle_that_is_gone_or_over_the_limit_is_not_found(pool, account, change):
    async with pool.connection() as connection:
        await connection.execute(f"update vehicles set {change}")
    with pytest.raises(Problem, match="No such vehicle"):
        await authorize(pool, account)


async def test_missing_scope_returns_403_free_of_charge(pool, make_account):
    reader = await make_account(scopes=["read"])
    with pytest.raises(Problem) as caught:
        await authorize(pool, reader, scope="control")
    assert (caught.value.status, caught.value.slug) == (403, "forbidden")
    assert await get_used_calls(pool, reader) == 0


@pytest.mark.parametrize(
    "change", ["update api_keys set revoked_at = now()", "update users set closed_at = now()", "delete from api_keys"]
)
async def test_invalid_credential_returns_401_with_a_challenge(pool, account, change):
    async with pool.connection() as connection:
        await connection.execute(change)
    for attempt in (authorize(pool, account), get_used_calls(pool, account)):
        with pytest.raises(Problem) as caught:
            await attempt
        assert caught.value.status == 401
        assert caught.value.headers["WWW-Authenticate"] == "Bearer"


async def test_call_is_logged_with_user_endpoint_and_vehicle(pool, account):
    await authorize(pool, account)
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select user_id, vehicle_id, endpoint, paid_by, credential_id is not null from poll_logs"
        )
        assert await cursor.fetchall() == [(account.user_id, account.vehicle_id, "ha/status", "allowance", True)]


async def test_exhausted_quota_returns_429_with_retry_after(pool, make_account):
    plans = create_plans(free=1, basic=None, pro=None)
    account = await make_account(plan="free")
    await authorize(pool, account, plans)
    with pytest.raises(Problem) as caught:
        await authorize(pool, account, plans)
    assert (caught.value.status, caught.value.slug, caught.value.members["allowance"]) == (429, "quota-exhausted", 1)
    assert 0 < int(caught.value.headers["Retry-After"]) <= 31 * 86400
    assert await get_used_calls(pool, account) == 1


async def test_call_is_refunded_only_once(pool, account):
    call = await authorize(pool, account)
    async with pool.connection() as connection:
        assert await refund_metered_call(connection, call.call_id)
        assert not await refund_metered_call(connection, call.call_id)
    assert await get_used_calls(pool, account) == 0


async def test_last_use_is_not_written_on_every_call(pool, account):
    await authorize(pool, account)
    async with pool.connection() as connection:
        cursor = await connection.execute("select xmin::text, last_used_at is not null from api_keys")
        first = await cursor.fetchone()
        await authorize(pool, account)
        cursor = await connection.execute("select xmin::text, last_used_at is not null from api_keys")
        assert await cursor.fetchone() == first
    assert first[1]


@pytest.mark.parametrize("age", [0, 1, 27, 28, 31, 59, 365, 366, 4000])
async def test_quota_month_contains_now_and_begins_on_the_anchors_day(pool, account, age):
    anchor = datetime.now(UTC) - timedelta(days=age)
    anchor = anchor.replace(day=min(anchor.day, 28))
    async with pool.connection() as connection:
        await connection.execute("update users set quota_anchor = %s", [anchor])
        await connection.execute("set timezone to 'Pacific/Auckland'")
        call = await authorize_call(
            connection, account.credential, SELF_HOSTED_PLANS, CallRequest(scope="read", endpoint="ha/status")
        )
        cursor = await connection.execute("select period from poll_logs")
        (begins_at,) = await cursor.fetchone()
    ends_at = call.quota.resets_at.astimezone(UTC)
    begins_at = begins_at.astimezone(UTC)
    assert begins_at <= datetime.now(UTC) < ends_at
    assert {begins_at.day, ends_at.day} == {anchor.day}
    assert {begins_at.time(), ends_at.time()} == {anchor.time()}
    assert 28 <= (ends_at - begins_at).days <= 31
