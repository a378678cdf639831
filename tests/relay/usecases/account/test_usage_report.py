"""What ate the quota, and what each answer says of it: through the app's own routes, on a relay with limits."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest

from relay.app import create_app
from relay.identity.credentials import generate_api_key, hash_secret
from relay.kit.rate_limiter import RateLimiter
from relay.settings import Settings, load_settings
from tests.relay.support.plans import CLOUD


@pytest.fixture
async def api(database_url, tmp_path, make_account):
    account = await make_account(plan="free")
    app = create_app(
        Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url, with_worker=False
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay") as client,
    ):
        app.state.runtime = replace(app.state.runtime, plans=CLOUD)
        client.headers["Authorization"] = account.header
        client.account, client.app = account, app
        yield client


async def run(pool, statement, *values):
    async with pool.connection() as connection:
        return await connection.execute(statement, values)


async def usage(api):
    answer = await api.get("/api/me/usage")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_before_the_first_call_the_month_is_whole_and_its_days_are_zero(api, pool):
    await run(pool, "update users set quota_anchor = now() - interval '3 days'")
    found = await usage(api)
    assert {key: found[key] for key in ("plan", "allowance", "used", "left", "call_tokens")} == {
        "plan": "free",
        "allowance": 300,
        "used": 0,
        "left": 300,
        "call_tokens": 0,
    }
    today = datetime.now(UTC).date()
    assert found["by_day"] == [{"day": str(today - timedelta(days=it)), "calls": 0} for it in (3, 2, 1, 0)]
    assert found["by_route"] == found["by_installation"] == []


async def test_calls_are_told_by_day_route_and_installation_and_refunds_are_not(api, pool):
    account, key = api.account, generate_api_key()
    await run(
        pool,
        "insert into api_keys (user_id, name, key_hash, prefix) values (%s, 'a script', %s, 'evc_')",
        account.user_id,
        hash_secret(key),
    )
    for _ in range(3):
        await api.get("/api/ha/v2/vehicles", headers={"Authorization": f"Bearer {key}"})
    await api.get(f"/api/status/{account.vehicle_id}")
    await api.get(f"/api/status/{uuid4()}")
    # Refused, because this relay knows no way to Enode.
    answer = await api.post(f"/api/ha/v2/vehicles/{account.vehicle_id}/charging", json={"action": "START"})
    assert answer.status_code == 502
    found = await usage(api)
    assert (found["used"], found["left"]) == (4, 296)
    assert found["by_day"][-1] == {"day": str(datetime.now(UTC).date()), "calls": 4}
    assert found["by_route"] == [{"route": "v2/vehicles", "calls": 3}, {"route": "status", "calls": 1}]
    assert [(it["name"], it["kind"], it["calls"]) for it in found["by_installation"]] == [
        ("a script", "key", 3),
        ("HA", "key", 1),
    ]


async def test_another_month_and_another_person_are_not_told(api, pool, make_account):
    await api.get("/api/ha/v2/vehicles")
    await run(pool, "update usage_days set period = period - interval '40 days'")
    await run(pool, "update usage_months set period = period - interval '40 days'")
    other = await make_account()
    assert (await api.get("/api/ha/v2/vehicles", headers={"Authorization": other.header})).status_code == 200
    found = await usage(api)
    assert (found["used"], found["by_route"], found["by_installation"]) == (0, [], [])


async def test_it_costs_nothing_and_cannot_be_asked_without_end(api):
    standing = RateLimiter(monotonic=lambda: 0.0)  # else a slow machine earns more calls meanwhile
    api.app.state.runtime = replace(api.app.state.runtime, rate_limiter=standing)
    statuses = [(await api.get("/api/me/usage")).status_code for _ in range(70)]
    assert statuses[:60] == [200] * 60
    assert set(statuses[60:]) == {429}
    assert (await api.get("/api/ha/v2/account")).json()["allowance"]["used"] == 0


async def test_a_credential_that_was_deleted_still_has_its_calls(api, pool):
    await api.get("/api/ha/v2/vehicles")
    other = generate_api_key()
    await run(
        pool,
        "update api_keys set id = gen_random_uuid(), key_hash = %s where user_id = %s",
        hash_secret(other),
        api.account.user_id,
    )
    api.headers["Authorization"] = f"Bearer {other}"
    (told,) = (await usage(api))["by_installation"]
    assert (told["name"], told["kind"], told["calls"]) == (None, None, 1)


def fields(answer):
    policy = re.fullmatch(r'"month";q=(\d+);w=(\d+)', answer.headers["ratelimit-policy"])
    left = re.fullmatch(r'"month";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    return [int(it) for it in (*policy.groups(), *left.groups())]


async def test_every_metered_answer_says_what_is_left_and_until_when(api):
    car = api.account.vehicle_id
    paths = ["/api/ha/v2/vehicles", f"/api/status/{car}", f"/api/ha/status/{car}"]
    for number, path in enumerate(paths, start=1):
        quota, window, left, seconds = fields(await api.get(path))
        assert (quota, left) == (300, 300 - number)
        assert 28 * 86400 <= window <= 31 * 86400
        assert 0 < seconds <= window
    for path in ("/api/ha/v2/account", "/api/me/usage", "/api/me", f"/api/status/{uuid4()}"):
        assert "ratelimit" not in (await api.get(path)).headers


async def test_a_command_that_is_given_back_says_so_in_its_fields(api):
    command = {"action": "START"}
    for path in ("/api/ha/v2/vehicles/{}/charging", "/api/charging/{}", "/api/ha/charging/{}"):
        answer = await api.post(path.format(api.account.vehicle_id), json=command)
        assert answer.status_code == 502
        assert fields(answer)[2] == 300
    answer = await api.post(f"/api/ha/v2/vehicles/{api.account.vehicle_id}/max-current", json={"amps": 10})
    assert (answer.status_code, fields(answer)[2]) == (422, 300)


async def test_out_of_calls_is_429_with_all_that_a_client_needs(api, pool):
    await api.get("/api/ha/v2/vehicles")
    await run(pool, "update usage_months set used = 300")
    answer = await api.get("/api/ha/v2/vehicles")
    assert answer.status_code == 429
    quota, _, left, seconds = fields(answer)
    assert (quota, left) == (300, 0)
    assert abs(int(answer.headers["retry-after"]) - seconds) <= 1
    body = answer.json()
    assert (body["plan"], body["allowance"], body["used"], body["call_tokens"]) == ("free", 300, 300, 0)
    resets_at = datetime.fromisoformat(body["resets_at"])
    assert abs((resets_at - datetime.now(UTC)).total_seconds() - seconds) < 2
    account = (await api.get("/api/ha/v2/account")).json()
    asked_again = datetime.fromisoformat(account["next_poll_at"])
    assert resets_at <= asked_again <= resets_at + timedelta(minutes=5)


async def test_call_tokens_count_as_left(api, pool):
    await run(pool, "insert into call_token_balances (user_id, balance) values (%s, 3)", api.account.user_id)
    assert fields(await api.get("/api/ha/v2/vehicles"))[2] == 302
    await run(pool, "update usage_months set used = 300")
    answer = await api.get("/api/ha/v2/vehicles")
    assert fields(answer)[2] == 2
    assert answer.json()["account"]["allowance"]["call_tokens"] == 2
    assert (await api.get("/api/me")).json()["purchased_api_tokens"] == 2
    found = await usage(api)
    assert (found["used"], found["left"], found["call_tokens"], found["by_day"][-1]["calls"]) == (300, 0, 2, 2)


async def test_a_relay_of_one_s_own_has_no_limits_and_says_nothing_of_them(api, pool):
    api.app.state.runtime = replace(api.app.state.runtime, plans=Settings().plans)
    answer = await api.get("/api/ha/v2/vehicles")
    assert "ratelimit" not in answer.headers
    account = answer.json()["account"]
    assert (account["push"], account["plan"], account["next_poll_at"]) == (True, "free", None)
    assert account["allowance"]["limit"] is None
    found = await usage(api)
    assert (found["allowance"], found["left"], found["used"]) == (None, None, 1)


CHARGE = {
    "charging": '{"isCharging": true, "isPluggedIn": true}',
    "plugged in": '{"isCharging": false, "isPluggedIn": true}',
    "parked": '{"isCharging": null, "isPluggedIn": false}',
}


async def test_when_to_ask_next_follows_what_the_cars_do_and_is_told_alike_by_both_routes(api, pool):
    waits = []
    for state in CHARGE.values():
        await run(
            pool,
            "update vehicles set vehicle_cache = vehicle_cache || jsonb_build_object('chargeState', %s::jsonb)",
            state,
        )
        told = (await api.get("/api/ha/v2/vehicles")).json()["account"]["next_poll_at"]
        again = (await api.get("/api/ha/v2/account")).json()["next_poll_at"]
        wait = datetime.fromisoformat(told) - datetime.now(UTC)
        assert abs(datetime.fromisoformat(again) - datetime.fromisoformat(told)) < timedelta(minutes=1)
        waits.append(wait)
    assert timedelta(minutes=4) < waits[0] < waits[1] / 1.5 < waits[2] <= timedelta(hours=6.6)


async def test_who_is_told_by_push_is_not_told_when_to_ask(api, pool):
    await run(pool, "update users set plan = 'pro'")
    assert (await api.get("/api/ha/v2/vehicles")).json()["account"]["next_poll_at"] is None


@pytest.mark.parametrize("path", ["status", "ha/status", "charging"])
async def test_a_metered_call_is_one_statement_also_where_a_token_pays(api, pool, monkeypatch, path):
    await api.get("/api/ha/v2/vehicles")
    await run(pool, "update usage_months set used = 300")
    await run(pool, "insert into call_token_balances (user_id, balance) values (%s, 5)", api.account.user_id)
    statements = []
    execute = psycopg.AsyncCursor.execute
    mine = asyncio.current_task()

    async def counted(self, query, *arguments, **options):
        if asyncio.current_task() is mine:
            statements.append(str(query))
        return await execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
    url = f"/api/{path}/{api.account.vehicle_id}"
    await (api.post(url, json={"action": "START"}) if path == "charging" else api.get(url))
    assert len([it for it in statements if "usage_months" in it and "insert into poll_logs" in it]) == 1
    if path != "charging":
        assert len(statements) == 1


def test_the_mode_decides_never_the_settings_of_the_cloud(monkeypatch):
    monkeypatch.setenv("EVCONDUIT_ALLOWANCE_FREE", "unlimited")
    monkeypatch.setenv("EVCONDUIT_ALLOWANCE_BASIC", "7")
    assert load_settings().plans.get("basic").monthly_calls is None
    assert load_settings().plans.push_plans == {"free", "basic", "pro"}
    monkeypatch.setenv("EVCONDUIT_MODE", "cloud")
    monkeypatch.setenv("EVCONDUIT_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere/")
    for name in ("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_URL", "EVCONDUIT_PUBLIC_URL"):
        monkeypatch.setenv(name, "https://example.org")
    plans = load_settings().plans
    assert [plans.get(it).monthly_calls for it in ("free", "basic", "pro")] == [None, 7, 10_000]
    assert plans.push_plans == {"pro"}
