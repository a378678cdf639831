"""Events about vehicles and credentials, from the webhook request to committed state."""

import itertools

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import (
    CHARGING,
    STOPPED,
    add_user,
    at,
    format_time,
    make_discovered_vehicle,
    make_event,
    make_pipeline,
    make_vehicle,
)

OTHER_VIN = "WVWZZZE1ZMP000002"


def make_invalidation(pipeline, moment, vendor="TESLA"):
    return make_event("user:credentials:invalidated", moment, pipeline.user_id, vendor=vendor)


async def test_vehicle_is_discovered_and_then_updated(pipeline):
    await pipeline.process(pipeline.make_discovery("car", at(0)))
    discovered = await pipeline.get_vehicle()
    assert (discovered["vendor"], discovered["revision"], discovered["link_state"]) == ("TESLA", 1, "ok")
    assert discovered["vehicle_cache"]["information"]["brand"] == "Tesla"
    await pipeline.process_update("car", at(1))
    vehicle = await pipeline.get_vehicle()
    assert vehicle["id"] == discovered["id"]
    assert vehicle["vehicle_cache"] == make_vehicle("car", at(1))
    assert (vehicle["revision"], vehicle["online"], await pipeline.get_feed_seq()) == (2, True, 2)
    assert pipeline.feed_wakes == [pipeline.user_id, pipeline.user_id]


async def test_events_without_a_visible_change_do_not_advance_the_feed(pipeline):
    await pipeline.process_update("car", at(5))
    await pipeline.process(
        pipeline.make_update("car", at(3), charge={"batteryLevel": 58}),
        pipeline.make_discovery("car", at(2)),
        make_event("user:vehicle:updated", at(9), pipeline.user_id, vehicle=make_vehicle("car", at(5))),
    )
    assert (await pipeline.get_feed_seq(), (await pipeline.get_vehicle())["revision"]) == (1, 1)
    assert pipeline.feed_wakes == [pipeline.user_id]
    assert await pipeline.list_transition_kinds() == []


async def test_updated_may_arrive_before_discovered(pipeline):
    await pipeline.process_update("car", at(1))
    await pipeline.process(pipeline.make_discovery("car", at(0)))
    assert (await pipeline.get_vehicle())["vehicle_cache"] == make_vehicle("car", at(1))


async def test_transitions_follow_their_vehicle_in_the_feed(pipeline):
    await pipeline.process(pipeline.make_update("car", at(0)), pipeline.make_update("car", at(60), charge=CHARGING))
    vehicle = await pipeline.get_vehicle()
    rows = await pipeline.execute("select * from transitions order by seq")
    assert [(row["seq"], row["kind"]) for row in rows] == [(3, "plugged_in"), (4, "charging_started")]
    assert (vehicle["revision"], await pipeline.get_feed_seq()) == (2, 4)
    assert {row["occurred_at"] for row in rows} == {at(60)}
    assert {row["vehicle_id"] for row in rows} == {vehicle["id"]}
    assert {row["source_event_id"] for row in rows} == {(await pipeline.list_inbox_rows())[1]["id"]}


async def test_transition_has_the_vehicles_time_and_outdated_state_makes_none(pipeline):
    await pipeline.process_update("car", at(0), charge=CHARGING)
    late = make_vehicle("car", at(30), charge=STOPPED)
    await pipeline.process(make_event("user:vehicle:updated", at(90), pipeline.user_id, vehicle=late))
    (row,) = await pipeline.execute("select kind, occurred_at from transitions")
    assert row == {"kind": "charging_stopped", "occurred_at": at(30)}
    await pipeline.process_update("car", at(20), charge=CHARGING)
    assert await pipeline.list_transition_kinds() == ["charging_stopped"]


async def test_unknown_state_in_between_hides_no_transition(pipeline):
    await pipeline.process_update("car", at(0), charge=CHARGING)
    unknown = {"isPluggedIn": None, "isCharging": None, "powerDeliveryState": "UNKNOWN"}
    await pipeline.process_update("car", at(1), charge=unknown)
    assert await pipeline.list_transition_kinds() == []
    await pipeline.process_update("car", at(2), charge=STOPPED | {"powerDeliveryState": "PLUGGED_IN:COMPLETE"})
    assert await pipeline.list_transition_kinds() == ["charging_completed"]


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


async def test_broken_link_is_healed_only_by_a_newer_sighting(pipeline):
    await pipeline.process(
        pipeline.make_update("car", at(0)), pipeline.make_update("vw", at(0), vin=None, vendor="VOLKSWAGEN")
    )
    await pipeline.process(make_invalidation(pipeline, at(10)))
    broken, fine = await pipeline.list_vehicles()
    assert (broken["link_state"], broken["link_since"], fine["link_state"]) == ("broken", at(10), "ok")
    assert broken["revision"] == await pipeline.get_feed_seq()
    # Enode announces the intervention by an update, which is not a new sighting of the vehicle.
    unreachable = make_vehicle("car", at(0)) | {
        "isReachable": False,
        "capabilities": {"location": {"isCapable": False}},
    }
    await pipeline.process(make_event("user:vehicle:updated", at(11), pipeline.user_id, vehicle=unreachable))
    assert (await pipeline.list_vehicles())[0]["link_state"] == "broken"
    await pipeline.process_update("car", at(20))
    healed, _ = await pipeline.list_vehicles()
    assert (healed["link_state"], healed["link_since"]) == ("ok", at(20))


async def test_relinking_heals_and_a_late_invalidation_does_not_break(pipeline):
    await pipeline.process(
        pipeline.make_update("car", at(0)), make_invalidation(pipeline, at(10)), pipeline.make_discovery("car", at(20))
    )
    assert (await pipeline.get_vehicle())["link_state"] == "ok"
    await pipeline.process_update("car", at(30))
    await pipeline.process(make_invalidation(pipeline, at(25)))
    assert (await pipeline.get_vehicle())["link_state"] == "ok"


async def test_of_two_invalidations_the_newer_counts(pipeline):
    await pipeline.process(pipeline.make_update("car", at(0)), make_invalidation(pipeline, at(20)))
    await pipeline.process(make_invalidation(pipeline, at(10)))
    await pipeline.process_update("car", at(15))
    assert ((await pipeline.get_vehicle())["link_state"], (await pipeline.get_vehicle())["link_since"]) == (
        "broken",
        at(20),
    )


async def test_odd_values_from_enode_are_accepted(pipeline):
    odd = {
        "id": "car",
        "vendor": None,
        "lastSeen": 5,
        "isReachable": None,
        "information": "none",
        "chargeState": {"powerDeliveryState": "PLUGGED_IN:DREAMING", "batteryLevel": "full"},
        "location": [],
        "novelty": {"a": [1, {"b": None}]},
    }
    await pipeline.process(make_event("user:vehicle:updated", at(0), pipeline.user_id, vehicle=odd))
    vehicle = await pipeline.get_vehicle()
    assert (vehicle["vendor"], vehicle["vehicle_cache"]) == ("UNKNOWN", odd)


async def test_any_order_of_events_results_in_the_same_vehicles(pipeline, pool):
    """All 120 orders of a relink's events, applied one by one so that only the order differs."""
    outcomes = set()
    for number, order in enumerate(itertools.permutations(range(5))):
        permuted = await make_pipeline(pool)
        old, new = f"old-{number}", f"new-{number}"
        events = [
            make_event("user:vehicle:discovered", at(0), permuted.user_id, vehicle=make_discovered_vehicle(old)),
            permuted.make_update(old, at(1), charge=CHARGING),
            make_event("user:vehicle:discovered", at(2), permuted.user_id, vehicle=make_discovered_vehicle(new)),
            permuted.make_deletion(old, at(3)),
            permuted.make_update(new, at(4), charge=STOPPED),
        ]
        for which in order:
            await permuted.process(events[which])
        vehicle = await permuted.get_vehicle()
        links = await permuted.execute(
            "select enode_vehicle_id, ended_at from vehicle_links where vehicle_id = %s", vehicle["id"]
        )
        assert {row["enode_vehicle_id"]: row["ended_at"] for row in links} == {old: at(3), new: None}
        assert len(await permuted.execute("select id from vehicles where user_id = %s", permuted.user_id)) == 1
        cache = vehicle["vehicle_cache"] | {"id": vehicle["vehicle_cache"]["id"].partition("-")[0]}
        outcomes.add(repr(sorted(cache.items())))
        assert await permuted.get_feed_seq() >= vehicle["revision"]
    assert len(outcomes) == 1


async def test_stream_reader_returns_what_the_events_changed(pipeline, pool):
    await pipeline.process(pipeline.make_update("car", at(0)), pipeline.make_update("car", at(1), charge=CHARGING))
    async with pool.connection() as connection:
        snapshot = await read_snapshot(connection, pipeline.user_id)
    (record,) = snapshot.vehicles
    assert record["vehicle"] == make_vehicle("car", at(1), charge=CHARGING)
    assert (record["revision"], snapshot.cursor.seq) == (2, 4)
