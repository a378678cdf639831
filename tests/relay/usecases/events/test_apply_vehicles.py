"""What Enode's events do to a user's cars, from the POST to committed state."""

import itertools

import pytest

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


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


def invalidated(pipeline, moment, vendor="TESLA"):
    return make_event("user:credentials:invalidated", moment, pipeline.user_id, vendor=vendor)


async def test_a_car_appears_fills_and_moves(pipeline):
    await pipeline.process(pipeline.make_discovery("car", at(0)))
    born = await pipeline.get_vehicle()
    assert (born["vendor"], born["revision"], born["link_state"]) == ("TESLA", 1, "ok")
    assert born["vehicle_cache"]["information"]["brand"] == "Tesla"
    await pipeline.process_update("car", at(1))
    car = await pipeline.get_vehicle()
    assert car["id"] == born["id"]
    assert car["vehicle_cache"] == make_vehicle("car", at(1))
    assert (car["revision"], car["online"], await pipeline.get_feed_seq()) == (2, True, 2)
    assert pipeline.feed_wakes == [pipeline.user_id, pipeline.user_id]


async def test_what_changes_nothing_that_is_seen_moves_nothing(pipeline):
    await pipeline.process_update("car", at(5))
    await pipeline.process(
        pipeline.make_update("car", at(3), charge={"batteryLevel": 58}),
        pipeline.make_discovery("car", at(2)),
        make_event("user:vehicle:updated", at(9), pipeline.user_id, vehicle=make_vehicle("car", at(5))),
    )
    assert (await pipeline.get_feed_seq(), (await pipeline.get_vehicle())["revision"]) == (1, 1)
    assert pipeline.feed_wakes == [pipeline.user_id]
    assert await pipeline.list_transition_kinds() == []


async def test_updated_before_discovered_is_as_good(pipeline):
    await pipeline.process_update("car", at(1))
    await pipeline.process(pipeline.make_discovery("car", at(0)))
    assert (await pipeline.get_vehicle())["vehicle_cache"] == make_vehicle("car", at(1))


async def test_transitions_follow_their_car_in_the_feed_each_with_its_own_number(pipeline):
    await pipeline.process(pipeline.make_update("car", at(0)), pipeline.make_update("car", at(60), charge=CHARGING))
    car = await pipeline.get_vehicle()
    rows = await pipeline.execute("select * from transitions order by seq")
    assert [(row["seq"], row["kind"]) for row in rows] == [(3, "plugged_in"), (4, "charging_started")]
    assert (car["revision"], await pipeline.get_feed_seq()) == (2, 4)
    assert {row["occurred_at"] for row in rows} == {at(60)}
    assert {row["vehicle_id"] for row in rows} == {car["id"]}
    assert {row["source_event_id"] for row in rows} == {(await pipeline.list_inbox_rows())[1]["id"]}


async def test_a_transition_happened_when_the_car_says_so_and_is_not_told_once_overtaken(pipeline):
    await pipeline.process_update("car", at(0), charge=CHARGING)
    late = make_vehicle("car", at(30), charge=STOPPED)
    await pipeline.process(make_event("user:vehicle:updated", at(90), pipeline.user_id, vehicle=late))
    (row,) = await pipeline.execute("select kind, occurred_at from transitions")
    assert row == {"kind": "charging_stopped", "occurred_at": at(30)}
    await pipeline.process_update("car", at(20), charge=CHARGING)
    assert await pipeline.list_transition_kinds() == ["charging_stopped"]


async def test_unknowns_in_between_hide_no_transition(pipeline):
    await pipeline.process_update("car", at(0), charge=CHARGING)
    unknown = {"isPluggedIn": None, "isCharging": None, "powerDeliveryState": "UNKNOWN"}
    await pipeline.process_update("car", at(1), charge=unknown)
    assert await pipeline.list_transition_kinds() == []
    await pipeline.process_update("car", at(2), charge=STOPPED | {"powerDeliveryState": "PLUGGED_IN:COMPLETE"})
    assert await pipeline.list_transition_kinds() == ["charging_completed"]


async def test_a_new_link_is_the_same_car_and_deleting_the_old_one_is_not_its_end(pipeline):
    await pipeline.process_update("old", at(0), charge=CHARGING)
    before = await pipeline.get_vehicle()
    await pipeline.process(pipeline.make_discovery("new", at(10)), pipeline.make_deletion("old", at(11)))
    await pipeline.process_update("new", at(12), charge=STOPPED)
    car = await pipeline.get_vehicle()
    assert car["id"] == before["id"]
    assert car["vehicle_cache"]["id"] == "new"
    assert car["vehicle_cache"]["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:STOPPED"
    assert await pipeline.list_transition_kinds() == ["charging_stopped"]
    links = await pipeline.execute("select enode_vehicle_id, ended_at from vehicle_links order by linked_at")
    assert links == [{"enode_vehicle_id": "old", "ended_at": at(11)}, {"enode_vehicle_id": "new", "ended_at": None}]


async def test_a_car_that_went_comes_back_under_its_old_id_and_tells_no_stories(pipeline):
    await pipeline.process_update("old", at(0), charge=CHARGING)
    before = await pipeline.get_vehicle()
    await pipeline.process(pipeline.make_deletion("old", at(10)))
    assert await pipeline.list_vehicles() == []
    (gone,) = await pipeline.execute("select * from vehicles")
    assert (gone["gone_at"], gone["gone_reason"], gone["revision"]) == (at(10), "deleted", 2)
    await pipeline.process_update("new", at(99), charge=STOPPED)
    car = await pipeline.get_vehicle()
    assert (car["id"], car["gone_reason"], car["revision"]) == (before["id"], None, 3)
    assert await pipeline.list_transition_kinds() == []


async def test_older_updates_do_not_raise_a_tombstone_and_newer_ones_do(pipeline):
    await pipeline.process_update("car", at(0))
    await pipeline.process(pipeline.make_deletion("car", at(10)))
    await pipeline.process_update("car", at(5))
    assert await pipeline.list_vehicles() == []
    assert await pipeline.get_feed_seq() == 2
    await pipeline.process_update("car", at(11))
    assert len(await pipeline.list_vehicles()) == 1


async def test_a_deletion_that_comes_first_leaves_no_ghost_behind(pipeline):
    await pipeline.process(pipeline.make_deletion("car", at(10)))
    await pipeline.process(pipeline.make_discovery("car", at(0)), pipeline.make_update("car", at(1)))
    assert await pipeline.list_vehicles() == []
    assert (await pipeline.get_feed_seq(), pipeline.feed_wakes) == (0, [])
    await pipeline.process_update("again", at(20))
    assert len(await pipeline.execute("select * from vehicles")) == 1


async def test_without_a_vin_another_enode_id_is_another_car(pipeline):
    await pipeline.process_update("one", at(0), vin=None)
    await pipeline.process_update("two", at(1), vin=None)
    await pipeline.process_update("three", at(2), vin="UNKNOWN")
    assert len(await pipeline.list_vehicles()) == 3


async def test_a_vin_known_late_makes_the_newcomer_the_car_that_had_it(pipeline):
    await pipeline.process_update("old", at(0), charge={"batteryLevel": 1})
    known = await pipeline.get_vehicle()
    await pipeline.process(pipeline.make_deletion("old", at(1)))
    await pipeline.process(pipeline.make_discovery("new", at(2), vin=None))
    newcomer = await pipeline.get_vehicle()
    assert newcomer["id"] != known["id"]
    await pipeline.process_update(
        "new", at(4), charge={"batteryLevel": 4}, location={"latitude": 9, "lastUpdated": format_time(at(4))}
    )
    car = await pipeline.get_vehicle()
    assert car["id"] == known["id"]
    assert car["vehicle_cache"]["chargeState"]["batteryLevel"] == 4
    (folded,) = await pipeline.execute("select * from vehicles where id = %s", newcomer["id"])
    assert folded["gone_reason"] == "same_car"
    assert known["revision"] < newcomer["revision"] < folded["revision"] < car["revision"]
    await pipeline.process_update("new", at(5))
    assert (await pipeline.get_vehicle())["id"] == known["id"]
    await pipeline.process(pipeline.make_deletion("new", at(6)))
    assert await pipeline.list_vehicles() == []


async def test_a_vin_known_late_of_a_car_that_is_still_there(pipeline):
    await pipeline.process_update("old", at(0))
    known = await pipeline.get_vehicle()
    await pipeline.process_update("new", at(5), vin=None, charge={"batteryLevel": 5})
    assert len(await pipeline.list_vehicles()) == 2
    await pipeline.process_update("new", at(4), charge={"batteryLevel": 4})
    car = await pipeline.get_vehicle()
    assert (car["id"], car["vehicle_cache"]["chargeState"]["batteryLevel"]) == (known["id"], 5)


async def test_a_vin_that_a_vendor_corrects_changes_no_car(pipeline):
    await pipeline.process_update("one", at(0))
    await pipeline.process_update("two", at(0), vin=OTHER_VIN)
    ids = {car["id"] for car in await pipeline.list_vehicles()}
    await pipeline.process_update("two", at(1))
    assert {car["id"] for car in await pipeline.list_vehicles()} == ids


async def test_the_same_vin_in_two_accounts_is_two_cars(pipeline, pool):
    other = await make_pipeline(pool)
    await pipeline.process_update("mine", at(0))
    await other.process_update("theirs", at(0))
    assert (await pipeline.get_vehicle())["id"] != (await other.get_vehicle())["id"]


async def test_an_enode_vehicle_of_another_user_is_left_alone(pipeline, pool):
    await pipeline.process_update("car", at(0))
    other = await add_user(pool)
    await pipeline.process(
        make_event("user:vehicle:updated", at(5), other, vehicle=make_vehicle("car", at(5))),
        make_event("user:vehicle:deleted", at(6), other, vehicle=make_vehicle("car", at(6))),
    )
    assert (await pipeline.get_vehicle())["vehicle_cache"] == make_vehicle("car", at(0))
    assert [row["reason"] for row in await pipeline.list_inbox_rows()] == [None, *["vehicle of another user"] * 2]


async def test_vins_are_not_kept_in_the_clear_beside_what_enode_says(pipeline):
    await pipeline.process_update("car", at(0))
    car = await pipeline.get_vehicle()
    assert len(car["vin_hash"]) == 32
    assert b"5YJ3E7EB1KF000001" not in car["vin_hash"]


async def test_credentials_break_and_only_news_from_the_car_heal(pipeline):
    await pipeline.process(
        pipeline.make_update("car", at(0)), pipeline.make_update("vw", at(0), vin=None, vendor="VOLKSWAGEN")
    )
    await pipeline.process(invalidated(pipeline, at(10)))
    broken, fine = await pipeline.list_vehicles()
    assert (broken["link_state"], broken["link_since"], fine["link_state"]) == ("broken", at(10), "ok")
    assert broken["revision"] == await pipeline.get_feed_seq()
    # Enode tells of the intervention by an update: that is no sign of life.
    still = make_vehicle("car", at(0)) | {"isReachable": False, "capabilities": {"location": {"isCapable": False}}}
    await pipeline.process(make_event("user:vehicle:updated", at(11), pipeline.user_id, vehicle=still))
    assert (await pipeline.list_vehicles())[0]["link_state"] == "broken"
    await pipeline.process_update("car", at(20))
    healed, _ = await pipeline.list_vehicles()
    assert (healed["link_state"], healed["link_since"]) == ("ok", at(20))


async def test_linking_again_heals_and_late_bad_news_does_not_break(pipeline):
    await pipeline.process(
        pipeline.make_update("car", at(0)), invalidated(pipeline, at(10)), pipeline.make_discovery("car", at(20))
    )
    assert (await pipeline.get_vehicle())["link_state"] == "ok"
    await pipeline.process_update("car", at(30))
    await pipeline.process(invalidated(pipeline, at(25)))
    assert (await pipeline.get_vehicle())["link_state"] == "ok"


async def test_bad_news_twice_is_as_new_as_the_newer(pipeline):
    await pipeline.process(pipeline.make_update("car", at(0)), invalidated(pipeline, at(20)))
    await pipeline.process(invalidated(pipeline, at(10)))
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
    car = await pipeline.get_vehicle()
    assert (car["vendor"], car["vehicle_cache"]) == ("UNKNOWN", odd)


async def test_whatever_the_order_of_delivery_the_same_cars_result(pipeline, pool):
    """Every order of a life with a new link in it: drained after each event, so that order is all that differs."""
    outcomes = set()
    for number, order in enumerate(itertools.permutations(range(5))):
        life = await make_pipeline(pool)
        old, new = f"old-{number}", f"new-{number}"
        events = [
            make_event("user:vehicle:discovered", at(0), life.user_id, vehicle=make_discovered_vehicle(old)),
            life.make_update(old, at(1), charge=CHARGING),
            make_event("user:vehicle:discovered", at(2), life.user_id, vehicle=make_discovered_vehicle(new)),
            life.make_deletion(old, at(3)),
            life.make_update(new, at(4), charge=STOPPED),
        ]
        for which in order:
            await life.process(events[which])
        car = await life.get_vehicle()
        links = await life.execute(
            "select enode_vehicle_id, ended_at from vehicle_links where vehicle_id = %s", car["id"]
        )
        assert {row["enode_vehicle_id"]: row["ended_at"] for row in links} == {old: at(3), new: None}
        assert len(await life.execute("select id from vehicles where user_id = %s", life.user_id)) == 1
        cache = car["vehicle_cache"] | {"id": car["vehicle_cache"]["id"].partition("-")[0]}
        outcomes.add(repr(sorted(cache.items())))
        assert await life.get_feed_seq() >= car["revision"]
    assert len(outcomes) == 1


async def test_the_stream_s_reader_sees_what_the_pipeline_wrote(pipeline, pool):
    await pipeline.process(pipeline.make_update("car", at(0)), pipeline.make_update("car", at(1), charge=CHARGING))
    async with pool.connection() as connection:
        snapshot = await read_snapshot(connection, pipeline.user_id)
    (record,) = snapshot.vehicles
    assert record["vehicle"] == make_vehicle("car", at(1), charge=CHARGING)
    assert (record["revision"], snapshot.cursor.seq) == (2, 4)
