"""Events about vehicles, from the webhook request to committed state and transitions."""

import itertools

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import (
    CHARGING,
    STOPPED,
    at,
    make_discovered_vehicle,
    make_event,
    make_pipeline,
    make_vehicle,
)


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
    late_vehicle = make_vehicle("car", at(30), charge=STOPPED)
    await pipeline.process(make_event("user:vehicle:updated", at(90), pipeline.user_id, vehicle=late_vehicle))
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
