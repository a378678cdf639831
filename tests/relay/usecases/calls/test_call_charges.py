"""What a call costs: an allowed one exactly one call, a refused one nothing, for every kind of credential."""

from uuid import uuid4

import pytest

from relay.identity.credentials import ACCESS_TOKEN_PREFIX, Credential, generate_secret, hash_secret
from relay.kit.problems import Problem
from relay.plans import CLOUD_PLANS, SELF_HOSTED_PLANS
from relay.usecases.calls.authorize import (
    CallRequest,
    authenticate_caller,
    authorize_call,
    get_installation_call,
    refund_call,
)
from tests.relay.support.plans import create_plans

OWN, FOREIGN = "own", "foreign"

READ_CHARGES = """
select coalesce((select sum(used) from usage_months), 0), (select count(*) from poll_logs),
       coalesce((select sum(calls) from usage_days), 0), coalesce((select sum(call_tokens) from usage_days), 0),
       coalesce((select sum(balance) from call_token_balances), 0)
"""
NO_CHARGE = (0, 0, 0, 0, 5)
"""Calls of the month, logged calls, calls by day, call tokens spent by day, and call tokens left of five."""


async def execute(pool, statement, *values):
    async with pool.connection() as connection:
        await connection.execute(statement, values)


async def read_charges(pool):
    async with pool.connection() as connection:
        return tuple(map(int, await (await connection.execute(READ_CHARGES)).fetchone()))


async def sign_in_with_key(pool, account):
    return account.credential


async def sign_in_with_supabase(pool, account):
    supabase_id = uuid4()
    await execute(pool, "update users set supabase_id = %s where id = %s", supabase_id, account.user_id)
    return Credential(kind="person", lookup=supabase_id)


async def sign_in_with_oauth(pool, account):
    access_token = generate_secret(ACCESS_TOKEN_PREFIX)
    await execute(
        pool,
        """
        with g as (
            insert into oauth_grants (user_id, client_id, name, scopes, redirect_uri)
            values (%s, 'https://ha.example', 'Home', '{read,control}', 'https://ha.example/auth/external/callback')
            returning id
        )
        insert into oauth_tokens (grant_id, access_hash, refresh_hash, access_expires_at)
        select id, %s, %s, now() + interval '1 hour' from g
        """,
        account.user_id,
        hash_secret(access_token),
        hash_secret("refresh"),
    )
    return Credential(kind="access", lookup=hash_secret(access_token))


SIGN_INS = {"key": sign_in_with_key, "access": sign_in_with_oauth, "person": sign_in_with_supabase}
KINDS = tuple(SIGN_INS)
INSTALLATIONS = ("key", "access")


@pytest.fixture
async def caller(pool, make_account, request):
    """An account with five call tokens and the credential of the kind that the test names."""
    account = await make_account(plan="free")
    await execute(pool, "insert into call_token_balances (user_id, balance) values (%s, 5)", account.user_id)
    return account, await SIGN_INS[request.param](pool, account)


async def call(pool, caller, *, plans=CLOUD_PLANS, scope="control", vehicle=OWN):
    account, credential = caller
    vehicle_id = {OWN: str(account.vehicle_id), FOREIGN: str(uuid4())}.get(vehicle)
    async with pool.connection() as connection:
        request = CallRequest(scope=scope, endpoint="v2/charging", vehicle_id=vehicle_id)
        return await authorize_call(connection, credential, plans, request)


# What makes the relay refuse a call: a change of the database, the answer, and the credentials that it applies to.
REFUSALS = [
    pytest.param("update users set disabled_at = now()", (403, "account-disabled"), KINDS, id="disabled account"),
    pytest.param("update users set closed_at = now()", (401, "unauthorized"), KINDS, id="closed account"),
    pytest.param("update users set approved_at = null", (401, "unauthorized"), ("person",), id="unapproved account"),
    pytest.param("update users set supabase_id = null", (401, "unauthorized"), ("person",), id="unknown person"),
    pytest.param("update api_keys set revoked_at = now()", (401, "unauthorized"), ("key",), id="revoked key"),
    pytest.param("update api_keys set scopes = '{read}'", (403, "forbidden"), ("key",), id="key without scope"),
    pytest.param("update oauth_grants set revoked_at = now()", (401, "unauthorized"), ("access",), id="revoked grant"),
    pytest.param(
        "update oauth_grants set scopes = '{read}'", (403, "forbidden"), ("access",), id="grant without scope"
    ),
    pytest.param(
        "update oauth_tokens set access_expires_at = now()", (401, "unauthorized"), ("access",), id="expired token"
    ),
    pytest.param("update vehicles set gone_at = now()", (404, "not-found"), KINDS, id="unlinked vehicle"),
    pytest.param("update vehicles set link_state = 'over_limit'", (404, "not-found"), KINDS, id="over the limit"),
    pytest.param(
        "insert into settings (key, value) values ('commands_paused', 'true')",
        (503, "unavailable"),
        KINDS,
        id="paused commands",
    ),
]


@pytest.mark.parametrize(
    ("change", "answer", "caller"),
    [
        pytest.param(*refusal.values[:2], kind, id=f"{kind}, {refusal.id}")
        for refusal in REFUSALS
        for kind in refusal.values[2]
    ],
    indirect=["caller"],
)
async def test_refused_call_costs_nothing(pool, caller, change, answer):
    """Neither the allowance nor a call token, both of which could pay."""
    await execute(pool, change)
    with pytest.raises(Problem) as refused:
        await call(pool, caller)
    assert (refused.value.status, refused.value.slug) == answer
    with pytest.raises(Problem) as refused:
        await call(pool, caller, plans=create_plans(free=0))
    assert (refused.value.status, refused.value.slug) == answer
    assert await read_charges(pool) == NO_CHARGE


@pytest.mark.parametrize("caller", KINDS, indirect=True)
async def test_allowed_call_costs_one_call_of_the_allowance(pool, caller):
    allowed = await call(pool, caller)
    assert allowed.vehicle.vehicle_id == caller[0].vehicle_id
    assert (allowed.quota.used, allowed.quota.call_tokens) == (1, 5)
    assert await read_charges(pool) == (1, 1, 1, 0, 5)


@pytest.mark.parametrize("caller", KINDS, indirect=True)
async def test_allowed_call_beyond_the_allowance_costs_one_call_token(pool, caller):
    allowed = await call(pool, caller, plans=create_plans(free=0))
    assert (allowed.quota.used, allowed.quota.call_tokens) == (0, 4)
    assert await read_charges(pool) == (0, 1, 1, 1, 4)


@pytest.mark.parametrize("plans", [CLOUD_PLANS, create_plans(free=0)], ids=["of the allowance", "paid by a call token"])
@pytest.mark.parametrize("caller", KINDS, indirect=True)
async def test_refunded_call_costs_nothing_and_stays_in_the_log(pool, caller, plans):
    """Also the call of a person, which belongs to no installation."""
    allowed = await call(pool, caller, plans=plans)
    async with pool.connection() as connection:
        refunded = await refund_call(connection, allowed)
    assert (refunded.quota.used, refunded.quota.call_tokens) == (0, 5)
    assert await read_charges(pool) == (0, 1, 0, 0, 5)


@pytest.mark.parametrize("caller", ["key"], indirect=True)
async def test_call_for_an_unknown_vehicle_costs_nothing(pool, caller):
    with pytest.raises(Problem):
        await call(pool, caller, vehicle=FOREIGN)
    assert await read_charges(pool) == NO_CHARGE


@pytest.mark.parametrize("caller", ["key"], indirect=True)
async def test_call_without_a_vehicle_is_charged_once(pool, caller):
    await execute(pool, "update vehicles set gone_at = now()")
    allowed = await call(pool, caller, vehicle=None, scope="read")
    assert (allowed.vehicle, allowed.quota.used) == (None, 1)
    assert await read_charges(pool) == (1, 1, 1, 0, 5)


@pytest.mark.parametrize(
    ("paused", "scope", "is_allowed"),
    [("true", "read", True), ("true", "control", False), ("false", "control", True)],
)
@pytest.mark.parametrize("caller", ["key"], indirect=True)
async def test_paused_commands_refuse_only_commands(pool, caller, paused, scope, is_allowed):
    await execute(pool, "insert into settings (key, value) values ('commands_paused', %s::jsonb)", paused)
    await execute(pool, "insert into settings (key, value) values ('delivery_paused', 'true')")
    if is_allowed:
        await call(pool, caller, scope=scope)
    else:
        with pytest.raises(Problem) as refused:
            await call(pool, caller, scope=scope)
        assert refused.value.headers == {"Retry-After": "60"}
    assert await read_charges(pool) == ((1, 1, 1, 0, 5) if is_allowed else NO_CHARGE)


@pytest.mark.parametrize(("used", "is_allowed"), [(298, True), (299, True), (300, False), (301, False)])
@pytest.mark.parametrize("caller", KINDS, indirect=True)
async def test_the_free_plan_grants_exactly_300_calls(pool, caller, used, is_allowed):
    await call(pool, caller)
    await execute(pool, "update usage_months set used = %s", used)
    await execute(pool, "update call_token_balances set balance = 0")
    if is_allowed:
        assert (await call(pool, caller)).quota.used == used + 1
    else:
        with pytest.raises(Problem) as refused:
            await call(pool, caller)
        assert (refused.value.status, refused.value.slug) == (429, "quota-exhausted")
        assert {name: refused.value.members[name] for name in ("plan", "allowance", "used", "call_tokens")} == {
            "plan": "free",
            "allowance": 300,
            "used": used,
            "call_tokens": 0,
        }
    charges = await read_charges(pool)
    assert charges == ((used + 1, 2, 2, 0, 0) if is_allowed else (used, 1, 1, 0, 0))


@pytest.mark.parametrize("caller", ["key"], indirect=True)
async def test_calls_of_another_month_do_not_count(pool, caller):
    await call(pool, caller)
    await execute(pool, "update usage_months set used = 300, period = period - interval '1 month'")
    async with pool.connection() as connection:
        assert (await authenticate_caller(connection, caller[1], scope="read")).quota.used == 0
    assert (await call(pool, caller, plans=create_plans(free=0))).quota.used == 0
    assert (await call(pool, caller)).quota.used == 1


@pytest.mark.parametrize("caller", ["key"], indirect=True)
async def test_calls_of_another_user_do_not_count(pool, caller, make_account):
    other = await make_account(plan="free")
    await call(pool, (other, other.credential))
    await execute(pool, "delete from call_token_balances")
    await execute(pool, "update usage_months set used = 300")
    async with pool.connection() as connection:
        free_call = await authenticate_caller(connection, caller[1], scope="read")
    assert (free_call.quota.used, free_call.quota.call_tokens) == (0, 0)
    for user_id, balance in ((other.user_id, 7), (caller[0].user_id, 5)):
        await execute(pool, "insert into call_token_balances (user_id, balance) values (%s, %s)", user_id, balance)
    allowed = await call(pool, caller)
    assert (allowed.quota.used, allowed.quota.call_tokens) == (1, 5)
    async with pool.connection() as connection:
        free_call = await authenticate_caller(connection, caller[1], scope="read")
    assert (free_call.quota.used, free_call.quota.call_tokens) == (1, 5)
    await call(pool, caller, plans=create_plans(free=0))
    async with pool.connection() as connection:
        cursor = await connection.execute("select user_id, balance from call_token_balances")
        assert dict(await cursor.fetchall()) == {other.user_id: 7, caller[0].user_id: 4}


@pytest.mark.parametrize("caller", KINDS, indirect=True)
async def test_free_call_costs_nothing_and_shows_what_is_used(pool, caller):
    await call(pool, caller)
    async with pool.connection() as connection:
        free_call = await authenticate_caller(connection, caller[1], scope="read")
    assert (free_call.quota.used, free_call.quota.call_tokens, free_call.call_id) == (1, 5, None)
    assert await read_charges(pool) == (1, 1, 1, 0, 5)


ACCOUNT_ANSWERS = [
    ("disabled_at = now()", (403, "account-disabled")),
    ("closed_at = now()", (401, "unauthorized")),
]


@pytest.mark.parametrize(("change", "answer"), ACCOUNT_ANSWERS)
@pytest.mark.parametrize("caller", KINDS, indirect=True)
async def test_free_call_of_a_closed_or_disabled_account_is_refused(pool, caller, change, answer):
    await execute(pool, f"update users set {change}")
    with pytest.raises(Problem) as refused:
        async with pool.connection() as connection:
            await authenticate_caller(connection, caller[1], scope="read")
    assert (refused.value.status, refused.value.slug) == answer


@pytest.mark.parametrize("caller", KINDS, indirect=True)
async def test_only_a_person_manages_the_account(pool, caller, request):
    async with pool.connection() as connection:
        if caller[1].kind == "person":
            call = await authenticate_caller(connection, caller[1], scope="account")
            assert (call.caller.user_id, call.caller.credential_id) == (caller[0].user_id, None)
            return
        with pytest.raises(Problem) as refused:
            await authenticate_caller(connection, caller[1], scope="account")
    assert (refused.value.status, refused.value.slug) == (403, "forbidden")


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (None, None),
        ("update oauth_tokens set access_expires_at = now()", None),
        ("update users set closed_at = now()", (401, "unauthorized")),
        ("update users set disabled_at = now()", (403, "account-disabled")),
        ("update {table} set revoked_at = now()", (401, "unauthorized")),
        ("update {table} set scopes = '{{control}}'", (403, "forbidden")),
    ],
)
@pytest.mark.parametrize("caller", INSTALLATIONS, indirect=True)
async def test_installation_is_authorized_while_it_is_not_revoked(pool, caller, change, answer):
    """Streams and deliveries outlast access tokens, so only the installation itself counts."""
    account, credential = caller
    async with pool.connection() as connection:
        installation = await authenticate_caller(connection, credential, scope="read")
    if change is not None:
        await execute(pool, change.format(table="api_keys" if credential.kind == "key" else "oauth_grants"))
    async with pool.connection() as connection:
        if answer is None:
            found = await get_installation_call(connection, installation.caller.credential_id)
            assert found.caller.user_id == account.user_id
            return
        with pytest.raises(Problem) as refused:
            await get_installation_call(connection, installation.caller.credential_id)
    assert (refused.value.status, refused.value.slug) == answer


@pytest.mark.parametrize(("age", "is_written"), [(None, True), ("45 s", False), ("61 s", True)])
@pytest.mark.parametrize("caller", INSTALLATIONS, indirect=True)
async def test_last_use_is_written_once_a_minute(pool, caller, age, is_written):
    account, credential = caller
    table = "api_keys" if credential.kind == "key" else "oauth_grants"
    async with pool.connection() as connection:
        for number in range(3):  # a free call, a metered call, a stream's check
            await connection.execute(f"update {table} set last_used_at = now() - %s::interval", [age])
            if number == 0:
                caller_id = (await authenticate_caller(connection, credential, scope="read")).caller.credential_id
            elif number == 1:
                await authorize_call(
                    connection, credential, SELF_HOSTED_PLANS, CallRequest(scope="read", endpoint="v2/vehicles")
                )
            else:
                await get_installation_call(connection, caller_id)
            cursor = await connection.execute(
                f"select count(*) from {table} where last_used_at > now() - interval '30 s' and user_id = %s",
                [account.user_id],
            )
            assert (await cursor.fetchone())[0] == is_written
