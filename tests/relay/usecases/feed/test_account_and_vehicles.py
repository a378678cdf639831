"""What a Home Assistant and the classic client get when they ask, and what they get instead."""

import asyncio
from uuid import uuid4

import httpx
import psycopg
import pytest

from relay.app import RELAY_HEADERS, create_app
from relay.settings import Settings


@pytest.fixture
async def api(database_url, tmp_path, account):
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    app = create_app(settings, database_url)

    @app.get("/mistake")
    async def mistake():
        raise RuntimeError("a secret")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": account.header}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client,
    ):
        yield client


async def used(api):
    return (await api.get("/api/ha/v2/account")).json()["allowance"]["used"]


async def test_the_account_says_who_and_what_is_left(api, account):
    whole = (await api.get("/api/ha/v2/account")).json()
    assert (whole["id"], whole["title"], whole["plan"], whole["push"]) == (
        str(account.user_id),
        "a@example.org",
        "pro",
        True,
    )
    assert whole["allowance"].keys() == {"limit", "used", "resets_at", "call_tokens"}
    assert whole["language"] == "en-US"
    assert {"charging", "stream", "max_current", "cancel", "refresh", "relink", "interventions"} <= set(
        whole["relay"]["features"]
    )


async def test_all_vehicles_are_one_call(api, account):
    snapshot = (await api.get("/api/ha/v2/vehicles")).json()
    assert [car["id"] for car in snapshot["vehicles"]] == [str(account.vehicle_id)]
    assert snapshot["vehicles"][0]["vehicle"]["vendor"] == "TESLA"
    assert snapshot["account"]["allowance"]["used"] == await used(api) == 1


async def test_status_is_the_same_under_both_ids_and_says_what_is_not_known(api, account):
    by_ours = await api.get(f"/api/ha/status/{account.vehicle_id}")
    by_enodes = await api.get(f"/api/ha/status/{account.enode_id}")
    body = by_ours.json()
    assert body == by_enodes.json()
    assert (body["chargeState"], body["isReachable"], body["vendor"]) == ({"batteryLevel": 50}, True, "TESLA")
    assert (body["location"], body["locationAvailable"], body["vehicleName"]) == (None, False, None)
    assert (body["information"], body["odometer"], body["capabilities"]) == ({}, {}, {})
    assert await used(api) == 2


async def test_status_is_one_round_trip_to_the_database(api, account, monkeypatch):
    statements = []
    execute = psycopg.AsyncCursor.execute
    mine = asyncio.current_task()  # the transport calls the app in it; background work has tasks of its own

    async def counted(self, query, *arguments, **options):
        if asyncio.current_task() is mine:
            statements.append(query)
        return await execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
    for path in ("status", "ha/status"):
        statements.clear()
        assert (await api.get(f"/api/{path}/{account.vehicle_id}")).status_code == 200
        assert len(statements) == 1


async def test_me_is_the_account_in_the_classic_shape_and_free(api, account):
    body = (await api.get("/api/me")).json()
    assert (body["id"], body["tier"], body["role"], body["online_status"]) == (
        str(account.user_id),
        "pro",
        "user",
        "green",
    )
    assert await used(api) == 0


@pytest.mark.parametrize("path", ["/api/ha/v2/account", "/api/ha/v2/vehicles", "/api/ha/v2/stream", "/api/me"])
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer evc_" + "x" * 43}, {"Authorization": "Basic eA=="}])
async def test_without_a_good_key_there_is_one_answer(api, path, header):
    api.headers.pop("Authorization")
    answer = await api.get(path, headers=header)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["type"] == "urn:evconduit:problem:unauthorized"


async def test_every_answer_says_that_it_comes_from_a_relay_and_every_error_is_a_problem(api):
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


async def test_a_body_over_the_limit_is_413_and_one_that_is_wrong_tells_where(api, account):
    url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
    assert (await api.post(url, content=b" " * 70_000)).status_code == 413
    answer = await api.post(url, json={"action": "hush-hush"})
    assert answer.json()["errors"][0]["loc"] == ["body", "action"]
    assert "hush" not in answer.text


async def test_the_openapi_document_knows_the_routes_and_their_shapes(api):
    document = (await api.get("/api/openapi.json")).json()
    assert {"/api/ha/v2/account", "/api/ha/status/{vehicle_id}", "/api/webhook/enode"} <= document["paths"].keys()
    assert {"AccountRecord", "SnapshotRecord", "VehicleRecord", "CommandRecord"} <= document["components"][
        "schemas"
    ].keys()
    assert (await api.get("/api/docs")).status_code == 200
