"""The classic refresh: vehicles are fetched from Enode once a minute, and changes take the usual path."""

import asyncio

import httpx
import pytest

from relay.app import create_app
from relay.settings import Settings
from relay.usecases.events.drain_inbox import InboxDrainer
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.feed import add_user


@pytest.fixture
def enode():
    with run_signed_in_simulator() as simulator:
        yield simulator


@pytest.fixture
def settings(tmp_path, database_url, enode):
    return Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        **enode.relay_settings(),
    )


@pytest.fixture
async def api(settings, database_url):
    app = create_app(settings, database_url, with_worker=False)  # so that nothing else polls
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay") as client,
    ):
        yield client


@pytest.fixture
def refresh(api, user):
    async def refresh(other_user=None):
        return await api.post("/api/ha/refresh", headers=(other_user or user).header)

    return refresh


@pytest.fixture
async def user(pool):
    return await add_user(pool)


async def expire_throttle(pool, user):
    async with pool.connection() as connection:
        await connection.execute("update users set refreshed_at = now() - interval '61 s' where id = %s", [user.id])


@pytest.fixture
def list_vehicle_ids(pool, api, settings):
    """Lists the ids of a user's vehicles, after all events are processed."""

    async def list_vehicle_ids(user):
        await InboxDrainer(pool, wake=lambda _users: None, vin_key=settings.load_secret_key()).drain_once()
        return [row["id"] for row in (await api.get("/api/user/vehicles", headers=user.header)).json()]

    return list_vehicle_ids


async def test_refresh_stores_and_counts_changed_vehicles(pool, refresh, user, enode, list_vehicle_ids):
    assert (await refresh()).json()["vehicles_updated"] == 0
    enode_id = await asyncio.to_thread(enode.link_car, user=str(user.id))
    await expire_throttle(pool, user)
    answer = await refresh()
    assert answer.json() == {"status": "success", "vehicles_updated": 1, "message": "Vehicles updated: 1."}
    assert await list_vehicle_ids(user) == [enode_id]
    await expire_throttle(pool, user)
    assert (await refresh()).json()["vehicles_updated"] == 0


async def test_refresh_covers_only_the_users_own_vehicles(pool, refresh, user, enode, list_vehicle_ids):
    other = await add_user(pool)
    enode_id = await asyncio.to_thread(enode.link_car, user=str(other.id))
    assert (await refresh(other)).json()["vehicles_updated"] == 1
    assert await list_vehicle_ids(other) == [enode_id]
    assert (await refresh()).json()["vehicles_updated"] == 0
    assert (await list_vehicle_ids(user), await list_vehicle_ids(other)) == ([], [enode_id])


async def test_concurrent_refreshes_are_limited_to_one_a_minute(refresh, enode):
    answers = await asyncio.gather(*[refresh() for _ in range(5)])
    assert sorted(answer.status_code for answer in answers) == [200, 429, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["type"] == "urn:evconduit:problem:too-many-requests"


async def test_failed_refresh_returns_502_and_can_be_retried_at_once(refresh, enode):
    fault = {"method": "GET", "path": "/users/*/vehicles", "status": 401, "times": 100}
    await asyncio.to_thread(enode.json, "POST", "/_sim/faults", fault)
    answer = await refresh()
    assert (answer.status_code, answer.json()["type"]) == (502, "urn:evconduit:problem:enode-unavailable")
    await asyncio.to_thread(enode.json, "DELETE", "/_sim/faults", status=204)
    assert (await refresh()).status_code == 200


async def test_enodes_rate_limit_is_passed_on(refresh, enode):
    fault = {"method": "GET", "path": "/users/*/vehicles", "status": 429, "times": 100}
    await asyncio.to_thread(enode.json, "POST", "/_sim/faults", fault | {"headers": {"Retry-After": "900"}})
    answer = await refresh()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "900")


async def test_relay_without_enode_returns_502(database_url, tmp_path, user):
    app = create_app(
        Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url, with_worker=False
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay") as client,
    ):
        assert (await client.post("/api/ha/refresh", headers=user.header)).status_code == 502
        assert (await client.post("/api/ha/refresh")).status_code == 401
