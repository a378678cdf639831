"""Which vehicle an id means: the relay's own id, or any id that Enode has ever given the vehicle."""

import pytest

from relay.vehicles.lookup import (
    CURRENT_ENODE_ID,
    IS_SERVED,
    MATCHES_ID,
    build_lookup_parameters,
    find_linked_vehicle,
    find_vehicle_within_limit,
)

FINDERS = (find_vehicle_within_limit, find_linked_vehicle)
MATCHING_VEHICLES = (
    f"select v.id, {IS_SERVED} as served, {CURRENT_ENODE_ID} as enode_id from vehicles v where {MATCHES_ID}"
)


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


@pytest.fixture
async def relinked(connection, account):
    """The account's vehicle has been unlinked and linked again, which gave it a second Enode id."""
    await connection.execute(
        "update vehicle_links set linked_at = now() - interval '1 day', ended_at = now() - interval '1 hour'"
    )
    await connection.execute(
        "insert into vehicle_links (enode_vehicle_id, vehicle_id) values ('enode-new', %s)", [account.vehicle_id]
    )
    return account


async def mark_gone(connection):
    await connection.execute("update vehicles set gone_at = now()")
    await connection.execute("update vehicle_links set ended_at = now()")


async def mark_over_limit(connection):
    await connection.execute("update vehicles set link_state = 'over_limit'")


@pytest.mark.parametrize("find", FINDERS)
async def test_the_relays_id_finds_the_vehicle(connection, account, find):
    assert await find(connection, account.user_id, str(account.vehicle_id)) == account.vehicle_id


@pytest.mark.parametrize("find", FINDERS)
async def test_every_enode_id_finds_the_vehicle_old_ones_included(connection, relinked, find):
    for enode_id in (relinked.enode_id, "enode-new"):
        assert await find(connection, relinked.user_id, enode_id) == relinked.vehicle_id


@pytest.mark.parametrize("find", FINDERS)
@pytest.mark.parametrize("vehicle_id", ["", "unknown", "00000000-0000-4000-8000-000000000000", "%", "' or true --"])
async def test_an_unknown_id_finds_nothing(connection, account, find, vehicle_id):
    assert await find(connection, account.user_id, vehicle_id) is None


@pytest.mark.parametrize("find", FINDERS)
async def test_a_nul_in_the_id_is_ignored(connection, account, find):
    """PostgreSQL rejects a NUL in any text, which would be an internal error."""
    assert await find(connection, account.user_id, "\0") is None
    assert await find(connection, account.user_id, f"\0{account.vehicle_id}\0") == account.vehicle_id
    assert await find(connection, account.user_id, account.enode_id.replace("-", "-\0", 1)) == account.vehicle_id


@pytest.mark.parametrize("find", FINDERS)
async def test_the_vehicle_of_another_user_is_not_found(connection, relinked, make_account, find):
    other = await make_account()
    for vehicle_id in (str(relinked.vehicle_id), relinked.enode_id, "enode-new"):
        assert await find(connection, other.user_id, vehicle_id) is None
    assert await find(connection, other.user_id, other.enode_id) == other.vehicle_id


async def test_a_vehicle_over_the_limit_is_found_as_linked_only(connection, account):
    await mark_over_limit(connection)
    for vehicle_id in (str(account.vehicle_id), account.enode_id):
        assert await find_vehicle_within_limit(connection, account.user_id, vehicle_id) is None
        assert await find_linked_vehicle(connection, account.user_id, vehicle_id) == account.vehicle_id


async def test_an_unlinked_vehicle_is_found_within_the_limit_only(connection, account):
    await mark_gone(connection)
    for vehicle_id in (str(account.vehicle_id), account.enode_id):
        assert await find_vehicle_within_limit(connection, account.user_id, vehicle_id) == account.vehicle_id
        assert await find_linked_vehicle(connection, account.user_id, vehicle_id) is None


async def test_an_unlinked_vehicle_over_the_limit_is_not_found(connection, account):
    await mark_gone(connection)
    await mark_over_limit(connection)
    for find in FINDERS:
        assert await find(connection, account.user_id, str(account.vehicle_id)) is None


async def list_matching_vehicles(connection, account, vehicle_id):
    cursor = await connection.execute(MATCHING_VEHICLES, build_lookup_parameters(account.user_id, vehicle_id))
    return await cursor.fetchall()


async def test_the_current_enode_id_is_the_newest_link(connection, relinked, make_account):
    await make_account()
    for vehicle_id in (str(relinked.vehicle_id), relinked.enode_id, "enode-new"):
        assert await list_matching_vehicles(connection, relinked, vehicle_id) == [
            (relinked.vehicle_id, True, "enode-new")
        ]


async def test_of_two_open_links_the_later_one_has_the_current_enode_id(connection, relinked):
    await connection.execute("update vehicle_links set ended_at = null")
    assert await list_matching_vehicles(connection, relinked, "enode-new") == [(relinked.vehicle_id, True, "enode-new")]


async def test_an_unlinked_vehicle_is_not_served_and_has_no_current_enode_id(connection, account):
    await mark_gone(connection)
    assert await list_matching_vehicles(connection, account, account.enode_id) == [(account.vehicle_id, False, None)]


async def test_a_vehicle_over_the_limit_is_not_served_and_keeps_its_enode_id(connection, account):
    await mark_over_limit(connection)
    assert await list_matching_vehicles(connection, account, account.enode_id) == [
        (account.vehicle_id, False, account.enode_id)
    ]
