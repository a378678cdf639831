"""The usage report and rate-limit headers, through the app's routes on a relay with limits."""

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


async def execute(pool, statement, *values):
    async with pool.connection() as connection:
        return await connection.execute(statement, values)


async def get_usage(api):
    response = await api.get("/api/me/usage")
    assert response.status_code == 200, response.text
    return response.json()


async def test_report_before_the_first_call_has_full_allowance_and_empty_days(api, pool):
    await execute(pool, "update users set quota_anchor = now() - interval '3 days'")
    report = await get_usage(api)
    assert {key: report[key] for key in ("plan", "allowance", "used", "left", "call_tokens")} == {
        "plan": "free",
        "allowance": 300,
        "used": 0,
        "left": 300,
        "call_tokens": 0,
    }
    today = datetime.now(UTC).date()
    assert report["by_day"] == [{"day": str(today - timedelta(days=days)), "calls": 0} for days in (3, 2, 1, 0)]
    assert report["by_route"] == report["by_installation"] == []


async def test_report_counts_calls_by_day_route_and_installation_without_refunds(api, pool):
    account, key = api.account, generate_api_key()
    await execute(
        pool,
        "insert into api_keys (user_id, name, key_hash, prefix) values (%s, 'a script', %s, 'evc_')",
        account.user_id,
        hash_secret(key),
    )
    for _ in range(3):
        await api.get("/api/ha/v2/vehicles", headers={"Authorization": f"Bearer {key}"})
    await api.get(f"/api/status/{account.vehicle_id}")
    await api.get(f"/api/status/{uuid4()}")
    # Fails because this relay has no access to Enode, and is refunded.
    response = await api.post(f"/api/ha/v2/vehicles/{account.vehicle_id}/charging", json={"action": "START"})
    assert response.status_code == 502
    report = await get_usage(api)
    assert (report["used"], report["left"]) == (4, 296)
    assert report["by_day"][-1] == {"day": str(datetime.now(UTC).date()), "calls": 4}
    assert report["by_route"] == [{"route": "v2/vehicles", "calls": 3}, {"route": "status", "calls": 1}]
    assert [(row["name"], row["kind"], row["calls"]) for row in report["by_installation"]] == [
        ("a script", "key", 3),
        ("HA", "key", 1),
    ]


async def test_report_excludes_other_months_and_other_users(api, pool, make_account):
    await api.get("/api/ha/v2/vehicles")
    await execute(pool, "update usage_days set period = period - interval '40 days'")
    await execute(pool, "update usage_months set period = period - interval '40 days'")
    other_account = await make_account()
    response = await api.get("/api/ha/v2/vehicles", headers={"Authorization": other_account.header})
    assert response.status_code == 200
    report = await get_usage(api)
    assert (report["used"], report["by_route"], report["by_installation"]) == (0, [], [])


async def test_report_is_free_but_rate_limited(api):
    # The clock stands still, else a slow machine would be granted more calls meanwhile.
    frozen_rate_limiter = RateLimiter(monotonic=lambda: 0.0)
    api.app.state.runtime = replace(api.app.state.runtime, rate_limiter=frozen_rate_limiter)
    statuses = [(await api.get("/api/me/usage")).status_code for _ in range(70)]
    assert statuses[:60] == [200] * 60
    assert set(statuses[60:]) == {429}
    assert (await api.get("/api/ha/v2/account")).json()["allowance"]["used"] == 0


async def test_report_keeps_calls_of_a_deleted_credential(api, pool):
    await api.get("/api/ha/v2/vehicles")
    other_key = generate_api_key()
    await execute(
        pool,
        "update api_keys set id = gen_random_uuid(), key_hash = %s where user_id = %s",
        hash_secret(other_key),
        api.account.user_id,
    )
    api.headers["Authorization"] = f"Bearer {other_key}"
    (entry,) = (await get_usage(api))["by_installation"]
    assert (entry["name"], entry["kind"], entry["calls"]) == (None, None, 1)


def parse_ratelimit(response):
    policy = re.fullmatch(r'"month";q=(\d+);w=(\d+)', response.headers["ratelimit-policy"])
    left = re.fullmatch(r'"month";r=(\d+);t=(\d+)', response.headers["ratelimit"])
    return [int(number) for number in (*policy.groups(), *left.groups())]


async def test_metered_responses_carry_ratelimit_headers(api):
    vehicle_id = api.account.vehicle_id
    paths = ["/api/ha/v2/vehicles", f"/api/status/{vehicle_id}", f"/api/ha/status/{vehicle_id}"]
    for number, path in enumerate(paths, start=1):
        quota, window, left, seconds = parse_ratelimit(await api.get(path))
        assert (quota, left) == (300, 300 - number)
        assert 28 * 86400 <= window <= 31 * 86400
        assert 0 < seconds <= window
    for path in ("/api/ha/v2/account", "/api/me/usage", "/api/me", f"/api/status/{uuid4()}"):
        assert "ratelimit" not in (await api.get(path)).headers


async def test_refunded_command_is_not_counted_in_ratelimit_headers(api):
    command = {"action": "START"}
    for path in ("/api/ha/v2/vehicles/{}/charging", "/api/charging/{}", "/api/ha/charging/{}"):
        response = await api.post(path.format(api.account.vehicle_id), json=command)
        assert response.status_code == 502
        assert parse_ratelimit(response)[2] == 300
    response = await api.post(f"/api/ha/v2/vehicles/{api.account.vehicle_id}/max-current", json={"amps": 10})
    assert (response.status_code, parse_ratelimit(response)[2]) == (422, 300)


async def test_exhausted_allowance_returns_429_with_reset_time(api, pool):
    await api.get("/api/ha/v2/vehicles")
    await execute(pool, "update usage_months set used = 300")
    response = await api.get("/api/ha/v2/vehicles")
    assert response.status_code == 429
    quota, _, left, seconds = parse_ratelimit(response)
    assert (quota, left) == (300, 0)
    assert abs(int(response.headers["retry-after"]) - seconds) <= 1
    body = response.json()
    assert (body["plan"], body["allowance"], body["used"], body["call_tokens"]) == ("free", 300, 300, 0)
    resets_at = datetime.fromisoformat(body["resets_at"])
    assert abs((resets_at - datetime.now(UTC)).total_seconds() - seconds) < 2
    account = (await api.get("/api/ha/v2/account")).json()
    next_poll_at = datetime.fromisoformat(account["next_poll_at"])
    assert resets_at <= next_poll_at <= resets_at + timedelta(minutes=5)


async def test_call_tokens_count_as_remaining_calls(api, pool):
    await execute(pool, "insert into call_token_balances (user_id, balance) values (%s, 3)", api.account.user_id)
    assert parse_ratelimit(await api.get("/api/ha/v2/vehicles"))[2] == 302
    await execute(pool, "update usage_months set used = 300")
    response = await api.get("/api/ha/v2/vehicles")
    assert parse_ratelimit(response)[2] == 2
    assert response.json()["account"]["allowance"]["call_tokens"] == 2
    assert (await api.get("/api/me")).json()["purchased_api_tokens"] == 2
    report = await get_usage(api)
    assert (report["used"], report["left"], report["call_tokens"], report["by_day"][-1]["calls"]) == (300, 0, 2, 2)


async def test_self_hosted_relay_has_no_limits_and_no_ratelimit_headers(api, pool):
    api.app.state.runtime = replace(api.app.state.runtime, plans=Settings().plans)
    response = await api.get("/api/ha/v2/vehicles")
    assert "ratelimit" not in response.headers
    account = response.json()["account"]
    assert (account["push"], account["plan"], account["next_poll_at"]) == (True, "free", None)
    assert account["allowance"]["limit"] is None
    report = await get_usage(api)
    assert (report["allowance"], report["left"], report["used"]) == (None, None, 1)


CHARGE_STATES = {
    "charging": '{"isCharging": true, "isPluggedIn": true}',
    "plugged in": '{"isCharging": false, "isPluggedIn": true}',
    "parked": '{"isCharging": null, "isPluggedIn": false}',
}


async def test_next_poll_depends_on_charging_and_is_the_same_on_both_routes(api, pool):
    waits = []
    for state in CHARGE_STATES.values():
        await execute(
            pool,
            "update vehicles set vehicle_cache = vehicle_cache || jsonb_build_object('chargeState', %s::jsonb)",
            state,
        )
        next_poll_at = (await api.get("/api/ha/v2/vehicles")).json()["account"]["next_poll_at"]
        same_poll_at = (await api.get("/api/ha/v2/account")).json()["next_poll_at"]
        wait = datetime.fromisoformat(next_poll_at) - datetime.now(UTC)
        assert abs(datetime.fromisoformat(same_poll_at) - datetime.fromisoformat(next_poll_at)) < timedelta(minutes=1)
        waits.append(wait)
    assert timedelta(minutes=4) < waits[0] < waits[1] / 1.5 < waits[2] <= timedelta(hours=6.6)


async def test_plans_with_push_have_no_next_poll(api, pool):
    await execute(pool, "update users set plan = 'pro'")
    assert (await api.get("/api/ha/v2/vehicles")).json()["account"]["next_poll_at"] is None


@pytest.mark.parametrize("path", ["status", "ha/status", "charging"])
async def test_metered_call_is_one_statement_even_when_a_token_pays(api, pool, monkeypatch, path):
    await api.get("/api/ha/v2/vehicles")
    await execute(pool, "update usage_months set used = 300")
    await execute(pool, "insert into call_token_balances (user_id, balance) values (%s, 5)", api.account.user_id)
    statements = []
    original_execute = psycopg.AsyncCursor.execute
    own_task = asyncio.current_task()

    async def record_statement(self, query, *arguments, **options):
        if asyncio.current_task() is own_task:
            statements.append(str(query))
        return await original_execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", record_statement)
    url = f"/api/{path}/{api.account.vehicle_id}"
    await (api.post(url, json={"action": "START"}) if path == "charging" else api.get(url))
    assert (
        len(
            [
                statement
                for statement in statements
                if "usage_months" in statement and "insert into poll_logs" in statement
            ]
        )
        == 1
    )
    if path != "charging":
        assert len(statements) == 1


def test_allowance_settings_apply_only_in_cloud_mode(monkeypatch):
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
    assert [plans.get(text).monthly_calls for text in ("free", "basic", "pro")] == [None, 7, 10_000]
    assert plans.push_plans == {"pro"}
