"""Vehicle lists read from Enode become the events that Enode's webhook would have sent."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from relay.gateways.enode import API_VERSION, VehicleReading
from relay.inbox.models import StoreResult
from relay.usecases.calls.store_readings import LinkedEnodeVehicle, has_changed, store_readings

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
STATE = {"vendor": "TESLA", "isReachable": True, "chargeState": {"batteryLevel": 50}}


class RecordingInbox:
    """Collects the events that are stored."""

    def __init__(self):
        self.events, self.sources = [], set()

    async def store_events(self, events, *, source):
        self.events += events
        self.sources.add(source)
        return StoreResult(stored=len(events), known=1)


def read(account, as_of=NOON, enode_id=None, user_id=None, **vehicle):
    vehicle = {"id": enode_id or account.enode_id, "userId": str(account.user_id), **STATE, **vehicle}
    return VehicleReading(vehicle=vehicle, as_of=as_of) if user_id is None else VehicleReading(
        vehicle=vehicle | {"userId": user_id}, as_of=as_of
    )  # fmt: skip


async def store(pool, *readings, user_id=None):
    inbox = RecordingInbox()
    result = await store_readings(pool, inbox, readings, began_at=NOON - timedelta(hours=1), user_id=user_id)
    assert result.stored == len(inbox.events)
    return [(event.name, event.enode_vehicle_id, event.created_at) for event in inbox.events]


async def link(pool, account):
    async with pool.connection() as connection:
        await connection.execute(
            "update vehicles set vehicle_cache = %s where user_id = %s",
            [Jsonb(STATE | {"userId": str(account.user_id)}), account.user_id],
        )


async def test_only_changed_vehicles_are_stored_and_missing_ones_are_deleted(pool, make_account):
    same, changed, missing = [await make_account() for _ in range(3)]
    for each in (same, changed, missing):
        await link(pool, each)
    later, now = NOON + timedelta(seconds=5), NOON.astimezone(timezone(timedelta(hours=1)))
    assert await store(pool, read(same, now), read(changed, later, isReachable=False)) == [
        ("user:vehicle:updated", changed.enode_id, later),
        ("user:vehicle:deleted", missing.enode_id, NOON),  # as of the earliest page of the list
    ]
    assert await store(pool, user_id=same.user_id) == [
        ("user:vehicle:deleted", same.enode_id, NOON - timedelta(hours=1))
    ]


async def test_vehicles_of_unknown_and_closed_users_are_left_out(pool, account):
    await link(pool, account)
    assert await store(pool, read(account), read(account, enode_id="x", user_id=str(uuid4()))) == []
    assert await store(pool, read(account), read(account, enode_id="x", user_id="not a UUID")) == []
    async with pool.connection() as connection:
        await connection.execute("update users set closed_at = now()")
    assert await store(pool, read(account, isReachable=False)) == []
    assert await store(pool) == []


async def test_ended_link_is_not_reported_as_deleted(pool, account):
    async with pool.connection() as connection:
        await connection.execute("update vehicle_links set ended_at = now()")
    assert await store(pool) == []
    assert await store(pool, read(account)) == [("user:vehicle:updated", account.enode_id, NOON)]


async def test_event_has_the_shape_of_a_webhook_event(pool, account):
    inbox = RecordingInbox()
    await store_readings(pool, inbox, [read(account)], began_at=NOON)
    [event] = inbox.events
    assert inbox.sources == {"poll"}
    assert (event.version, event.user_id) == (API_VERSION, account.user_id)
    assert '"createdAt":"2026-11-29T12:00:00Z"' in event.payload
    assert '"updatedFields":[]' in event.payload
    assert '"batteryLevel":50' in event.payload


async def test_long_list_is_stored_in_batches_and_counted(pool, account):
    result = await store_readings(
        pool, inbox := RecordingInbox(), [read(account, enode_id=f"v{n}") for n in range(101)], began_at=NOON
    )
    # 101 vehicles are new, and the linked one is missing.
    assert (len(inbox.events), result.stored, result.known) == (102, 102, 2)


@pytest.mark.parametrize(
    ("read_vehicle", "stored", "expected"),
    [
        ({"a": 1}, None, True),
        ({}, None, True),
        ({"a": 1}, {"a": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, True),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": None}, False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, True),
        ({}, {"a": 1}, False),
    ],
)
def test_reading_has_changed_if_it_has_a_value_that_is_not_stored(read_vehicle, stored, expected):
    reading = VehicleReading(vehicle=read_vehicle, as_of=NOON)
    linked = None if stored is None else LinkedEnodeVehicle(user_id=uuid4(), vehicle=stored)
    assert has_changed(reading, linked) is expected


def test_member_that_is_too_large_to_be_stored_is_no_change_at_every_poll():
    stored = LinkedEnodeVehicle(user_id=uuid4(), vehicle={"id": "car", "vendor": "TESLA"})
    reading = VehicleReading(vehicle={"id": "car", "vendor": "TESLA", "large": "x" * 100_000}, as_of=NOON)
    assert not has_changed(reading, stored)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"isPluggedIn": True, "batteryLevel": None, "range": None}, False),
        ({"isPluggedIn": False, "batteryLevel": None, "range": None}, True),
        ({"isPluggedIn": True, "batteryLevel": 49, "range": None}, True),
        ({"isPluggedIn": None, "batteryLevel": None, "range": None}, False),
    ],
)
def test_what_an_unreachable_vehicle_does_not_report_is_no_change_at_every_poll(group, expected):
    stored = {"isPluggedIn": True, "batteryLevel": 50, "range": 300}
    linked = LinkedEnodeVehicle(user_id=uuid4(), vehicle={"isReachable": False, "chargeState": stored})
    reading = VehicleReading(vehicle={"isReachable": False, "chargeState": group}, as_of=NOON)
    assert has_changed(reading, linked) is expected
