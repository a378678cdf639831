"""Unlinking: whole accounts at a maker, asked twice, and finished whatever is interrupted."""

from uuid import uuid4

from tests.relay.support.linking import problem, user_path

BOTH = ["tesla-model-3", "tesla-model-y"]


async def test_it_is_asked_twice_because_all_cars_of_the_account_go(world):
    await world.link("TESLA", cars=BOTH)
    await world.link("XPENG")
    gone = [it for it in await world.records() if it["vehicle"]["vendor"] == "TESLA"]
    path = f"/api/user/vehicles/{gone[0]['id']}"
    answer = await world.api.delete(path)
    assert problem(answer) == (409, "confirm-required")
    assert {it["id"] for it in answer.json()["vehicles"]} == {it["id"] for it in gone}
    assert len(await world.records()) == 3
    done = await world.api.delete(path, params={"confirm": "true"})
    assert (done.status_code, done.json()["vendor"], len(done.json()["vehicles"])) == (200, "TESLA", 2)
    assert [it["vehicle"]["vendor"] for it in await world.records()] == ["XPENG"]
    linked = await world.sim("GET", user_path(world))
    assert [it["vendor"] for it in linked["linkedVendors"]] == ["XPENG"]
    assert problem(await world.api.delete(path, params={"confirm": "true"})) == (404, "not-found")


async def test_the_event_that_comes_later_changes_nothing_and_a_new_link_brings_the_same_car(world):
    await world.link("TESLA", cars=BOTH[:1])
    (car,) = await world.records()
    enodes = await world.sim("GET", f"/vehicles/{car['vehicle']['id']}")
    await world.api.delete(f"/api/user/vehicles/{car['vehicle']['id']}", params={"confirm": "true"})
    (before,) = await world.rows("select seq from feeds where user_id = %s", world.account.user_id)
    await world.tell("deleted", enodes)
    (after,) = await world.rows("select seq from feeds where user_id = %s", world.account.user_id)
    assert await world.records() == []
    assert after == before
    await world.link("TESLA", cars=BOTH[:1])
    (again,) = await world.records()
    assert again["id"] == car["id"]
    links = await world.rows("select ended_at is null as live from vehicle_links")
    assert sorted(it["live"] for it in links) == [False, True]


async def test_what_was_interrupted_after_enode_is_finished_by_the_next_try(world):
    await world.link("TESLA", cars=BOTH)
    record = (await world.records())[0]
    await world.sim("DELETE", f"{user_path(world)}/vendors/TESLA", status=204)
    assert len(await world.records()) == 2
    done = await world.api.delete(f"/api/user/vehicles/{record['id']}", params={"confirm": "true"})
    assert (done.status_code, await world.records()) == (200, [])


async def test_while_enode_does_not_answer_nothing_changes(world):
    await world.link("XPENG")
    (record,) = await world.records()
    fault = {"method": "DELETE", "path": f"{user_path(world)}/vendors/XPENG", "times": 9, "status": 503}
    await world.sim("POST", "/_sim/faults", fault)
    answer = await world.api.delete(f"/api/user/vehicles/{record['id']}", params={"confirm": "true"})
    await world.sim("DELETE", "/_sim/faults", status=204)
    assert problem(answer) == (502, "enode-unavailable")
    assert len(await world.records()) == 1


async def test_another_accounts_cars_are_nobodys(world, make_world):
    await world.link("XPENG")
    (record,) = await world.records()
    stranger = await make_world()
    for vehicle in (record["id"], record["vehicle"]["id"], str(uuid4()), "%00"):
        for confirm in ("true", "false"):
            answer = await stranger.api.delete(f"/api/user/vehicles/{vehicle}", params={"confirm": confirm})
            assert problem(answer) == (404, "not-found")
    assert len(await world.records()) == 1
