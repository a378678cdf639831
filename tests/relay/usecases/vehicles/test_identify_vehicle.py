"""Which vehicle an id means. The answer is free, and the same for every id of the vehicle."""

from uuid import uuid4

import pytest

from tests.relay.support.linking import parse_problem

ADD_FORMER_LINK = """
insert into vehicle_links (enode_vehicle_id, vehicle_id, linked_at, ended_at)
values (%s, %s, now() - %s * interval '1 day', now())
"""


@pytest.fixture
async def vehicle(simulated_vehicle):
    """A vehicle that was linked three times."""
    await simulated_vehicle.sync()
    for days, former_id in enumerate(("younger", "older"), start=1):
        await simulated_vehicle.execute(ADD_FORMER_LINK, former_id, simulated_vehicle.account.vehicle_id, days)
    return simulated_vehicle


async def test_every_id_of_a_vehicle_means_the_vehicle(v2_api, vehicle):
    account = vehicle.account
    for vehicle_id in (account.vehicle_id, account.enode_id, "younger", "older"):
        answer = await v2_api.get(f"/vehicles/{vehicle_id}")
        record = answer.json()
        assert (answer.status_code, record["id"]) == (200, str(account.vehicle_id))
        assert record["former_ids"] == ["older", "younger"]
        assert (record["link"]["state"], record["vehicle"]["id"]) == ("ok", account.enode_id)
        assert record["vehicle"].keys() == {"id", "vendor", "information"}
        assert record["vehicle"]["information"].keys() == {"brand", "model", "year", "displayName"}
    assert await vehicle.get_used_calls() == 0


async def test_record_of_the_snapshot_has_the_former_ids(v2_api, vehicle):
    (record,) = (await v2_api.get("/vehicles")).json()["vehicles"]
    assert (record["former_ids"], record["vehicle"]["id"]) == (["older", "younger"], vehicle.account.enode_id)


async def test_record_of_a_vehicle_over_the_limit_has_all_ids_because_its_object_has_none(v2_api, vehicle):
    await vehicle.execute("update vehicles set link_state = 'over_limit'")
    (record,) = (await v2_api.get("/vehicles")).json()["vehicles"]
    assert record["former_ids"] == ["older", "younger", vehicle.account.enode_id]
    assert "id" not in record["vehicle"]


async def test_vehicle_that_is_not_served_is_answered_like_an_unknown_one(v2_api, vehicle):
    unknown = await v2_api.get(f"/vehicles/{uuid4()}")
    await vehicle.execute("update vehicles set gone_at = now()")
    gone = await v2_api.get("/vehicles/older")
    await vehicle.execute("update vehicles set gone_at = null, link_state = 'over_limit'")
    over_limit = await v2_api.get("/vehicles/older")
    assert parse_problem(unknown) == parse_problem(gone) == parse_problem(over_limit) == (404, "not-found")
