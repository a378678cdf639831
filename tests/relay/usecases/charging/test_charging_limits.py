"""Sessions, rate and home: the edges of what requests may contain, and that nothing of other users is touched."""

from datetime import timedelta
from uuid import UUID

from psycopg.rows import dict_row

from relay.usecases.charging.list_sessions import SessionCursor
from tests.relay.support.charging import NOW

RATE_URL, HOME_URL, SESSIONS_URL = "/api/ha/v2/electricity-rate", "/api/ha/v2/home", "/api/ha/v2/sessions"


async def fetch(pool, statement, *parameters):
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return await (await cursor.execute(statement, parameters)).fetchall()


async def get_page(api, **parameters):
    response = await api.get(SESSIONS_URL, params=parameters)
    assert response.status_code == 200, response.text
    page = response.json()
    return [session["id"] for session in page["sessions"]], page["next_before"]


async def test_page_has_50_sessions_by_default_and_200_at_most(api, pool, account):
    await fetch(
        pool,
        "insert into charging_sessions (id, vehicle_id, started_at, ended_at, open, energy_source)"
        " select gen_random_uuid(), %s, now() - n * interval '1 hour', now(), false, 'none'"
        " from generate_series(1, 201) n returning id",
        account.vehicle_id,
    )
    for parameters, size in (({}, 50), ({"limit": 1}, 1), ({"limit": 199}, 199), ({"limit": 200}, 200)):
        sessions, next_before = await get_page(api, **parameters)
        assert (parameters, len(sessions), next_before is None) == (parameters, size, False)
    for limit in (0, 201):
        assert (await api.get(SESSIONS_URL, params={"limit": limit})).status_code == 422
    assert len((await get_page(api, limit=200, before=next_before))[0]) == 1


async def test_last_full_page_says_that_there_are_no_older_sessions(api, add_session):
    newest, oldest = await add_session(1), await add_session(2)
    assert await get_page(api, limit=2) == ([newest, oldest], None)
    sessions, before = await get_page(api, limit=1)
    assert sessions == [newest]
    assert await get_page(api, limit=1, before=before) == ([oldest], None)


async def test_pages_split_sessions_of_one_moment_by_id_and_of_one_second_by_microsecond(api, add_session):
    numbers = [UUID(int=number) for number in (3, 2, 1)]
    for number in numbers:
        await add_session(1, id=number, started_at=NOW)
    earlier = await add_session(1, started_at=NOW - timedelta(microseconds=1))
    seen, before = [], None
    while len(seen) < 4:
        page, before = await get_page(api, limit=1, **({"before": before} if before else {}))
        seen += page
    assert (seen, before) == ([*map(str, numbers), earlier], None)


def test_cursor_is_read_back_to_the_microsecond():
    cursor = SessionCursor(started_at=NOW + timedelta(microseconds=7), session_id=UUID(int=5))
    assert SessionCursor.parse(str(cursor)) == cursor
    assert str(SessionCursor.parse(f"1000001.{UUID(int=5)}")) == f"1000001.{UUID(int=5)}"
    assert SessionCursor.parse(f"1000001.{UUID(int=5)}").started_at.isoformat() == "1970-01-01T00:00:01.000001+00:00"


async def test_sessions_of_one_vehicle_exclude_other_vehicles_and_include_unlinked_ones(
    api, add_session, pool, account
):
    [row] = await fetch(
        pool,
        "insert into vehicles (user_id, vendor, vehicle_cache, revision, gone_at, link_state)"
        " values (%s, 'KIA', '{}', 0, now(), 'broken') returning id",
        account.user_id,
    )
    own, unlinked = await add_session(1), await add_session(2, vehicle_id=row["id"])
    assert await get_page(api) == ([own, unlinked], None)
    for vehicle_id, session_id in ((account.vehicle_id, own), (row["id"], unlinked)):
        response = await api.get(f"/api/ha/v2/vehicles/{vehicle_id}/sessions")
        assert [session["id"] for session in response.json()["sessions"]] == [session_id]


async def test_rate_is_at_most_a_million_either_way_in_a_currency_of_three_letters(api):
    for cost, currency, status in [
        (0, "EUR", 200),
        (-1_000_000, "EUR", 200),
        (1_000_000, "sek", 200),
        (1_000_000.1, "EUR", 422),
        (-1_000_000.1, "EUR", 422),
        (1, "EU", 422),
        (1, "EURO", 422),
        (1, "E1R", 422),
        (1, "EUR\n", 422),
    ]:
        response = await api.put(RATE_URL, json={"cost_per_kwh": cost, "currency": currency})
        assert (cost, currency, response.status_code) == (cost, currency, status)
    rate = (await api.get(RATE_URL)).json()
    assert (rate["cost_per_kwh"], rate["currency"]) == (1_000_000, "SEK")


async def test_rate_changes_with_cost_or_currency_and_is_the_users_own(api, pool, account, make_account):
    other = await make_account()
    await fetch(pool, "insert into electricity_rates values (%s, now(), 9, 'USD') returning user_id", other.user_id)
    assert (await api.get(RATE_URL)).status_code == 404
    rates = [(0.3, "EUR"), (0.3, "SEK"), (0.2, "SEK"), (0.2, "SEK"), (0.3, "EUR")]
    for cost, currency in rates:
        await api.put(RATE_URL, json={"cost_per_kwh": cost, "currency": currency})
        rate = (await api.get(RATE_URL)).json()
        assert (rate["cost_per_kwh"], rate["currency"]) == (cost, currency)
    rows = await fetch(pool, "select user_id, cost_per_kwh as cost from electricity_rates order by valid_from")
    assert [row["cost"] for row in rows if row["user_id"] == account.user_id] == [0.3, 0.3, 0.2, 0.3]
    assert [row["cost"] for row in rows if row["user_id"] == other.user_id] == [9]


async def test_current_rate_is_the_newest_one(api, pool, account):
    for days, cost in ((2, 0.2), (1, 0.1)):
        await fetch(
            pool,
            "insert into electricity_rates values (%s, now() - %s, %s, 'EUR') returning user_id",
            *(account.user_id, timedelta(days=days), cost),
        )
    assert (await api.get(RATE_URL)).json()["cost_per_kwh"] == 0.1


async def test_home_is_on_the_globe_with_a_radius_of_50_metres_to_10_kilometres(api):
    home = {"latitude": 52.1, "longitude": 5.1, "radius_m": 500}
    for change, status in [
        ({"latitude": 90}, 200),
        ({"latitude": -90}, 200),
        ({"latitude": 90.1}, 422),
        ({"latitude": -90.1}, 422),
        ({"longitude": 180}, 200),
        ({"longitude": -180}, 200),
        ({"longitude": 180.1}, 422),
        ({"longitude": -180.1}, 422),
        ({"radius_m": 10_000}, 200),
        ({"radius_m": 10_001}, 422),
        ({"radius_m": 49}, 422),
        ({"radius_m": 50}, 200),
    ]:
        assert (change, (await api.put(HOME_URL, json=home | change)).status_code) == (change, status)
    assert (await api.get(HOME_URL)).json() == home | {"radius_m": 50}


async def test_home_starts_the_counters_of_the_users_vehicles_that_have_none(api, pool, account, make_account):
    other = await make_account()
    rows = {account.vehicle_id: None, other.vehicle_id: None}
    [row] = await fetch(
        pool,
        "insert into vehicles (user_id, vendor, vehicle_cache, revision) values (%s, 'KIA', '{}', 0) returning id",
        account.user_id,
    )
    for vehicle_id, home_kwh in (rows | {row["id"]: 7.0}).items():
        await fetch(
            pool,
            "insert into vehicle_energy (vehicle_id, tail, home_kwh) values (%s, '{}', %s) returning vehicle_id",
            *(vehicle_id, home_kwh),
        )
    await fetch(pool, "insert into home_places values (%s, 1, 1, 500) returning user_id", other.user_id)
    body = {"latitude": 52.1, "longitude": 5.1}
    for _ in range(2):
        assert (await api.put(HOME_URL, json=body)).json() == body | {"radius_m": 500}
        counters = await fetch(
            pool, "select v.id, home_kwh, v.revision from vehicles v join vehicle_energy e on e.vehicle_id = v.id"
        )
        assert {counter["id"]: (counter["home_kwh"], counter["revision"]) for counter in counters} == {
            account.vehicle_id: (0, 1),
            row["id"]: (7, 0),
            other.vehicle_id: (None, 0),
        }
    assert (await api.delete(HOME_URL)).status_code == 204
    assert (await api.get(HOME_URL)).status_code == (await api.delete(HOME_URL)).status_code == 404
    assert await fetch(pool, "select user_id, latitude from home_places") == [{"user_id": other.user_id, "latitude": 1}]


async def test_changed_home_has_the_time_of_its_change(api, pool):
    body = {"latitude": 52.1, "longitude": 5.1}
    await api.put(HOME_URL, json=body)
    await fetch(pool, "update home_places set updated_at = now() - interval '1 day' returning user_id")
    await api.put(HOME_URL, json=body | {"longitude": 6.1, "radius_m": 90})
    [row] = await fetch(pool, "select *, updated_at > now() - interval '1 hour' as is_new from home_places")
    assert (row["latitude"], row["longitude"], row["radius_m"], row["is_new"]) == (52.1, 6.1, 90, True)
