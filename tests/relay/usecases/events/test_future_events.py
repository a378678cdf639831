"""Events whose `createdAt` is in the future, and vehicles that such an event froze in an earlier release."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.relay.support.enode_events import CHARGING, STOPPED, format_time, make_event, make_vehicle

FUTURES = [timedelta(minutes=3), timedelta(days=1), timedelta(days=365 * 50)]
SOON = timedelta(seconds=5)


@pytest.fixture
def now():
    return datetime.now(UTC)


async def fetch_vehicle(pipeline):
    [row] = await pipeline.execute("select * from vehicles")
    return row


def make_full_update(pipeline, time, level, **members):
    return pipeline.make_update("car", time, charge={"batteryLevel": level, **members})


@pytest.mark.parametrize("ahead", FUTURES)
async def test_later_events_are_applied_after_an_event_from_the_future(pipeline, now, ahead):
    future = make_full_update(pipeline, now + ahead, 20) | {"createdAt": format_time(now + ahead)}
    await pipeline.process(future)
    vehicle = await fetch_vehicle(pipeline)
    assert vehicle["vehicle_cache"]["chargeState"]["batteryLevel"] == 20
    await pipeline.process(make_full_update(pipeline, datetime.now(UTC) + SOON, 55))
    vehicle = await fetch_vehicle(pipeline)
    assert vehicle["vehicle_cache"]["chargeState"]["batteryLevel"] == 55
    assert vehicle["vehicle_cache"]["odometer"]["lastUpdated"] < format_time(now + timedelta(minutes=1))


@pytest.mark.parametrize("ahead", FUTURES)
async def test_no_stored_time_is_later_than_the_arrival_of_an_event_from_the_future(pipeline, now, ahead):
    await pipeline.process(make_full_update(pipeline, now - timedelta(minutes=5), 50))
    await pipeline.process(make_full_update(pipeline, now + ahead, 51, **CHARGING))
    await pipeline.process(make_full_update(pipeline, now + ahead + SOON, 52, **STOPPED))
    limit = "now() + interval '1 second'"
    for table, column in [
        ("webhook_logs", "event_at"),
        ("vehicle_links", "linked_at"),
        ("vehicle_links", "seen_at"),
        ("charging_samples", "at"),
        ("transitions", "occurred_at"),
    ]:
        [row] = await pipeline.execute(f"select count(*) as n, max({column}) <= {limit} as ok from {table}")
        assert (row["n"] > 0, row["ok"]) == (True, True), (table, column)
    kinds = await pipeline.execute("select kind from transitions order by seq")
    assert [row["kind"] for row in kinds] == ["plugged_in", "charging_started", "charging_stopped"]
    [payload] = await pipeline.execute("select payload ->> 'createdAt' as at from webhook_logs where id = 3")
    assert payload["at"] == format_time(now + ahead + SOON)


async def test_clock_that_is_slightly_ahead_keeps_its_order(pipeline, now):
    """Two events within the leeway, which arrive in the wrong order."""
    await pipeline.process(make_full_update(pipeline, now + timedelta(seconds=60), 61))
    await pipeline.process(make_full_update(pipeline, now + timedelta(seconds=50), 50))
    vehicle = await fetch_vehicle(pipeline)
    assert vehicle["vehicle_cache"]["chargeState"]["batteryLevel"] == 61


async def test_deletion_after_an_event_from_the_future_is_applied(pipeline, now):
    await pipeline.process(make_full_update(pipeline, now + timedelta(days=1), 20))
    await pipeline.process(pipeline.make_deletion("car", datetime.now(UTC) + SOON))
    vehicle = await fetch_vehicle(pipeline)
    assert vehicle["gone_reason"] == "deleted"


async def test_vehicle_comes_back_after_a_deletion_from_the_future(pipeline, now):
    await pipeline.process(make_full_update(pipeline, now - SOON, 20))
    await pipeline.process(pipeline.make_deletion("car", now + timedelta(days=1)))
    await pipeline.process(make_full_update(pipeline, datetime.now(UTC) + SOON, 21))
    assert (await fetch_vehicle(pipeline))["gone_at"] is None


async def test_link_that_broke_in_the_future_is_healed_by_later_data(pipeline, now):
    await pipeline.process(make_full_update(pipeline, now - SOON, 20))
    await pipeline.process(
        make_event("user:credentials:invalidated", now + timedelta(days=1), pipeline.user_id, vendor="TESLA")
    )
    assert (await fetch_vehicle(pipeline))["link_state"] == "broken"
    await pipeline.process(make_full_update(pipeline, datetime.now(UTC) + SOON, 21))
    assert (await fetch_vehicle(pipeline))["link_state"] == "ok"


async def test_smart_charging_state_from_the_future_is_replaced_by_a_later_one(pipeline, now):
    await pipeline.process(make_full_update(pipeline, now - SOON, 20))
    for at, state in ((now + timedelta(days=9), "FROM_THE_FUTURE"), (datetime.now(UTC) + SOON, "DISABLED")):
        status = {"vehicleId": "car", "state": state, "stateChangedAt": format_time(at), "updatedAt": format_time(at)}
        await pipeline.process(
            make_event("user:vehicle:smart-charging-status-updated", at, pipeline.user_id, smartChargingStatus=status)
        )
    stored = (await fetch_vehicle(pipeline))["smart_charging"]
    assert stored["state"] == "DISABLED"
    assert datetime.fromisoformat(stored["since"]) <= datetime.now(UTC) + SOON


async def test_command_that_settled_in_the_future_counts_as_settled_on_arrival(pipeline, now):
    await pipeline.process(make_full_update(pipeline, now - SOON, 20))
    vehicle = await fetch_vehicle(pipeline)
    await pipeline.execute(
        "insert into commands (user_id, vehicle_id, kind, state, enode_action_id) "
        "values (%s, %s, 'START', 'pending', 'a')",
        pipeline.user_id,
        vehicle["id"],
    )
    future = format_time(now + timedelta(days=400))
    action = {"id": "a", "userId": "u", "targetId": "car", "targetType": "vehicle", "kind": "START"}
    action |= {"state": "CONFIRMED", "completedAt": future, "updatedAt": future}
    await pipeline.process(
        make_event("user:vendor-action:updated", datetime.now(UTC), pipeline.user_id, vendorAction=action)
    )
    [command] = await pipeline.execute("select state, settled_at <= now() as settled_before_now from commands")
    assert command == {"state": "confirmed", "settled_before_now": True}


async def test_heartbeat_from_the_future_counts_as_success_on_arrival(pipeline, now):
    await pipeline.execute(
        "insert into webhook_subscriptions (account_id, enode_webhook_id, url, events, secret_digest, is_active) "
        "values ('ours', 'w', 'https://relay.example', '{}', '', true)"
    )
    for stored in (None, now + timedelta(days=3)):
        await pipeline.execute("update webhook_subscriptions set last_success = %s", stored)
        await pipeline.process(make_event("system:heartbeat", now + timedelta(days=2), None, n=str(uuid4())))
        [row] = await pipeline.execute("select last_success <= now() as is_past from webhook_subscriptions")
        assert row["is_past"] is True


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(days=1), timedelta(days=365 * 10)])
async def test_vehicle_that_an_earlier_release_froze_follows_its_events_again(pipeline, now, ahead):
    """Groups with a time of their own, too, although that time is before the arrival of the healing event."""
    await pipeline.process(make_full_update(pipeline, now - timedelta(hours=1), 40))
    await freeze(pipeline, now + ahead)
    parked_since = now - timedelta(minutes=30)
    update = make_event(
        "user:vehicle:updated", now, pipeline.user_id, vehicle=make_vehicle("car", now, charge={"batteryLevel": 41})
    )
    update["vehicle"]["location"] = {"latitude": 48.0, "longitude": 11.0, "lastUpdated": format_time(parked_since)}
    await pipeline.process(update)
    state = (await fetch_vehicle(pipeline))["vehicle_cache"]
    assert (state["chargeState"]["batteryLevel"], state["location"]["latitude"]) == (41, 48.0)
    # From here on the newest wins again.
    await pipeline.process(make_full_update(pipeline, now - timedelta(minutes=20), 35))
    assert (await fetch_vehicle(pipeline))["vehicle_cache"]["chargeState"]["batteryLevel"] == 41
    await pipeline.process(pipeline.make_deletion("car", now + SOON))
    assert (await fetch_vehicle(pipeline))["gone_at"] is not None


async def test_frozen_vehicle_keeps_its_values_when_a_discovery_reports_nothing(pipeline, now):
    await pipeline.process(make_full_update(pipeline, now - timedelta(hours=1), 40))
    await freeze(pipeline, now + timedelta(days=1))
    await pipeline.process(pipeline.make_discovery("car", now))
    state = (await fetch_vehicle(pipeline))["vehicle_cache"]
    assert (state["chargeState"]["batteryLevel"], state["information"]["model"]) == (40, "Model 3")


async def test_events_of_a_frozen_inbox_are_applied_with_their_time_of_arrival(pipeline, now):
    """A pending row of an earlier release, whose time is the one that Enode sent."""
    await pipeline.deliver(make_full_update(pipeline, now, 20))
    await pipeline.execute("update webhook_logs set event_at = now() + interval '1 day'")
    await pipeline.drainer.drain_once()
    await pipeline.process(make_full_update(pipeline, datetime.now(UTC) + SOON, 22))
    assert (await fetch_vehicle(pipeline))["vehicle_cache"]["chargeState"]["batteryLevel"] == 22


async def freeze(pipeline, at):
    """Store what an event with this `createdAt` left behind before times were capped."""
    text = at.replace(tzinfo=None).isoformat(timespec="microseconds")
    await pipeline.execute(
        """
        update vehicles set link_since = %s, versions = jsonb_set(versions, '{groups}', (
            select jsonb_object_agg(key, %s || right(value #>> '{}', 20)) from jsonb_each(versions -> 'groups')))
        """,
        at,
        f"{text} {text}",
    )
    await pipeline.execute("update vehicle_links set seen_at = %s", at)


async def test_event_that_claims_to_be_older_than_what_it_reports_counts_as_of_that_time(pipeline, now):
    await pipeline.process(make_full_update(pipeline, now - timedelta(minutes=30), 50))
    event = make_full_update(pipeline, now - timedelta(minutes=1), 51)
    await pipeline.process(event | {"createdAt": format_time(now - timedelta(hours=5))})
    assert (await fetch_vehicle(pipeline))["vehicle_cache"]["chargeState"]["batteryLevel"] == 51
    [row] = await pipeline.execute("select max(at) as at from charging_samples")
    assert now - row["at"] < timedelta(minutes=2)


async def test_late_event_of_a_car_whose_clock_is_ahead_keeps_its_own_time(pipeline, now):
    created = now - timedelta(hours=5)
    event = make_full_update(pipeline, created + timedelta(hours=1), 51)
    await pipeline.process(event | {"createdAt": format_time(created)})
    [row] = await pipeline.execute("select event_at from webhook_logs")
    assert abs(row["event_at"] - created) < timedelta(seconds=1)
