"""A user wants news now: Enode is asked, once a minute, and what it says goes the usual way."""

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
    app = create_app(settings, database_url, with_worker=False)  # so that nobody else polls
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay") as client,
    ):
        yield client


@pytest.fixture
def refresh(api, person):
    async def refresh(whose=None):
        return await api.post("/api/ha/refresh", headers=(whose or person).header)

    return refresh


@pytest.fixture
async def person(pool):
    return await add_user(pool)


async def later(pool, person):
    async with pool.connection() as connection:
        await connection.execute("update users set refreshed_at = now() - interval '61 s' where id = %s", [person.id])


@pytest.fixture
def cars(pool, api, settings):
    """Ids of somebody's cars, once all that Enode told is acted on."""

    async def cars(person):
        await InboxDrainer(pool, wake=lambda _users: None, vin_key=settings.key()).drain_once()
        return [it["id"] for it in (await api.get("/api/user/vehicles", headers=person.header)).json()]

    return cars


async def test_what_enode_has_new_is_taken_and_counted(pool, refresh, person, enode, cars):
    assert (await refresh()).json()["vehicles_updated"] == 0
    car = await asyncio.to_thread(enode.link_car, user=str(person.id))
    await later(pool, person)
    answer = await refresh()
    assert answer.json() == {"status": "success", "vehicles_updated": 1, "message": "Vehicles updated: 1."}
    assert await cars(person) == [car]
    await later(pool, person)
    assert (await refresh()).json()["vehicles_updated"] == 0


async def test_it_is_about_the_user_s_own_cars_only(pool, refresh, person, enode, cars):
    other = await add_user(pool)
    car = await asyncio.to_thread(enode.link_car, user=str(other.id))
    assert (await refresh(other)).json()["vehicles_updated"] == 1
    assert await cars(other) == [car]
    assert (await refresh()).json()["vehicles_updated"] == 0
    assert (await cars(person), await cars(other)) == ([], [car])


async def test_once_a_minute_however_many_ask_at_once(refresh, enode):
    answers = await asyncio.gather(*[refresh() for _ in range(5)])
    assert sorted(answer.status_code for answer in answers) == [200, 429, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["type"] == "urn:evconduit:problem:too-many-requests"


async def test_an_enode_that_fails_is_told_and_may_be_asked_again_at_once(refresh, enode):
    fault = {"method": "GET", "path": "/users/*/vehicles", "status": 401, "times": 100}
    await asyncio.to_thread(enode.json, "POST", "/_sim/faults", fault)
    answer = await refresh()
    assert (answer.status_code, answer.json()["type"]) == (502, "urn:evconduit:problem:enode-unavailable")
    await asyncio.to_thread(enode.json, "DELETE", "/_sim/faults", status=204)
    assert (await refresh()).status_code == 200


async def test_an_enode_that_is_asked_too_often_is_left_in_peace(refresh, enode):
    fault = {"method": "GET", "path": "/users/*/vehicles", "status": 429, "times": 100}
    await asyncio.to_thread(enode.json, "POST", "/_sim/faults", fault | {"headers": {"Retry-After": "900"}})
    answer = await refresh()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "900")


async def test_a_relay_without_enode_says_so(database_url, tmp_path, person):
    app = create_app(
        Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url, with_worker=False
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay") as client,
    ):
        assert (await client.post("/api/ha/refresh", headers=person.header)).status_code == 502
        assert (await client.post("/api/ha/refresh")).status_code == 401
