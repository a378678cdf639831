"""The vehicle limit of a plan: how many vehicles are served, what is shown of the others, and who can choose."""

import asyncio
from uuid import UUID, uuid4

import pytest

from relay.identity.web_sessions import create_web_session
from relay.kit.problems import Problem
from relay.usecases.vehicles.limit_vehicles import apply_vehicle_limit, enforce_vehicle_limits, select_served_vehicles
from relay.vehicles.display_name import get_display_name
from tests.relay.support.linking import parse_problem

BOTH = ["tesla-model-3", "tesla-model-y"]


def filter_ids(records, state):
    return [record["id"] for record in records if (record["link"]["state"] == "over_limit") == (state == "over_limit")]


@pytest.fixture
async def two_vehicles(scenario):
    """A scenario with two linked vehicles and a limit of one."""
    scenario.set_vehicle_limits(pro=1)
    await scenario.link_vehicles("TESLA", cars=BOTH)
    return scenario


async def test_linking_is_refused_at_the_limit(scenario):
    scenario.set_vehicle_limits(pro=1)
    link = await scenario.create_link("TESLA")
    await scenario.link_vehicles("XPENG")
    response = await scenario.api.post("/api/user/link-vehicle", json={"vendor": "TESLA"})
    assert parse_problem(response) == (403, "vehicle-limit")
    assert {name: response.json()[name] for name in ("limit", "linked", "plan")} == {
        "limit": 1,
        "linked": 1,
        "plan": "pro",
    }
    response = await scenario.browser.post(link["url"])
    assert (response.status_code, "The car limit is reached" in response.text) == (403, True)
    scenario.set_vehicle_limits(pro=2)
    assert (await scenario.browser.post(link["url"])).status_code == 303  # the refusal did not use up the page


async def test_two_links_completed_at_once_do_not_exceed_the_limit(scenario):
    scenario.set_vehicle_limits(pro=1)
    links = [await scenario.create_link(vendor) for vendor in ("TESLA", "XPENG")]
    enode_urls = [(await scenario.browser.post(link["url"])).headers["location"] for link in links]
    callback_urls = await asyncio.gather(*(scenario.complete_enode_page(url) for url in enode_urls))
    await asyncio.gather(*(scenario.browser.get(url) for url in callback_urls))
    await asyncio.gather(*(scenario.drain_inbox() for _ in range(3)))
    records = await scenario.list_vehicles()
    assert len(records) >= 2
    assert len(filter_ids(records, "served")) == 1


async def test_vehicle_over_the_limit_is_listed_by_name_only_and_not_served(two_vehicles):
    records = await two_vehicles.list_vehicles()
    (served,), (unserved,) = filter_ids(records, "served"), filter_ids(records, "over_limit")
    shown = next(record for record in records if record["id"] == unserved)["vehicle"]
    assert set(shown) == {"vendor", "information"}
    assert "vin" not in shown["information"]
    assert (await two_vehicles.api.get(f"/api/ha/status/{served}")).status_code == 200
    assert (await two_vehicles.api.get(f"/api/ha/status/{unserved}")).status_code == 404


async def test_update_of_a_vehicle_over_the_limit_is_stored_but_not_published(two_vehicles):
    (unserved,) = filter_ids(await two_vehicles.list_vehicles(), "over_limit")
    (row,) = await two_vehicles.query(
        "select enode_vehicle_id from vehicle_links where vehicle_id = %s", UUID(unserved)
    )
    (before,) = await two_vehicles.query("select seq from feeds where user_id = %s", two_vehicles.account.user_id)
    await two_vehicles.call_enode(
        "POST", f"/_sim/vehicles/{row['enode_vehicle_id']}", {"activity": "plug_in", "battery_level": 33}
    )
    await two_vehicles.send_vehicle_event(
        "updated", await two_vehicles.call_enode("GET", f"/vehicles/{row['enode_vehicle_id']}")
    )
    (after,) = await two_vehicles.query("select seq from feeds where user_id = %s", two_vehicles.account.user_id)
    assert after == before
    (stored,) = await two_vehicles.query("select vehicle_cache from vehicles where id = %s", UUID(unserved))
    assert stored["vehicle_cache"]["chargeState"]["batteryLevel"] == 33


async def test_choice_of_served_vehicles_survives_a_plan_change(two_vehicles):
    records = await two_vehicles.list_vehicles()
    (served,), (unserved,) = filter_ids(records, "served"), filter_ids(records, "over_limit")
    await select_served_vehicles(two_vehicles.runtime, two_vehicles.account.user_id, [UUID(unserved)])
    assert filter_ids(await two_vehicles.list_vehicles(), "served") == [unserved]
    assert all(
        vehicle["revision"] > max(old["revision"] for old in records) for vehicle in await two_vehicles.list_vehicles()
    )
    two_vehicles.set_vehicle_limits(pro=5)
    assert await enforce_vehicle_limits(two_vehicles.runtime) == 1
    assert set(filter_ids(await two_vehicles.list_vehicles(), "served")) == {served, unserved}
    two_vehicles.set_vehicle_limits(pro=1)
    assert await enforce_vehicle_limits(two_vehicles.runtime) == 1
    assert filter_ids(await two_vehicles.list_vehicles(), "served") == [unserved]
    assert await enforce_vehicle_limits(two_vehicles.runtime) == 0


async def test_choosing_too_many_or_foreign_vehicles_is_refused(two_vehicles):
    all_ids = [UUID(vehicle["id"]) for vehicle in await two_vehicles.list_vehicles()]
    for chosen, expected in ((all_ids, (403, "vehicle-limit")), ([uuid4()], (404, "not-found"))):
        with pytest.raises(Problem) as caught:
            await select_served_vehicles(two_vehicles.runtime, two_vehicles.account.user_id, chosen)
        assert (caught.value.status, caught.value.slug) == expected


async def test_api_key_cannot_choose_served_vehicles(two_vehicles):
    response = await two_vehicles.api.post("/api/user/vehicles/served", json={"vehicles": []})
    assert parse_problem(response) == (403, "forbidden")


async def test_unlinking_a_served_vehicle_serves_another_one(two_vehicles):
    two_vehicles.set_vehicle_limits(pro=3)
    await two_vehicles.link_vehicles("XPENG")
    two_vehicles.set_vehicle_limits(pro=1)
    await enforce_vehicle_limits(two_vehicles.runtime)
    served = filter_ids(await two_vehicles.list_vehicles(), "served")
    xpeng = next(vehicle for vehicle in await two_vehicles.list_vehicles() if vehicle["vehicle"]["vendor"] == "XPENG")
    assert xpeng["id"] not in served
    await two_vehicles.api.delete(f"/api/user/vehicles/{served[0]}", params={"confirm": "true"})
    assert filter_ids(await two_vehicles.list_vehicles(), "served") == [xpeng["id"]]


async def test_link_that_broke_while_over_the_limit_is_broken_when_served_again(two_vehicles):
    (unserved,) = filter_ids(await two_vehicles.list_vehicles(), "over_limit")
    await two_vehicles.query("update vehicles set broken_at = now() where id = %s", UUID(unserved))
    async with two_vehicles.pool.connection() as connection, connection.transaction():
        assert await apply_vehicle_limit(connection, two_vehicles.account.user_id, None)
        assert not await apply_vehicle_limit(connection, two_vehicles.account.user_id, None)
    states = {vehicle["id"]: vehicle["link"]["state"] for vehicle in await two_vehicles.list_vehicles()}
    assert states[unserved] == "broken"
    assert sorted(states.values()) == ["broken", "ok"]


async def test_signed_in_user_chooses_links_and_unlinks_on_web_pages(two_vehicles):
    async with two_vehicles.pool.connection() as connection:
        token = await create_web_session(connection, two_vehicles.account.user_id, "link")
    browser = two_vehicles.browser
    browser.headers["Cookie"] = f"__Host-evconduit_session={token}"
    (unserved,) = filter_ids(await two_vehicles.list_vehicles(), "over_limit")
    (served,) = filter_ids(await two_vehicles.list_vehicles(), "served")

    async def submit(path, **fields):
        page = await browser.get(path)
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        return await browser.post(path, data={"csrf": csrf, **fields})

    assert (await browser.get("/link")).status_code == 403
    assert (await browser.post("/vehicles/choose", data={"car": unserved})).status_code == 403
    refused = await submit("/vehicles/choose", car=[unserved, served])
    assert (refused.status_code, "Choose at most 1" in refused.text) == (422, True)
    chosen = await submit("/vehicles/choose", car=unserved)
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/home")
    assert filter_ids(await two_vehicles.list_vehicles(), "served") == [unserved]
    two_vehicles.set_vehicle_limits(pro=None)
    wrong = await submit("/link", vendor="Trabant")
    assert (wrong.status_code, "Choose a brand from the list" in wrong.text) == (422, True)
    made = await submit("/link", vendor="XPENG")
    assert made.headers["location"].startswith("/link/")
    assert "Continue to XPENG" in (await browser.get(made.headers["location"])).text
    path = f"/vehicles/{unserved}/unlink"
    named = (await browser.get(path)).text
    assert [get_display_name(vehicle["vehicle"]) in named for vehicle in await two_vehicles.list_vehicles()] == [
        True,
        True,
    ]
    # Only the vehicles that the page listed are unlinked.
    assert (await submit(path, car=unserved)).status_code == 200
    assert (await submit(path, car=[unserved, served])).status_code == 303
    assert await two_vehicles.list_vehicles() == []
    assert (await browser.get(path)).status_code == 404
