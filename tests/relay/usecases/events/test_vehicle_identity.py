"""Which vehicle an event is about: relinks, deletions, and VINs that become known late."""

import pytest

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import (
    CHARGING,
    STOPPED,
    add_user,
    at,
    format_time,
    make_event,
    make_pipeline,
    make_vehicle,
)

OTHER_VIN = "WVWZZZE1ZMP000002"


async def test_relinked_vehicle_keeps_its_id_when_the_old_link_is_deleted(pipeline):
    await pipeline.process_update("old", at(0), charge=CHARGING)
    before = await pipeline.get_vehicle()
    await pipeline.process(pipeline.make_discovery("new", at(10)), pipeline.make_deletion("old", at(11)))
    await pipeline.process_update("new", at(12), charge=STOPPED)
    vehicle = await pipeline.get_vehicle()
    assert vehicle["id"] == before["id"]
    assert vehicle["vehicle_cache"]["id"] == "new"
    assert vehicle["vehicle_cache"]["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:STOPPED"
    assert await pipeline.list_transition_kinds() == ["charging_stopped"]
    links = await pipeline.execute("select enode_vehicle_id, ended_at from vehicle_links order by linked_at")
    assert links == [{"enode_vehicle_id": "old", "ended_at": at(11)}, {"enode_vehicle_id": "new", "ended_at": None}]


async def read_record(pipeline, pool):
    async with pool.connection() as connection:
        (record,) = (await read_snapshot(connection, pipeline.user_id)).vehicles
    return record


async def test_record_has_the_former_ids_of_a_relinked_vehicle(pipeline, pool):
    await pipeline.process_update("first", at(0))
    assert (await read_record(pipeline, pool))["former_ids"] == []
    await pipeline.process(pipeline.make_deletion("first", at(10)))
    await pipeline.process_update("second", at(20))
    assert (await read_record(pipeline, pool))["former_ids"] == ["first"]
    # Enode may report the new vehicle before it deletes the old one.
    await pipeline.process_update("third", at(30))
    record = await read_record(pipeline, pool)
    assert (record["vehicle"]["id"], record["former_ids"]) == ("third", ["first", "second"])
    await pipeline.process(pipeline.make_deletion("second", at(31)))
    assert (await read_record(pipeline, pool))["former_ids"] == ["first", "second"]


@pytest.mark.parametrize("kind", ["update", "deletion"])
async def test_former_id_that_becomes_known_late_gives_the_record_a_new_revision(pipeline, pool, kind):
    await pipeline.process_update("new", at(20))
    before = await read_record(pipeline, pool)
    await pipeline.process(getattr(pipeline, f"make_{kind}")("old", at(10)))
    record = await read_record(pipeline, pool)
    assert (record["vehicle"]["id"], record["former_ids"]) == ("new", ["old"])
    assert record["revision"] > before["revision"]


async def test_returning_vehicle_keeps_its_id_and_makes_no_transitions(pipeline):
    await pipeline.process_update("old", at(0), charge=CHARGING)
    before = await pipeline.get_vehicle()
    await pipeline.process(pipeline.make_deletion("old", at(10)))
    assert await pipeline.list_vehicles() == []
    (gone,) = await pipeline.execute("select * from vehicles")
    assert (gone["gone_at"], gone["gone_reason"], gone["revision"]) == (at(10), "deleted", 2)
    await pipeline.process_update("new", at(99), charge=STOPPED)
    vehicle = await pipeline.get_vehicle()
    assert (vehicle["id"], vehicle["gone_reason"], vehicle["revision"]) == (before["id"], None, 3)
    assert await pipeline.list_transition_kinds() == []


async def test_only_an_update_after_the_deletion_restores_a_vehicle(pipeline):
    await pipeline.process_update("car", at(0))
    await pipeline.process(pipeline.make_deletion("car", at(10)))
    await pipeline.process_update("car", at(5))
    assert await pipeline.list_vehicles() == []
    assert await pipeline.get_feed_seq() == 2
    await pipeline.process_update("car", at(11))
    assert len(await pipeline.list_vehicles()) == 1


async def test_deletion_that_arrives_first_leaves_no_vehicle(pipeline):
    await pipeline.process(pipeline.make_deletion("car", at(10)))
    await pipeline.process(pipeline.make_discovery("car", at(0)), pipeline.make_update("car", at(1)))
    assert await pipeline.list_vehicles() == []
    assert (await pipeline.get_feed_seq(), pipeline.feed_wakes) == (0, [])
    await pipeline.process_update("again", at(20))
    assert len(await pipeline.execute("select * from vehicles")) == 1


async def test_without_a_vin_each_enode_id_is_a_vehicle(pipeline):
    await pipeline.process_update("one", at(0), vin=None)
    await pipeline.process_update("two", at(1), vin=None)
    await pipeline.process_update("three", at(2), vin="UNKNOWN")
    assert len(await pipeline.list_vehicles()) == 3


async def test_late_vin_merges_the_new_vehicle_into_the_deleted_one(pipeline):
    await pipeline.process_update("old", at(0), charge={"batteryLevel": 1})
    old_vehicle = await pipeline.get_vehicle()
    await pipeline.process(pipeline.make_deletion("old", at(1)))
    await pipeline.process(pipeline.make_discovery("new", at(2), vin=None))
    new_vehicle = await pipeline.get_vehicle()
    assert new_vehicle["id"] != old_vehicle["id"]
    await pipeline.process_update(
        "new", at(4), charge={"batteryLevel": 4}, location={"latitude": 9, "lastUpdated": format_time(at(4))}
    )
    vehicle = await pipeline.get_vehicle()
    assert vehicle["id"] == old_vehicle["id"]
    assert vehicle["vehicle_cache"]["chargeState"]["batteryLevel"] == 4
    (merged,) = await pipeline.execute("select * from vehicles where id = %s", new_vehicle["id"])
    assert merged["gone_reason"] == "same_car"
    assert old_vehicle["revision"] < new_vehicle["revision"] < merged["revision"] < vehicle["revision"]
    await pipeline.process_update("new", at(5))
    assert (await pipeline.get_vehicle())["id"] == old_vehicle["id"]
    await pipeline.process(pipeline.make_deletion("new", at(6)))
    assert await pipeline.list_vehicles() == []


async def test_late_vin_merges_the_new_vehicle_into_the_linked_one(pipeline):
    await pipeline.process_update("old", at(0))
    old_vehicle = await pipeline.get_vehicle()
    await pipeline.process_update("new", at(5), vin=None, charge={"batteryLevel": 5})
    assert len(await pipeline.list_vehicles()) == 2
    await pipeline.process_update("new", at(4), charge={"batteryLevel": 4})
    vehicle = await pipeline.get_vehicle()
    assert (vehicle["id"], vehicle["vehicle_cache"]["chargeState"]["batteryLevel"]) == (old_vehicle["id"], 5)


async def test_corrected_vin_does_not_merge_vehicles(pipeline):
    await pipeline.process_update("one", at(0))
    await pipeline.process_update("two", at(0), vin=OTHER_VIN)
    ids = {vehicle["id"] for vehicle in await pipeline.list_vehicles()}
    await pipeline.process_update("two", at(1))
    assert {vehicle["id"] for vehicle in await pipeline.list_vehicles()} == ids


async def test_same_vin_in_two_accounts_is_two_vehicles(pipeline, pool):
    other = await make_pipeline(pool)
    await pipeline.process_update("mine", at(0))
    await other.process_update("theirs", at(0))
    assert (await pipeline.get_vehicle())["id"] != (await other.get_vehicle())["id"]


async def test_event_about_another_users_vehicle_is_ignored(pipeline, pool):
    await pipeline.process_update("car", at(0))
    other = await add_user(pool)
    await pipeline.process(
        make_event("user:vehicle:updated", at(5), other, vehicle=make_vehicle("car", at(5))),
        make_event("user:vehicle:deleted", at(6), other, vehicle=make_vehicle("car", at(6))),
    )
    assert (await pipeline.get_vehicle())["vehicle_cache"] == make_vehicle("car", at(0))
    assert [row["reason"] for row in await pipeline.list_inbox_rows()] == [None, *["vehicle of another user"] * 2]


async def test_vin_is_stored_hashed_outside_enodes_payload(pipeline):
    await pipeline.process_update("car", at(0))
    vehicle = await pipeline.get_vehicle()
    assert len(vehicle["vin_hash"]) == 32
    assert b"5YJ3E7EB1KF000001" not in vehicle["vin_hash"]
