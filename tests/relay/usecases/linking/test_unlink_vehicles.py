"""Unlinking whole vendor accounts: confirmation, completion after an interruption, and relinking."""

from uuid import uuid4

from tests.relay.support.linking import get_enode_user_path, parse_problem

BOTH = ["tesla-model-3", "tesla-model-y"]


async def test_unlinking_requires_confirmation_and_removes_all_vehicles_of_the_account(scenario):
    await scenario.link_vehicles("TESLA", cars=BOTH)
    await scenario.link_vehicles("XPENG")
    teslas = [vehicle for vehicle in await scenario.list_vehicles() if vehicle["vehicle"]["vendor"] == "TESLA"]
    path = f"/api/user/vehicles/{teslas[0]['id']}"
    response = await scenario.api.delete(path)
    assert parse_problem(response) == (409, "confirm-required")
    assert {vehicle["id"] for vehicle in response.json()["vehicles"]} == {tesla["id"] for tesla in teslas}
    assert len(await scenario.list_vehicles()) == 3
    confirmed = await scenario.api.delete(path, params={"confirm": "true"})
    assert (confirmed.status_code, confirmed.json()["vendor"], len(confirmed.json()["vehicles"])) == (200, "TESLA", 2)
    assert [vehicle["vehicle"]["vendor"] for vehicle in await scenario.list_vehicles()] == ["XPENG"]
    linked = await scenario.call_enode("GET", get_enode_user_path(scenario))
    assert [vendor["vendor"] for vendor in linked["linkedVendors"]] == ["XPENG"]
    assert parse_problem(await scenario.api.delete(path, params={"confirm": "true"})) == (404, "not-found")


async def test_late_deleted_event_changes_nothing_and_relinking_restores_the_same_vehicle(scenario):
    await scenario.link_vehicles("TESLA", cars=BOTH[:1])
    (vehicle,) = await scenario.list_vehicles()
    enode_vehicle = await scenario.call_enode("GET", f"/vehicles/{vehicle['vehicle']['id']}")
    await scenario.api.delete(f"/api/user/vehicles/{vehicle['vehicle']['id']}", params={"confirm": "true"})
    (before,) = await scenario.query("select seq from feeds where user_id = %s", scenario.account.user_id)
    await scenario.send_vehicle_event("deleted", enode_vehicle)
    (after,) = await scenario.query("select seq from feeds where user_id = %s", scenario.account.user_id)
    assert await scenario.list_vehicles() == []
    assert after == before
    await scenario.link_vehicles("TESLA", cars=BOTH[:1])
    (relinked,) = await scenario.list_vehicles()
    assert relinked["id"] == vehicle["id"]
    links = await scenario.query("select ended_at is null as live from vehicle_links")
    assert sorted(link["live"] for link in links) == [False, True]


async def test_unlinking_interrupted_after_enode_is_completed_by_the_next_attempt(scenario):
    await scenario.link_vehicles("TESLA", cars=BOTH)
    record = (await scenario.list_vehicles())[0]
    await scenario.call_enode("DELETE", f"{get_enode_user_path(scenario)}/vendors/TESLA", status=204)
    assert len(await scenario.list_vehicles()) == 2
    confirmed = await scenario.api.delete(f"/api/user/vehicles/{record['id']}", params={"confirm": "true"})
    assert (confirmed.status_code, await scenario.list_vehicles()) == (200, [])


async def test_nothing_changes_when_enode_does_not_respond(scenario):
    await scenario.link_vehicles("XPENG")
    (record,) = await scenario.list_vehicles()
    fault = {"method": "DELETE", "path": f"{get_enode_user_path(scenario)}/vendors/XPENG", "times": 9, "status": 503}
    await scenario.call_enode("POST", "/_sim/faults", fault)
    response = await scenario.api.delete(f"/api/user/vehicles/{record['id']}", params={"confirm": "true"})
    await scenario.call_enode("DELETE", "/_sim/faults", status=204)
    assert parse_problem(response) == (502, "enode-unavailable")
    assert len(await scenario.list_vehicles()) == 1


async def test_vehicles_of_another_account_are_not_found(scenario, make_scenario):
    await scenario.link_vehicles("XPENG")
    (record,) = await scenario.list_vehicles()
    stranger = await make_scenario()
    for vehicle_id in (record["id"], record["vehicle"]["id"], str(uuid4()), "%00"):
        for confirm in ("true", "false"):
            response = await stranger.api.delete(f"/api/user/vehicles/{vehicle_id}", params={"confirm": confirm})
            assert parse_problem(response) == (404, "not-found")
    assert len(await scenario.list_vehicles()) == 1
