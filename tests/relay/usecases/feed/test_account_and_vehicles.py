"""The account and vehicle routes for the integration and the classic client, and their errors."""

import asyncio
from uuid import uuid4

import httpx
import psycopg
import pytest

from relay.app import RELAY_HEADERS, create_app
from relay.settings import Settings
from tests.relay.support.feed import add_transition


@pytest.fixture
async def api(database_url, tmp_path, account):
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    app = create_app(settings, database_url)

    @app.get("/mistake")
    async def raise_error():
        raise RuntimeError("a secret")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": account.header}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client,
    ):
        yield client


async def get_used_calls(api):
    return (await api.get("/api/ha/v2/account")).json()["allowance"]["used"]


async def test_account_has_plan_push_and_remaining_calls(api, account):
    record = (await api.get("/api/ha/v2/account")).json()
    assert (record["id"], record["title"], record["plan"], record["push"]) == (
        str(account.user_id),
        "a@example.org",
        "pro",
        True,
    )
    assert record["allowance"].keys() == {"limit", "used", "resets_at", "call_tokens"}
    assert record["language"] == "en-US"
    assert {"charging", "stream", "max_current", "cancel", "refresh", "relink", "interventions"} <= set(
        record["relay"]["features"]
    )


async def test_listing_all_vehicles_costs_one_call(api, account):
    snapshot = (await api.get("/api/ha/v2/vehicles")).json()
    assert [vehicle["id"] for vehicle in snapshot["vehicles"]] == [str(account.vehicle_id)]
    assert snapshot["vehicles"][0]["vehicle"]["vendor"] == "TESLA"
    assert snapshot["account"]["allowance"]["used"] == await get_used_calls(api) == 1


async def test_snapshot_names_the_epoch_of_its_revisions(api, pool, account):
    """A polling client has no cursor: it learns from the body that a restored relay starts its revisions again."""
    for epoch in ("before", "after"):
        async with pool.connection() as connection:
            await connection.execute("update feeds set epoch = %s where user_id = %s", [epoch, account.user_id])
        assert (await api.get("/api/ha/v2/vehicles")).json()["epoch"] == epoch


async def test_polling_client_ahead_of_the_feed_is_told_of_the_gap(api, pool, account):
    """A backup was restored in the same epoch: revisions are lower than those that the client has."""
    snapshot = (await api.get("/api/ha/v2/vehicles")).json()
    assert "gap" not in snapshot
    for revision, gap in ((snapshot["vehicles"][0]["revision"], None), (99, True)):
        headers = {"Last-Event-ID": f"{snapshot['epoch']}.{revision}"}
        assert (await api.get("/api/ha/v2/vehicles", headers=headers)).json().get("gap") is gap


async def test_polling_client_gets_the_transitions_after_its_cursor(api, pool, account):
    """Plans without push have no stream: their automations depend on what a poll returns."""
    first = (await api.get("/api/ha/v2/vehicles")).json()
    assert first["transitions"] == []
    await add_transition(pool, account.user_id, account.vehicle_id, "plugged_in")
    await add_transition(pool, account.user_id, account.vehicle_id, "charging_started")
    assert (await api.get("/api/ha/v2/vehicles")).json()["transitions"] == []
    second = await list_after(api, first["cursor"])
    assert [transition["type"] for transition in second["transitions"]] == ["plugged_in", "charging_started"]
    assert second["transitions"][-1]["id"] == second["cursor"]
    assert second["transitions"][0].keys() == {"id", "vehicle_id", "type", "occurred_at", "recorded_at", "replayed"}
    assert (await list_after(api, second["transitions"][0]["id"]))["transitions"] == second["transitions"][1:]
    assert (await list_after(api, second["cursor"]))["transitions"] == []


async def test_missed_transitions_are_no_gap_in_the_records(api, pool, account):
    """A gap makes the client discard newer records. Transitions too old to be returned are no reason for it."""
    first = (await api.get("/api/ha/v2/vehicles")).json()
    await add_transition(pool, account.user_id, account.vehicle_id, age="25 hours")
    listed = await list_after(api, first["cursor"], position=first["cursor"])
    assert (listed["transitions"], listed.get("gap")) == ([], None)
    assert (await list_after(api, "another.1", position=f"{first['epoch']}.99")).get("gap") is True
    assert (await list_after(api, "another.1", position="another.1")).get("gap") is True


async def list_after(api, cursor, position=""):
    headers = {"Last-Event-ID": position} if position else {}
    return (await api.get("/api/ha/v2/vehicles", params={"transitions_after": cursor}, headers=headers)).json()


async def test_classic_status_is_the_same_by_both_ids_with_null_for_unknown_values(api, account):
    by_our_id = await api.get(f"/api/ha/status/{account.vehicle_id}")
    by_enode_id = await api.get(f"/api/ha/status/{account.enode_id}")
    body = by_our_id.json()
    assert body == by_enode_id.json()
    assert (body["chargeState"], body["isReachable"], body["vendor"]) == ({"batteryLevel": 50}, True, "TESLA")
    assert (body["location"], body["locationAvailable"], body["vehicleName"]) == (None, False, None)
    assert (body["information"], body["odometer"], body["capabilities"]) == ({}, {}, {})
    assert await get_used_calls(api) == 2


async def test_classic_status_takes_one_database_statement(api, account, monkeypatch):
    statements = []
    execute = psycopg.AsyncCursor.execute
    request_task = asyncio.current_task()  # requests run in this task, background work in tasks of its own

    async def counted(self, query, *arguments, **options):
        if asyncio.current_task() is request_task:
            statements.append(query)
        return await execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
    for path in ("status", "ha/status"):
        statements.clear()
        assert (await api.get(f"/api/{path}/{account.vehicle_id}")).status_code == 200
        assert len(statements) == 1


async def test_classic_me_returns_the_account_and_costs_no_call(api, account):
    body = (await api.get("/api/me")).json()
    assert (body["id"], body["tier"], body["role"], body["online_status"]) == (
        str(account.user_id),
        "pro",
        "user",
        "green",
    )
    assert await get_used_calls(api) == 0


@pytest.mark.parametrize("path", ["/api/ha/v2/account", "/api/ha/v2/vehicles", "/api/ha/v2/stream", "/api/me"])
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer evc_" + "x" * 43}, {"Authorization": "Basic eA=="}])
async def test_missing_or_invalid_key_is_unauthorized(api, path, header):
    api.headers.pop("Authorization")
    answer = await api.get(path, headers=header)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["type"] == "urn:evconduit:problem:unauthorized"


async def test_every_response_has_the_relay_header_and_every_error_is_a_problem(api):
    expected = {
        "/api/health/live": 200,
        "/": 200,
        f"/api/ha/status/{uuid4()}": 404,
        "/api/ha/v2/nothing": 404,
        "/api/ha/v2/commands/nonsense": 422,
        "/mistake": 500,
    }
    for path, status in expected.items():
        answer = await api.get(path)
        assert (path, answer.status_code) == (path, status)
        assert answer.headers.get_list("x-evconduit-relay") == list(RELAY_HEADERS.values())
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= answer.json().keys()
            assert "secret" not in answer.text


async def test_oversized_body_is_413_and_invalid_body_names_the_field(api, account):
    url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
    assert (await api.post(url, content=b" " * 70_000)).status_code == 413
    answer = await api.post(url, json={"action": "hush-hush"})
    assert answer.json()["errors"][0]["loc"] == ["body", "action"]
    assert "hush" not in answer.text


async def test_openapi_document_lists_routes_and_schemas(api):
    document = (await api.get("/api/openapi.json")).json()
    assert {"/api/ha/v2/account", "/api/ha/status/{vehicle_id}", "/api/webhook/enode"} <= document["paths"].keys()
    assert {"AccountRecord", "SnapshotRecord", "VehicleRecord", "CommandRecord"} <= document["components"][
        "schemas"
    ].keys()
    assert (await api.get("/api/docs")).status_code == 200
