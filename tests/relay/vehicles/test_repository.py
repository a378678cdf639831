"""Vehicles and links in the database: what is written is read back, and which vehicles each query finds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from relay.vehicles import repository
from relay.vehicles.models import (
    ChargeFlags,
    CorrectionOverlay,
    SmartCharging,
    Vehicle,
    VehicleLink,
    VehicleState,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


def make_vehicle(user_id, number=1, **members):
    return Vehicle(id=UUID(int=number), user_id=user_id, link_since=at(0), **members)


def make_link(vehicle, enode_id, linked=0, seen=1, ended=None):
    ended_at = None if ended is None else at(ended)
    return VehicleLink(
        enode_vehicle_id=enode_id, vehicle_id=vehicle.id, linked_at=at(linked), seen_at=at(seen), ended_at=ended_at
    )


async def save(connection, *vehicles):
    for vehicle in vehicles:
        await repository.save_vehicle(connection, vehicle, (), revision=1)


async def fetch_columns(connection, vehicle, columns):
    cursor = await connection.execute(f"select {columns} from vehicles where id = %s", [vehicle.id])
    return await cursor.fetchone()


def make_full_vehicle(user_id):
    return make_vehicle(
        user_id,
        revision=7,
        state=VehicleState(
            groups={"vendor": "KIA", "information": {"brand": "Kia"}},
            versions={"information": "3"},
            leaves={"information": {"brand": "4"}},
        ),
        corrected=CorrectionOverlay(overlay={"chargeState": {"a": 1}}, names=("b", "a"), memory={"b": {"c": 2}}),
        smart_charging=SmartCharging(state="ENABLED", since=at(2), as_of=at(3)),
        last_known=ChargeFlags(plugged_in=True, charging=False, fault=None, complete=True),
        link_state="over_limit",
        broken_at=at(4),
        vin_hash=b"hash",
        gone_at=at(5),
        gone_reason="deleted",
    )


async def test_vehicle_and_links_are_read_back_as_written(connection, account):
    vehicle = make_full_vehicle(account.user_id)
    links = make_link(vehicle, "one"), make_link(vehicle, "two", linked=10, seen=11, ended=12)
    await repository.save_vehicle(connection, vehicle, links, revision=7)
    assert await repository.find_linked(connection, "one") == (vehicle, links[0])
    assert await repository.find_linked(connection, "two") == (vehicle, links[1])
    assert sorted(await repository.list_links(connection, vehicle.id), key=lambda link: link.linked_at) == list(links)
    assert await repository.find_linked(connection, "three") is None
    assert await repository.list_links(connection, uuid4()) == []


async def test_saving_again_replaces_everything_but_the_time_of_linking(connection, account):
    vehicle = make_full_vehicle(account.user_id)
    await repository.save_vehicle(connection, vehicle, (make_link(vehicle, "one", ended=2),), revision=7)
    await connection.execute("update vehicles set created_at = %s, updated_at = %s", [at(0), at(0)])
    changed = make_vehicle(
        account.user_id,
        revision=8,
        state=VehicleState(groups={"vendor": "TESLA"}, versions={"vendor": "9"}),
        link_state="broken",
    )
    changed = replace(changed, link_since=at(20), last_known=ChargeFlags(fault=True))
    await repository.save_vehicle(connection, changed, (make_link(changed, "one", linked=5, seen=6),), revision=8)
    assert await repository.find_linked(connection, "one") == (changed, make_link(changed, "one", linked=0, seen=6))
    vendor, created_at, is_updated = await fetch_columns(
        connection, changed, "vendor, created_at, updated_at > now() - interval '1 hour'"
    )
    assert (vendor, created_at, is_updated) == ("TESLA", at(0), True)


async def test_link_can_move_to_another_vehicle(connection, account):
    first, second = make_vehicle(account.user_id, 1), make_vehicle(account.user_id, 2)
    await repository.save_vehicle(connection, first, (make_link(first, "one"),), revision=1)
    await repository.save_vehicle(connection, second, (make_link(second, "one"),), revision=1)
    found, link = await repository.find_linked(connection, "one")
    assert (found.id, link.vehicle_id) == (second.id, second.id)


async def test_vendor_column_is_enodes_vendor_or_unknown(connection, account):
    for groups, vendor in (({"vendor": "KIA"}, "KIA"), ({"vendor": None}, "UNKNOWN"), ({}, "UNKNOWN")):
        vehicle = make_vehicle(account.user_id, state=VehicleState(groups=groups))
        await save(connection, vehicle)
        assert await fetch_columns(connection, vehicle, "vendor") == (vendor,)


async def test_vin_finds_the_users_own_vehicle_gone_ones_included(connection, account, make_account):
    other = await make_account()
    own = make_vehicle(account.user_id, 1, vin_hash=b"vin", gone_at=at(0), gone_reason="deleted", revision=1)
    foreign = make_vehicle(other.user_id, 2, vin_hash=b"vin")
    another = make_vehicle(account.user_id, 3, vin_hash=b"another")
    await save(connection, own, foreign, another)
    assert await repository.find_by_vin(connection, account.user_id, b"vin") == own
    assert (await repository.find_by_vin(connection, other.user_id, b"vin")).id == foreign.id
    assert await repository.find_by_vin(connection, other.user_id, b"another") is None


async def test_vehicles_of_a_vendor_are_the_users_linked_ones_in_a_stable_order(connection, account, make_account):
    other = await make_account()
    kia = VehicleState(groups={"vendor": "KIA"})
    await save(
        connection,
        make_vehicle(account.user_id, 3, state=kia),
        make_vehicle(account.user_id, 1, state=kia, link_state="over_limit"),
        make_vehicle(account.user_id, 2, state=kia, link_state="broken"),
        make_vehicle(account.user_id, 4, state=kia, gone_at=at(0)),
        make_vehicle(account.user_id, 5, state=VehicleState(groups={"vendor": "BMW"})),
        make_vehicle(other.user_id, 6, state=kia),
    )
    vehicles = await repository.list_by_vendor(connection, account.user_id, "KIA")
    assert [vehicle.id.int for vehicle in vehicles] == [1, 2, 3]


async def test_vehicles_are_served_by_choice_then_as_before_then_by_age(connection, account, make_account):
    other = await make_account()
    await connection.execute("delete from vehicles")
    rows = [
        # number, created, over the limit, chosen
        (1, 1, False, False),
        (2, 0, True, False),
        (3, 5, True, True),
        (4, 4, False, True),
        (5, 3, False, False),
        (6, 3, False, False),
        (7, 0, False, True),
    ]
    for number, created, over_limit, chosen in rows:
        await save(connection, make_vehicle(account.user_id, number, link_state="over_limit" if over_limit else "ok"))
        await connection.execute(
            "update vehicles set created_at = %s, chosen_at = %s where id = %s",
            [at(created), at(9 - created) if chosen else None, UUID(int=number)],
        )
    await save(connection, make_vehicle(account.user_id, 8, gone_at=at(0)), make_vehicle(other.user_id, 9))
    vehicles = await repository.list_by_priority(connection, account.user_id)
    assert [vehicle.id.int for vehicle in vehicles] == [7, 4, 3, 1, 5, 6, 2]


async def test_vehicle_is_read_with_its_charging_ledger_but_not_its_base(connection, account):
    vehicle = make_vehicle(account.user_id)
    await repository.save_vehicle(connection, vehicle, (make_link(vehicle, "one"),), revision=1)
    assert (await repository.find_linked(connection, "one"))[0].ledger is None
    await connection.execute(
        "insert into vehicle_energy (vehicle_id, tail, base, lifetime_kwh) values (%s, '{}', '{}', 5)", [vehicle.id]
    )
    ledger = (await repository.find_linked(connection, "one"))[0].ledger
    assert (ledger["lifetime_kwh"], ledger["tail"], "base" in ledger) == (5, {}, False)
