"""Polling Enode: changes are stored in the inbox and applied like webhook events."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from relay.gateways.enode import EnodeUnavailable, VehicleReading
from relay.usecases.events.poll_enode import EnodePoller, PollIntervals
from tests.relay.support.enode_events import CHARGING, STOPPED, add_user, at, format_time, make_vehicle


class Enode:
    """A test double of EnodeClient that lists the vehicles a test sets."""

    def __init__(self):
        self.listed, self.as_of, self.list_calls = [], at(0), 0
        self.fails_after = None
        self.vehicles = self.smart_charging = self
        self.statuses, self.status_calls = {}, []

    async def list_all(self):
        self.list_calls += 1
        for number, vehicle in enumerate(self.listed):
            if number == self.fails_after:
                raise EnodeUnavailable("GET /vehicles", cause="no answer in time", is_outcome_unknown=True)
            yield VehicleReading(vehicle=vehicle, as_of=self.as_of)

    async def get_status(self, vehicle_id):
        self.status_calls.append(vehicle_id)
        if vehicle_id not in self.statuses:
            raise EnodeUnavailable("GET /vehicles/{}/smart-charging-status", cause="no answer", is_outcome_unknown=True)
        return self.statuses[vehicle_id]

    def set_list(self, seconds, *listed):
        self.as_of, self.listed = at(seconds), list(listed)


@pytest.fixture
def enode():
    return Enode()


@pytest.fixture
def poll(pipeline, enode):
    poller = EnodePoller(pipeline.pool, enode, account_id="ours", wake=pipeline.inbox_wakes.extend)

    async def poll():
        interval = await poller.poll_once()
        await pipeline.drainer.drain_once()
        return interval

    return poll


def make_users_vehicle(pipeline, enode_id, seconds, **groups):
    return make_vehicle(enode_id, at(seconds), **groups) | {"userId": str(pipeline.user_id)}


async def test_polled_vehicle_is_stored_in_the_inbox_with_its_reading_time(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5))
    await poll()
    (row,) = await pipeline.list_inbox_rows()
    assert (row["source"], row["event"], row["event_at"], row["user_id"], row["state"]) == (
        "poll",
        "user:vehicle:updated",
        at(10),
        pipeline.user_id,
        "done",
    )
    assert (await pipeline.get_vehicle())["vehicle_cache"] == make_users_vehicle(pipeline, "car", 5)
    assert pipeline.inbox_wakes == [pipeline.user_id]


async def test_unchanged_vehicles_are_not_stored_again(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5), make_users_vehicle(pipeline, "other", 5, vin=None))
    await poll()
    enode.set_list(20, make_users_vehicle(pipeline, "car", 5), make_users_vehicle(pipeline, "other", 6, vin=None))
    await poll()
    assert [row["enode_vehicle_id"] for row in await pipeline.list_inbox_rows()] == ["car", "other", "other"]


async def test_polled_changes_make_transitions_like_webhook_events(pipeline, enode, poll):
    for seconds, charge in ((0, {}), (60, CHARGING), (120, STOPPED)):
        enode.set_list(seconds, make_users_vehicle(pipeline, "car", seconds, charge=charge))
        await poll()
    assert await pipeline.list_transition_kinds() == ["plugged_in", "charging_started", "charging_stopped"]


async def test_vehicle_missing_from_a_complete_list_is_gone_and_may_return(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5), make_users_vehicle(pipeline, "other", 5, vin=None))
    await poll()
    ids = {vehicle["id"] for vehicle in await pipeline.list_vehicles()}
    enode.set_list(20, make_users_vehicle(pipeline, "other", 5, vin=None))
    await poll()
    assert len(await pipeline.list_vehicles()) == 1
    enode.set_list(30, make_users_vehicle(pipeline, "car", 5), make_users_vehicle(pipeline, "other", 5, vin=None))
    await poll()
    assert {vehicle["id"] for vehicle in await pipeline.list_vehicles()} == ids


async def test_last_vehicle_missing_from_an_empty_list_is_gone(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5))
    enode.as_of = datetime.now(UTC) - timedelta(minutes=5)
    await poll()
    enode.listed = []  # an empty list has no reading time, so the time of the request counts
    await poll()
    assert await pipeline.list_vehicles() == []
    (vehicle,) = await pipeline.execute("select now() - gone_at as since from vehicles")
    assert vehicle["since"] < timedelta(minutes=1)


async def test_vehicles_of_unknown_and_closed_users_are_ignored(pipeline, enode, poll):
    closed = await add_user(pipeline.pool)
    foreign_vehicle = make_vehicle("stranger", at(5), vin=None)
    enode.set_list(10, foreign_vehicle, foreign_vehicle | {"id": "closing", "userId": str(closed)})
    await poll()
    await pipeline.execute("update users set closed_at = now() where id = %s", closed)
    enode.set_list(20, foreign_vehicle)
    await poll()
    assert [row["enode_vehicle_id"] for row in await pipeline.list_inbox_rows()] == ["closing"]


async def test_incomplete_list_changes_nothing(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5), make_users_vehicle(pipeline, "other", 5, vin=None))
    await poll()
    enode.set_list(20, make_users_vehicle(pipeline, "car", 15), make_users_vehicle(pipeline, "other", 15, vin=None))
    enode.fails_after = 1
    with pytest.raises(EnodeUnavailable):
        await poll()
    assert len(await pipeline.list_vehicles()) == 2
    assert len(await pipeline.list_inbox_rows()) == 2


async def test_vehicle_linked_during_the_poll_stays(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "old", 5, vin=None))
    await pipeline.process_update("new", at(11))
    await poll()
    assert len(await pipeline.list_vehicles()) == 2


async def test_more_vehicles_than_fit_one_delivery_are_stored(pipeline, enode, poll):
    enode.set_list(10, *(make_users_vehicle(pipeline, f"car-{n}", 5, vin=None) for n in range(230)))
    await poll()
    assert len(await pipeline.list_vehicles()) == 230


async def test_vehicle_that_cannot_be_stored_blocks_no_other(pipeline, enode, poll):
    enode.set_list(
        10,
        make_users_vehicle(pipeline, "car", 5),
        make_users_vehicle(pipeline, "odd", 5, vin=None, charge={"note": "\u0000"}),
    )
    await poll()
    assert len(await pipeline.list_vehicles()) == 1


async def test_interval_is_shorter_while_any_vehicle_charges(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5), make_users_vehicle(pipeline, "other", 5, vin=None))
    assert await poll() == timedelta(minutes=7)
    enode.set_list(
        20, make_users_vehicle(pipeline, "car", 5), make_users_vehicle(pipeline, "other", 15, vin=None, charge=CHARGING)
    )
    assert await poll() == timedelta(minutes=2)


async def test_running_poller_repeats_and_polls_early_on_request(pipeline, enode):
    enode.set_list(0, make_users_vehicle(pipeline, "car", 0))
    quick = PollIntervals(charging=timedelta(milliseconds=1), idle=timedelta(milliseconds=1))
    for intervals, requested in ((quick, False), (PollIntervals(minimum=timedelta()), True)):
        enode.list_calls = 0
        poller = EnodePoller(
            pipeline.pool, enode, account_id="ours", wake=pipeline.inbox_wakes.extend, intervals=intervals
        )
        task = asyncio.create_task(poller.run())
        try:
            async with asyncio.timeout(10):
                while enode.list_calls < 5:
                    enode.set_list(enode.list_calls, make_users_vehicle(pipeline, "car", enode.list_calls))
                    enode.fails_after = 0 if enode.list_calls == 2 else None
                    if requested:
                        poller.request_poll()
                    await asyncio.sleep(0.001)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert format_time(at(0)) in {row["payload"]["vehicle"]["lastSeen"] for row in await pipeline.list_inbox_rows()}


async def test_requested_polls_keep_the_minimum_interval(pipeline, enode):
    poller = EnodePoller(pipeline.pool, enode, account_id="ours", wake=pipeline.inbox_wakes.extend)
    task = asyncio.create_task(poller.run())
    try:
        async with asyncio.timeout(10):
            while not enode.list_calls:
                await asyncio.sleep(0.001)
        for _ in range(50):
            poller.request_poll()
            await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert enode.list_calls == 1


def make_status(seconds, state):
    return {"vehicleId": "car", "state": state, "updatedAt": format_time(at(seconds)), "plan": None}


async def test_smart_charging_is_polled_while_it_is_on_and_once_after(pipeline, enode, poll):
    """Enode's list of vehicles has the policy, but not what smart charging does."""
    enabled = make_users_vehicle(pipeline, "car", 5, smartChargingPolicy={"isEnabled": True})
    disabled = make_users_vehicle(pipeline, "car", 6, smartChargingPolicy={"isEnabled": False})
    enode.set_list(10, disabled)
    await poll()
    assert enode.status_calls == []
    for seconds, vehicle, state in (
        (20, enabled, "CONSIDERING"),
        (30, enabled, "FULLY_CHARGED"),
        (40, disabled, "DISABLED"),
    ):
        enode.set_list(seconds, vehicle)
        enode.statuses = {"car": make_status(seconds, state)}
        for _ in range(2):
            await poll()
        assert (await pipeline.get_vehicle())["smart_charging"]["state"] == state
    assert len(enode.status_calls) == 5


async def test_same_status_is_stored_once(pipeline, enode, poll):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5, smartChargingPolicy={"isEnabled": True}))
    enode.statuses = {"car": make_status(9, "CONSIDERING")}
    for _ in range(3):
        await poll()
    events = [row["event"] for row in await pipeline.list_inbox_rows()]
    assert events.count("user:vehicle:smart-charging-status-updated") == 1


@pytest.mark.parametrize("statuses", [{}, {"car": {"state": "CONSIDERING"}}])
async def test_status_that_cannot_be_read_does_not_stop_the_poll(pipeline, enode, poll, statuses):
    enode.set_list(10, make_users_vehicle(pipeline, "car", 5, smartChargingPolicy={"isEnabled": True}))
    enode.statuses = statuses
    await poll()
    assert (await pipeline.get_vehicle())["smart_charging"] is None
    assert enode.status_calls == ["car"]
