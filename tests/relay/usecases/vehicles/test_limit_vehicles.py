"""A plan has room for so many cars: exactly so many are served, the others are listed by name and told nothing of."""

import asyncio
from uuid import UUID, uuid4

import pytest

from relay.identity.web_sessions import create_web_session
from relay.kit.problems import Problem
from relay.usecases.vehicles.limit_vehicles import apply_vehicle_limit, enforce_vehicle_limits, select_served_vehicles
from relay.vehicles.display_name import get_display_name
from tests.relay.support.linking import problem

BOTH = ["tesla-model-3", "tesla-model-y"]


def ids_of(records, state):
    return [it["id"] for it in records if (it["link"]["state"] == "over_limit") == (state == "over_limit")]


@pytest.fixture
async def full(world):
    """Two cars, and room for one."""
    world.limit(pro=1)
    await world.link("TESLA", cars=BOTH)
    return world


async def test_no_link_is_handed_out_when_there_is_no_room(world):
    world.limit(pro=1)
    asked = await world.ask("TESLA")
    await world.link("XPENG")
    answer = await world.api.post("/api/user/link-vehicle", json={"vendor": "TESLA"})
    assert problem(answer) == (403, "vehicle-limit")
    assert {it: answer.json()[it] for it in ("limit", "linked", "plan")} == {"limit": 1, "linked": 1, "plan": "pro"}
    pressed = await world.browser.post(asked["url"])
    assert (pressed.status_code, "The car limit is reached" in pressed.text) == (403, True)
    world.limit(pro=2)
    assert (await world.browser.post(asked["url"])).status_code == 303  # it was not used up


async def test_of_two_links_at_the_limit_exactly_so_many_are_served(world):
    world.limit(pro=1)
    asked = [await world.ask(it) for it in ("TESLA", "XPENG")]
    pages = [(await world.browser.post(it["url"])).headers["location"] for it in asked]
    backs = await asyncio.gather(*(world.at_maker(it) for it in pages))
    await asyncio.gather(*(world.browser.get(it) for it in backs))
    await asyncio.gather(*(world.drain() for _ in range(3)))
    records = await world.records()
    assert len(records) >= 2
    assert len(ids_of(records, "served")) == 1


async def test_a_car_beyond_the_limit_is_listed_by_name_and_not_served(full):
    records = await full.records()
    (served,), (waiting,) = ids_of(records, "served"), ids_of(records, "over_limit")
    shown = next(it for it in records if it["id"] == waiting)["vehicle"]
    assert set(shown) == {"vendor", "information"}
    assert "vin" not in shown["information"]
    assert (await full.api.get(f"/api/ha/status/{served}")).status_code == 200
    assert (await full.api.get(f"/api/ha/status/{waiting}")).status_code == 404


async def test_nothing_is_told_of_it(full):
    (waiting,) = ids_of(await full.records(), "over_limit")
    (row,) = await full.rows("select enode_vehicle_id from vehicle_links where vehicle_id = %s", UUID(waiting))
    (before,) = await full.rows("select seq from feeds where user_id = %s", full.account.user_id)
    await full.sim("POST", f"/_sim/vehicles/{row['enode_vehicle_id']}", {"activity": "plug_in", "battery_level": 33})
    await full.tell("updated", await full.sim("GET", f"/vehicles/{row['enode_vehicle_id']}"))
    (after,) = await full.rows("select seq from feeds where user_id = %s", full.account.user_id)
    assert after == before
    (kept,) = await full.rows("select vehicle_cache from vehicles where id = %s", UUID(waiting))
    assert kept["vehicle_cache"]["chargeState"]["batteryLevel"] == 33


async def test_the_user_picks_and_the_pick_outlives_a_better_plan(full):
    records = await full.records()
    (served,), (waiting,) = ids_of(records, "served"), ids_of(records, "over_limit")
    await select_served_vehicles(full.runtime, full.account.user_id, [UUID(waiting)])
    assert ids_of(await full.records(), "served") == [waiting]
    assert all(it["revision"] > max(old["revision"] for old in records) for it in await full.records())
    full.limit(pro=5)
    assert await enforce_vehicle_limits(full.runtime) == 1
    assert set(ids_of(await full.records(), "served")) == {served, waiting}
    full.limit(pro=1)
    assert await enforce_vehicle_limits(full.runtime) == 1
    assert ids_of(await full.records(), "served") == [waiting]
    assert await enforce_vehicle_limits(full.runtime) == 0


async def test_more_than_there_is_room_for_and_strangers_cars_are_refused(full):
    every = [UUID(it["id"]) for it in await full.records()]
    for chosen, expected in ((every, (403, "vehicle-limit")), ([uuid4()], (404, "not-found"))):
        with pytest.raises(Problem) as caught:
            await select_served_vehicles(full.runtime, full.account.user_id, chosen)
        assert (caught.value.status, caught.value.slug) == expected


async def test_a_key_never_picks(full):
    answer = await full.api.post("/api/user/vehicles/served", json={"vehicles": []})
    assert problem(answer) == (403, "forbidden")


async def test_when_a_car_goes_another_takes_its_place(full):
    full.limit(pro=3)
    await full.link("XPENG")
    full.limit(pro=1)
    await enforce_vehicle_limits(full.runtime)
    served = ids_of(await full.records(), "served")
    xpeng = next(it for it in await full.records() if it["vehicle"]["vendor"] == "XPENG")
    assert xpeng["id"] not in served
    await full.api.delete(f"/api/user/vehicles/{served[0]}", params={"confirm": "true"})
    assert ids_of(await full.records(), "served") == [xpeng["id"]]


async def test_a_link_that_breaks_while_the_car_waits_is_broken_when_there_is_room(full):
    (waiting,) = ids_of(await full.records(), "over_limit")
    await full.rows("update vehicles set broken_at = now() where id = %s", UUID(waiting))
    async with full.pool.connection() as connection, connection.transaction():
        assert await apply_vehicle_limit(connection, full.account.user_id, None)
        assert not await apply_vehicle_limit(connection, full.account.user_id, None)
    states = {it["id"]: it["link"]["state"] for it in await full.records()}
    assert states[waiting] == "broken"
    assert sorted(states.values()) == ["broken", "ok"]


async def test_the_pages_of_a_person_who_is_signed_in(full):
    async with full.pool.connection() as connection:
        token = await create_web_session(connection, full.account.user_id, "link")
    browser = full.browser
    browser.headers["Cookie"] = f"__Host-evconduit_session={token}"
    (waiting,) = ids_of(await full.records(), "over_limit")
    (served,) = ids_of(await full.records(), "served")

    async def submit(path, **fields):
        shown = await browser.get(path)
        csrf = shown.text.split('name="csrf" value="')[1].split('"')[0]
        return await browser.post(path, data={"csrf": csrf, **fields})

    assert (await browser.get("/link")).status_code == 403
    assert (await browser.post("/vehicles/choose", data={"car": waiting})).status_code == 403
    refused = await submit("/vehicles/choose", car=[waiting, served])
    assert (refused.status_code, "Choose at most 1" in refused.text) == (422, True)
    chosen = await submit("/vehicles/choose", car=waiting)
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/home")
    assert ids_of(await full.records(), "served") == [waiting]
    full.limit()
    wrong = await submit("/link", vendor="Trabant")
    assert (wrong.status_code, "Choose a brand from the list" in wrong.text) == (422, True)
    made = await submit("/link", vendor="XPENG")
    assert made.headers["location"].startswith("/link/")
    assert "Continue to XPENG" in (await browser.get(made.headers["location"])).text
    path = f"/vehicles/{waiting}/unlink"
    named = (await browser.get(path)).text
    assert [get_display_name(it["vehicle"]) in named for it in await full.records()] == [True, True]
    # Only what the page named is unlinked.
    assert (await submit(path, car=waiting)).status_code == 200
    assert (await submit(path, car=[waiting, served])).status_code == 303
    assert await full.records() == []
    assert (await browser.get(path)).status_code == 404
