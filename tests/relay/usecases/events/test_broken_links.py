"""Links that break when a vendor rejects its credentials, and that heal again."""

from tests.relay.support.enode_events import at, make_event, make_vehicle


def make_invalidation(pipeline, moment, vendor="TESLA"):
    return make_event("user:credentials:invalidated", moment, pipeline.user_id, vendor=vendor)


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
