"""What Enode's events do to a user's cars, from the POST to committed state."""

import itertools

import pytest

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import (
    CHARGING,
    STOPPED,
    add_user,
    at,
    event,
    make_pipeline,
    newborn,
    vehicle,
    wire,
)

OTHER_VIN = "WVWZZZE1ZMP000002"


@pytest.fixture
async def world(pool):
    return await make_pipeline(pool)


def invalidated(world, moment, vendor="TESLA"):
    return event("user:credentials:invalidated", moment, world.user_id, vendor=vendor)


async def test_a_car_appears_fills_and_moves(world):
    await world.happen(world.discovery("car", at(0)))
    born = await world.car()
    assert (born["vendor"], born["revision"], born["link_state"]) == ("TESLA", 1, "ok")
    assert born["vehicle_cache"]["information"]["brand"] == "Tesla"
    await world.updated("car", at(1))
    car = await world.car()
    assert car["id"] == born["id"]
    assert car["vehicle_cache"] == vehicle("car", at(1))
    assert (car["revision"], car["online"], await world.seq()) == (2, True, 2)
    assert world.woken == [world.user_id, world.user_id]


async def test_what_changes_nothing_that_is_seen_moves_nothing(world):
    await world.updated("car", at(5))
    await world.happen(
        world.update("car", at(3), charge={"batteryLevel": 58}),
        world.discovery("car", at(2)),
        event("user:vehicle:updated", at(9), world.user_id, vehicle=vehicle("car", at(5))),
    )
    assert (await world.seq(), (await world.car())["revision"]) == (1, 1)
    assert world.woken == [world.user_id]
    assert await world.transitions() == []


async def test_updated_before_discovered_is_as_good(world):
    await world.updated("car", at(1))
    await world.happen(world.discovery("car", at(0)))
    assert (await world.car())["vehicle_cache"] == vehicle("car", at(1))


async def test_transitions_follow_their_car_in_the_feed_each_with_its_own_number(world):
    await world.happen(world.update("car", at(0)), world.update("car", at(60), charge=CHARGING))
    car = await world.car()
    rows = await world.rows("select * from transitions order by seq")
    assert [(row["seq"], row["kind"]) for row in rows] == [(3, "plugged_in"), (4, "charging_started")]
    assert (car["revision"], await world.seq()) == (2, 4)
    assert {row["occurred_at"] for row in rows} == {at(60)}
    assert {row["vehicle_id"] for row in rows} == {car["id"]}
    assert {row["source_event_id"] for row in rows} == {(await world.inbox_rows())[1]["id"]}


async def test_a_transition_happened_when_the_car_says_so_and_is_not_told_once_overtaken(world):
    await world.updated("car", at(0), charge=CHARGING)
    late = vehicle("car", at(30), charge=STOPPED)
    await world.happen(event("user:vehicle:updated", at(90), world.user_id, vehicle=late))
    (row,) = await world.rows("select kind, occurred_at from transitions")
    assert row == {"kind": "charging_stopped", "occurred_at": at(30)}
    await world.updated("car", at(20), charge=CHARGING)
    assert await world.transitions() == ["charging_stopped"]


async def test_unknowns_in_between_hide_no_transition(world):
    await world.updated("car", at(0), charge=CHARGING)
    unknown = {"isPluggedIn": None, "isCharging": None, "powerDeliveryState": "UNKNOWN"}
    await world.updated("car", at(1), charge=unknown)
    assert await world.transitions() == []
    await world.updated("car", at(2), charge=STOPPED | {"powerDeliveryState": "PLUGGED_IN:COMPLETE"})
    assert await world.transitions() == ["charging_completed"]


async def test_a_new_link_is_the_same_car_and_deleting_the_old_one_is_not_its_end(world):
    await world.updated("old", at(0), charge=CHARGING)
    before = await world.car()
    await world.happen(world.discovery("new", at(10)), world.deletion("old", at(11)))
    await world.updated("new", at(12), charge=STOPPED)
    car = await world.car()
    assert car["id"] == before["id"]
    assert car["vehicle_cache"]["id"] == "new"
    assert car["vehicle_cache"]["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:STOPPED"
    assert await world.transitions() == ["charging_stopped"]
    links = await world.rows("select enode_vehicle_id, ended_at from vehicle_links order by linked_at")
    assert links == [{"enode_vehicle_id": "old", "ended_at": at(11)}, {"enode_vehicle_id": "new", "ended_at": None}]


async def test_a_car_that_went_comes_back_under_its_old_id_and_tells_no_stories(world):
    await world.updated("old", at(0), charge=CHARGING)
    before = await world.car()
    await world.happen(world.deletion("old", at(10)))
    assert await world.cars() == []
    (gone,) = await world.rows("select * from vehicles")
    assert (gone["gone_at"], gone["gone_reason"], gone["revision"]) == (at(10), "deleted", 2)
    await world.updated("new", at(99), charge=STOPPED)
    car = await world.car()
    assert (car["id"], car["gone_reason"], car["revision"]) == (before["id"], None, 3)
    assert await world.transitions() == []


async def test_older_updates_do_not_raise_a_tombstone_and_newer_ones_do(world):
    await world.updated("car", at(0))
    await world.happen(world.deletion("car", at(10)))
    await world.updated("car", at(5))
    assert await world.cars() == []
    assert await world.seq() == 2
    await world.updated("car", at(11))
    assert len(await world.cars()) == 1


async def test_a_deletion_that_comes_first_leaves_no_ghost_behind(world):
    await world.happen(world.deletion("car", at(10)))
    await world.happen(world.discovery("car", at(0)), world.update("car", at(1)))
    assert await world.cars() == []
    assert (await world.seq(), world.woken) == (0, [])
    await world.updated("again", at(20))
    assert len(await world.rows("select * from vehicles")) == 1


async def test_without_a_vin_another_enode_id_is_another_car(world):
    await world.updated("one", at(0), vin=None)
    await world.updated("two", at(1), vin=None)
    await world.updated("three", at(2), vin="UNKNOWN")
    assert len(await world.cars()) == 3


async def test_a_vin_known_late_makes_the_newcomer_the_car_that_had_it(world):
    await world.updated("old", at(0), charge={"batteryLevel": 1})
    known = await world.car()
    await world.happen(world.deletion("old", at(1)))
    await world.happen(world.discovery("new", at(2), vin=None))
    newcomer = await world.car()
    assert newcomer["id"] != known["id"]
    await world.updated("new", at(4), charge={"batteryLevel": 4}, location={"latitude": 9, "lastUpdated": wire(at(4))})
    car = await world.car()
    assert car["id"] == known["id"]
    assert car["vehicle_cache"]["chargeState"]["batteryLevel"] == 4
    (folded,) = await world.rows("select * from vehicles where id = %s", newcomer["id"])
    assert folded["gone_reason"] == "same_car"
    assert known["revision"] < newcomer["revision"] < folded["revision"] < car["revision"]
    await world.updated("new", at(5))
    assert (await world.car())["id"] == known["id"]
    await world.happen(world.deletion("new", at(6)))
    assert await world.cars() == []


async def test_a_vin_known_late_of_a_car_that_is_still_there(world):
    await world.updated("old", at(0))
    known = await world.car()
    await world.updated("new", at(5), vin=None, charge={"batteryLevel": 5})
    assert len(await world.cars()) == 2
    await world.updated("new", at(4), charge={"batteryLevel": 4})
    car = await world.car()
    assert (car["id"], car["vehicle_cache"]["chargeState"]["batteryLevel"]) == (known["id"], 5)


async def test_a_vin_that_a_vendor_corrects_changes_no_car(world):
    await world.updated("one", at(0))
    await world.updated("two", at(0), vin=OTHER_VIN)
    ids = {car["id"] for car in await world.cars()}
    await world.updated("two", at(1))
    assert {car["id"] for car in await world.cars()} == ids


async def test_the_same_vin_in_two_accounts_is_two_cars(world, pool):
    other = await make_pipeline(pool)
    await world.updated("mine", at(0))
    await other.updated("theirs", at(0))
    assert (await world.car())["id"] != (await other.car())["id"]


async def test_an_enode_vehicle_of_another_user_is_left_alone(world, pool):
    await world.updated("car", at(0))
    other = await add_user(pool)
    await world.happen(
        event("user:vehicle:updated", at(5), other, vehicle=vehicle("car", at(5))),
        event("user:vehicle:deleted", at(6), other, vehicle=vehicle("car", at(6))),
    )
    assert (await world.car())["vehicle_cache"] == vehicle("car", at(0))
    assert [row["reason"] for row in await world.inbox_rows()] == [None, *["vehicle of another user"] * 2]


async def test_vins_are_not_kept_in_the_clear_beside_what_enode_says(world):
    await world.updated("car", at(0))
    car = await world.car()
    assert len(car["vin_hash"]) == 32
    assert b"5YJ3E7EB1KF000001" not in car["vin_hash"]


async def test_credentials_break_and_only_news_from_the_car_heal(world):
    await world.happen(world.update("car", at(0)), world.update("vw", at(0), vin=None, vendor="VOLKSWAGEN"))
    await world.happen(invalidated(world, at(10)))
    broken, fine = await world.cars()
    assert (broken["link_state"], broken["link_since"], fine["link_state"]) == ("broken", at(10), "ok")
    assert broken["revision"] == await world.seq()
    # Enode tells of the intervention by an update: that is no sign of life.
    still = vehicle("car", at(0)) | {"isReachable": False, "capabilities": {"location": {"isCapable": False}}}
    await world.happen(event("user:vehicle:updated", at(11), world.user_id, vehicle=still))
    assert (await world.cars())[0]["link_state"] == "broken"
    await world.updated("car", at(20))
    healed, _ = await world.cars()
    assert (healed["link_state"], healed["link_since"]) == ("ok", at(20))


async def test_linking_again_heals_and_late_bad_news_does_not_break(world):
    await world.happen(world.update("car", at(0)), invalidated(world, at(10)), world.discovery("car", at(20)))
    assert (await world.car())["link_state"] == "ok"
    await world.updated("car", at(30))
    await world.happen(invalidated(world, at(25)))
    assert (await world.car())["link_state"] == "ok"


async def test_bad_news_twice_is_as_new_as_the_newer(world):
    await world.happen(world.update("car", at(0)), invalidated(world, at(20)))
    await world.happen(invalidated(world, at(10)))
    await world.updated("car", at(15))
    assert ((await world.car())["link_state"], (await world.car())["link_since"]) == ("broken", at(20))


async def test_odd_values_from_enode_are_accepted(world):
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
    await world.happen(event("user:vehicle:updated", at(0), world.user_id, vehicle=odd))
    car = await world.car()
    assert (car["vendor"], car["vehicle_cache"]) == ("UNKNOWN", odd)


async def test_whatever_the_order_of_delivery_the_same_cars_result(world, pool):
    """Every order of a life with a new link in it: drained after each event, so that order is all that differs."""
    outcomes = set()
    for number, order in enumerate(itertools.permutations(range(5))):
        life = await make_pipeline(pool)
        old, new = f"old-{number}", f"new-{number}"
        events = [
            event("user:vehicle:discovered", at(0), life.user_id, vehicle=newborn(old)),
            life.update(old, at(1), charge=CHARGING),
            event("user:vehicle:discovered", at(2), life.user_id, vehicle=newborn(new)),
            life.deletion(old, at(3)),
            life.update(new, at(4), charge=STOPPED),
        ]
        for which in order:
            await life.happen(events[which])
        car = await life.car()
        links = await life.rows("select enode_vehicle_id, ended_at from vehicle_links where vehicle_id = %s", car["id"])
        assert {row["enode_vehicle_id"]: row["ended_at"] for row in links} == {old: at(3), new: None}
        assert len(await life.rows("select id from vehicles where user_id = %s", life.user_id)) == 1
        cache = car["vehicle_cache"] | {"id": car["vehicle_cache"]["id"].partition("-")[0]}
        outcomes.add(repr(sorted(cache.items())))
        assert await life.seq() >= car["revision"]
    assert len(outcomes) == 1


async def test_the_stream_s_reader_sees_what_the_pipeline_wrote(world, pool):
    await world.happen(world.update("car", at(0)), world.update("car", at(1), charge=CHARGING))
    async with pool.connection() as connection:
        snapshot = await read_snapshot(connection, world.user_id)
    (record,) = snapshot.vehicles
    assert record["vehicle"] == vehicle("car", at(1), charge=CHARGING)
    assert (record["revision"], snapshot.cursor.seq) == (2, 4)
