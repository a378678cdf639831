"""Which sessions the classic and the v2 list have, and in which order."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from psycopg.types.json import Jsonb

from relay.app import create_app
from relay.kit.timestamps import format_timestamp
from relay.settings import Settings
from tests.relay.support.charging import NOW

CLASSIC, V2 = "/api/ha/charging/sessions", "/api/ha/v2/sessions"


async def list_ids(api, path, **parameters):
    response = await api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return [session.get("session_id") or session["id"] for session in response.json()["sessions"]]


@pytest.fixture
async def api(database_url, tmp_path, account):
    """A client of a relay without a worker, which would serve the vehicle over the limit again."""
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    app = create_app(settings, database_url, with_worker=False)
    headers = {"Authorization": account.header}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay", headers=headers) as client,
    ):
        yield client


@pytest.fixture
def add_vehicle(pool, account):
    async def add(link_state="ok", gone_at=None, user_id=None):
        vehicle_id = uuid4()
        async with pool.connection() as connection:
            await connection.execute(
                "insert into vehicles (id, user_id, vendor, vehicle_cache, revision, link_state, gone_at)"
                " values (%s, %s, 'TESLA', %s, 0, %s, %s)",
                [vehicle_id, user_id or account.user_id, Jsonb({}), link_state, gone_at],
            )
        return vehicle_id

    return add


async def test_lists_have_all_vehicles_but_those_over_the_limit_and_other_users(
    api, add_session, add_vehicle, make_account
):
    other = await make_account()
    own = await add_session(4)
    await add_session(4, vehicle_id=await add_vehicle("over_limit"))
    await add_session(4, vehicle_id=other.vehicle_id)
    unlinked = await add_session(3, vehicle_id=await add_vehicle(gone_at=NOW))
    broken = await add_session(2, vehicle_id=await add_vehicle("broken"))
    assert await list_ids(api, CLASSIC) == [own, unlinked, broken]
    assert await list_ids(api, V2) == [broken, unlinked, own]


async def test_session_under_way_is_not_in_the_classic_list(api, add_session):
    ended = await add_session(3)
    under_way = await add_session(1, open=True)
    stale = await add_session(9, open=True)
    assert await list_ids(api, CLASSIC) == [stale, ended]
    assert await list_ids(api, V2) == [under_way, ended, stale]


async def test_page_after_a_start_time_excludes_it(api, add_session):
    first, second, third = [await add_session(hours) for hours in (3, 2, 1)]
    at = [format_timestamp(NOW - timedelta(hours=hours)) for hours in (3, 2, 1)]
    assert await list_ids(api, CLASSIC, since=at[0]) == [second, third]
    assert await list_ids(api, CLASSIC, since=at[1]) == [third]
    assert await list_ids(api, CLASSIC, since=at[2]) == []
    before = (NOW - timedelta(hours=3, milliseconds=1)).isoformat()
    assert await list_ids(api, CLASSIC, since=before) == [first, second, third]


async def test_sync_overlaps_by_a_minute_and_ignores_start_times(api, add_session):
    """A value of `since` with microseconds is the time of a change."""
    changed = {
        seconds: await add_session(9 - index, changed=NOW - timedelta(seconds=seconds))
        for index, seconds in enumerate((200, 61, 59, 0))
    }
    since = NOW.replace(microsecond=1).isoformat()
    assert await list_ids(api, CLASSIC, since=since) == [changed[59], changed[0]]


@pytest.mark.parametrize(("limit", "count", "has_more"), [(1, 1, True), (2, 4, False), (3, 4, False), (4, 4, False)])
async def test_classic_page_is_extended_by_sessions_that_began_together(api, add_session, limit, count, has_more):
    added = [await add_session(hours) for hours in (5, 4, 4, 4)]
    response = (await api.get(CLASSIC, params={"limit": limit})).json()
    assert len(response["sessions"]) == count
    assert response["has_more"] is has_more
    assert response["sessions"][0]["session_id"] == added[0]
