"""Polling: the same inbox, the same merge, no public address."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from relay.gateways.enode import EnodeUnavailable, VehicleReading
from relay.usecases.events.poll_enode import EnodePoller, PollIntervals
from tests.relay.support.enode_events import CHARGING, STOPPED, add_user, at, format_time, make_pipeline, make_vehicle


class Enode:
    """Lists what the test says; a double for the network between."""

    def __init__(self):
        self.cars, self.as_of, self.asked = [], at(0), 0
        self.fails_after = None
        self.vehicles = self

    async def all(self):
        self.asked += 1
        for number, car in enumerate(self.cars):
            if number == self.fails_after:
                raise EnodeUnavailable("GET /vehicles", cause="no answer in time", is_outcome_unknown=True)
            yield VehicleReading(vehicle=car, as_of=self.as_of)

    def now(self, seconds, *cars):
        self.as_of, self.cars = at(seconds), list(cars)


@pytest.fixture
def enode():
    return Enode()


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


@pytest.fixture
def poll(pipeline, enode):
    poller = EnodePoller(pipeline.pool, enode, account_id="ours", wake=pipeline.inbox_wakes.extend)

    async def poll():
        pause = await poller.poll_once()
        await pipeline.drainer.drain_once()
        return pause

    return poll


def car(pipeline, enode_id, seconds, **groups):
    return make_vehicle(enode_id, at(seconds), **groups) | {"userId": str(pipeline.user_id)}


async def test_what_is_seen_goes_through_the_inbox_with_the_time_it_was_true(pipeline, enode, poll):
    enode.now(10, car(pipeline, "car", 5))
    await poll()
    (row,) = await pipeline.list_inbox_rows()
    assert (row["source"], row["event"], row["event_at"], row["user_id"], row["state"]) == (
        "poll",
        "user:vehicle:updated",
        at(10),
        pipeline.user_id,
        "done",
    )
    assert (await pipeline.get_vehicle())["vehicle_cache"] == car(pipeline, "car", 5)
    assert pipeline.inbox_wakes == [pipeline.user_id]


async def test_what_has_not_changed_is_not_stored_again(pipeline, enode, poll):
    enode.now(10, car(pipeline, "car", 5), car(pipeline, "other", 5, vin=None))
    await poll()
    enode.now(20, car(pipeline, "car", 5), car(pipeline, "other", 6, vin=None))
    await poll()
    assert [row["enode_vehicle_id"] for row in await pipeline.list_inbox_rows()] == ["car", "other", "other"]


async def test_transitions_are_told_as_from_a_webhook(pipeline, enode, poll):
    for seconds, charge in ((0, {}), (60, CHARGING), (120, STOPPED)):
        enode.now(seconds, car(pipeline, "car", seconds, charge=charge))
        await poll()
    assert await pipeline.list_transition_kinds() == ["plugged_in", "charging_started", "charging_stopped"]


async def test_a_car_missing_from_a_complete_list_is_gone_and_may_come_back(pipeline, enode, poll):
    enode.now(10, car(pipeline, "car", 5), car(pipeline, "other", 5, vin=None))
    await poll()
    ids = {it["id"] for it in await pipeline.list_vehicles()}
    enode.now(20, car(pipeline, "other", 5, vin=None))
    await poll()
    assert len(await pipeline.list_vehicles()) == 1
    enode.now(30, car(pipeline, "car", 5), car(pipeline, "other", 5, vin=None))
    await poll()
    assert {it["id"] for it in await pipeline.list_vehicles()} == ids


async def test_the_last_car_can_go_too(pipeline, enode, poll):
    enode.now(10, car(pipeline, "car", 5))
    enode.as_of = datetime.now(UTC) - timedelta(minutes=5)
    await poll()
    enode.cars = []  # an empty list has no time of its own: it counts as of when it was asked for
    await poll()
    assert await pipeline.list_vehicles() == []
    (gone,) = await pipeline.execute("select now() - gone_at as since from vehicles")
    assert gone["since"] < timedelta(minutes=1)


async def test_cars_of_users_who_are_not_ours_are_nothing_to_us(pipeline, enode, poll):
    closed = await add_user(pipeline.pool)
    stranger = make_vehicle("stranger", at(5), vin=None)
    enode.now(10, stranger, stranger | {"id": "closing", "userId": str(closed)})
    await poll()
    await pipeline.execute("update users set closed_at = now() where id = %s", closed)
    enode.now(20, stranger)
    await poll()
    assert [row["enode_vehicle_id"] for row in await pipeline.list_inbox_rows()] == ["closing"]


async def test_a_list_that_broke_off_says_nothing_about_the_rest(pipeline, enode, poll):
    enode.now(10, car(pipeline, "car", 5), car(pipeline, "other", 5, vin=None))
    await poll()
    enode.now(20, car(pipeline, "car", 15), car(pipeline, "other", 15, vin=None))
    enode.fails_after = 1
    with pytest.raises(EnodeUnavailable):
        await poll()
    assert len(await pipeline.list_vehicles()) == 2
    assert len(await pipeline.list_inbox_rows()) == 2


async def test_a_car_that_was_linked_while_we_asked_stays(pipeline, enode, poll):
    enode.now(10, car(pipeline, "old", 5, vin=None))
    await pipeline.process_update("new", at(11))
    await poll()
    assert len(await pipeline.list_vehicles()) == 2


async def test_more_cars_than_fit_one_delivery(pipeline, enode, poll):
    enode.now(10, *(car(pipeline, f"car-{n}", 5, vin=None) for n in range(230)))
    await poll()
    assert len(await pipeline.list_vehicles()) == 230


async def test_an_odd_vehicle_keeps_no_other_out(pipeline, enode, poll):
    enode.now(10, car(pipeline, "car", 5), car(pipeline, "odd", 5, vin=None, charge={"note": "\u0000"}))
    await poll()
    assert len(await pipeline.list_vehicles()) == 1


async def test_it_is_asked_more_often_while_any_car_charges(pipeline, enode, poll):
    enode.now(10, car(pipeline, "car", 5), car(pipeline, "other", 5, vin=None))
    assert await poll() == timedelta(minutes=7)
    enode.now(20, car(pipeline, "car", 5), car(pipeline, "other", 15, vin=None, charge=CHARGING))
    assert await poll() == timedelta(minutes=2)


async def test_running_it_asks_again_and_again_and_at_once_when_nudged(pipeline, enode):
    enode.now(0, car(pipeline, "car", 0))
    quick = PollIntervals(charging=timedelta(milliseconds=1), idle=timedelta(milliseconds=1))
    for rhythm, nudged in ((quick, False), (PollIntervals(minimum=timedelta()), True)):
        enode.asked = 0
        poller = EnodePoller(
            pipeline.pool, enode, account_id="ours", wake=pipeline.inbox_wakes.extend, intervals=rhythm
        )
        running = asyncio.create_task(poller.run())
        try:
            async with asyncio.timeout(10):
                while enode.asked < 5:
                    enode.now(enode.asked, car(pipeline, "car", enode.asked))
                    enode.fails_after = 0 if enode.asked == 2 else None
                    if nudged:
                        poller.request_poll()
                    await asyncio.sleep(0.001)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert format_time(at(0)) in {row["payload"]["vehicle"]["lastSeen"] for row in await pipeline.list_inbox_rows()}


async def test_however_often_it_is_nudged_it_keeps_a_pause(pipeline, enode):
    poller = EnodePoller(pipeline.pool, enode, account_id="ours", wake=pipeline.inbox_wakes.extend)
    running = asyncio.create_task(poller.run())
    try:
        async with asyncio.timeout(10):
            while not enode.asked:
                await asyncio.sleep(0.001)
        for _ in range(50):
            poller.request_poll()
            await asyncio.sleep(0.001)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert enode.asked == 1
