"""Which vehicles are served at a limit: the chosen ones first, then those served already, then the oldest."""

from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from relay.kit.problems import Problem
from relay.usecases.vehicles.limit_vehicles import (
    VehicleCapacity,
    apply_vehicle_limit,
    enforce_vehicle_limits,
    get_vehicle_capacity,
    require_vehicle_capacity,
    select_served_vehicles,
)
from tests.relay.support.plans import CLOUD

PLANS = CLOUD.override(vehicle_limits={"free": 1, "basic": 2, "pro": None})


class Woken(list):
    """Stands for the waker of the feeds."""

    def wake(self, user_ids):
        self.extend(user_ids)


@pytest.fixture
def runtime(pool):
    return SimpleNamespace(pool=pool, plans=PLANS, feed_waker=Woken())


@pytest.fixture
def add_user(pool, make_account):
    """Create a user with linked vehicles, oldest first, in these link states; returns the user's and their ids."""

    async def add(plan, *states) -> tuple[UUID, list[UUID]]:
        account = await make_account(plan=plan)
        vehicle_ids = [uuid4() for _ in states]
        async with pool.connection() as connection:
            await connection.execute("delete from vehicles where user_id = %s", [account.user_id])
            for age, (vehicle_id, state) in enumerate(zip(vehicle_ids, states, strict=True)):
                await connection.execute(
                    "insert into vehicles (id, user_id, vendor, vehicle_cache, link_state, revision, created_at)"
                    " values (%s, %s, 'TESLA', %s, %s, 0, now() + %s * interval '1 s' - interval '1 day')",
                    [vehicle_id, account.user_id, Jsonb({"vendor": "TESLA"}), state, age],
                )
        return account.user_id, vehicle_ids

    return add


async def get_served(pool, user_id, vehicle_ids):
    """Positions of the served vehicles."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select id from vehicles where user_id = %s and link_state <> 'over_limit' and gone_at is null", [user_id]
        )
        return sorted(vehicle_ids.index(row[0]) for row in await cursor.fetchall())


@pytest.mark.parametrize(
    ("limit", "linked", "is_full"),
    [(None, 0, False), (None, 1000, False), (0, 0, True), (1, 0, False), (2, 1, False), (2, 2, True), (2, 3, True)],
)
def test_plan_is_full_at_its_limit(limit, linked, is_full):
    assert VehicleCapacity(plan="pro", limit=limit, linked=linked).is_full is is_full


async def test_all_linked_vehicles_count_and_unlinked_ones_do_not(pool, add_user):
    user_id, vehicle_ids = await add_user("basic", "ok", "over_limit", "broken")
    await add_user("basic", "ok")
    async with pool.connection() as connection:
        capacity = await get_vehicle_capacity(connection, user_id, PLANS)
        assert capacity == VehicleCapacity(plan="basic", limit=2, linked=3)
        with pytest.raises(Problem) as raised:
            await require_vehicle_capacity(connection, user_id, PLANS)
        assert (raised.value.status, raised.value.slug) == (403, "vehicle-limit")
        assert raised.value.members == {"limit": 2, "linked": 3, "plan": "basic"}
        await connection.execute("update vehicles set gone_at = now() where id = any (%s)", [vehicle_ids[:2]])
        assert (await get_vehicle_capacity(connection, user_id, PLANS)).linked == 1
        await require_vehicle_capacity(connection, user_id, PLANS)
        with pytest.raises(LookupError):
            await get_vehicle_capacity(connection, uuid4(), PLANS)


@pytest.mark.parametrize(
    ("states", "limit", "served", "has_changed"),
    [
        (("ok", "ok", "ok"), 2, [0, 1], True),
        (("ok", "ok", "ok"), 3, [0, 1, 2], False),
        (("ok", "ok", "ok"), 0, [], True),
        (("ok", "ok", "ok"), None, [0, 1, 2], False),
        (("over_limit", "ok", "broken"), 2, [1, 2], False),
        (("over_limit", "ok", "broken"), 3, [0, 1, 2], True),
        (("over_limit", "over_limit", "ok"), 2, [0, 2], True),
        (("over_limit", "over_limit"), None, [0, 1], True),
        ((), 1, [], False),
    ],
)
async def test_served_vehicles_stay_and_the_oldest_fill_up(pool, add_user, *, states, limit, served, has_changed):
    user_id, vehicle_ids = await add_user("pro", *states)
    async with pool.connection() as connection, connection.transaction():
        assert await apply_vehicle_limit(connection, user_id, limit) is has_changed
    assert await get_served(pool, user_id, vehicle_ids) == served


async def test_choice_replaces_the_previous_one_and_wakes_the_user(pool, runtime, add_user):
    user_id, vehicle_ids = await add_user("basic", "ok", "ok", "over_limit", "over_limit")
    await select_served_vehicles(runtime, user_id, [vehicle_ids[2], vehicle_ids[3]])
    assert await get_served(pool, user_id, vehicle_ids) == [2, 3]
    assert runtime.feed_waker == [user_id]
    await select_served_vehicles(runtime, user_id, [vehicle_ids[1]])
    assert await get_served(pool, user_id, vehicle_ids) == [1, 2]  # chosen before, served already
    await select_served_vehicles(runtime, user_id, [])
    assert await get_served(pool, user_id, vehicle_ids) == [1, 2]
    assert runtime.feed_waker == [user_id] * 2


@pytest.mark.parametrize(
    ("chosen", "plan", "slug"),
    [(2, "basic", None), (3, "basic", "vehicle-limit"), (3, "pro", None), (2, "free", "vehicle-limit")],
)
async def test_at_most_the_plans_number_of_vehicles_can_be_chosen(pool, runtime, add_user, *, chosen, plan, slug):
    user_id, vehicle_ids = await add_user(plan, "ok", "over_limit", "over_limit")
    if slug is None:
        await select_served_vehicles(runtime, user_id, vehicle_ids[:chosen] * 2)  # repeated ids count once
        return
    with pytest.raises(Problem) as raised:
        await select_served_vehicles(runtime, user_id, vehicle_ids[:chosen])
    assert (raised.value.status, raised.value.slug) == (403, slug)
    assert raised.value.members == {"limit": PLANS.get(plan).vehicle_limit, "linked": 3, "plan": plan}
    assert await get_served(pool, user_id, vehicle_ids) == [0]


async def test_choice_of_one_user_leaves_that_of_another(pool, runtime, add_user):
    ada, adas_ids = await add_user("free", "ok", "over_limit")
    bob, bobs_ids = await add_user("free", "ok", "over_limit")
    await select_served_vehicles(runtime, ada, [adas_ids[1]])
    await select_served_vehicles(runtime, bob, [bobs_ids[1]])
    async with pool.connection() as connection:
        # All are served for a while, so that only the choice decides which one is served afterwards.
        for limit in (None, 1):
            async with connection.transaction():
                await apply_vehicle_limit(connection, ada, limit)
    assert await get_served(pool, ada, adas_ids) == [1]


async def test_only_the_users_own_linked_vehicles_can_be_chosen(pool, runtime, add_user):
    user_id, vehicle_ids = await add_user("basic", "ok", "over_limit")
    _, foreign_ids = await add_user("basic", "ok")
    async with pool.connection() as connection:
        await connection.execute("update vehicles set gone_at = now() where id = %s", [vehicle_ids[1]])
    for wrong in ([foreign_ids[0]], [vehicle_ids[1]], [vehicle_ids[0], uuid4()]):
        with pytest.raises(Problem) as raised:
            await select_served_vehicles(runtime, user_id, wrong)
        assert (raised.value.status, raised.value.slug) == (404, "not-found")
    assert runtime.feed_waker == []


async def test_limits_are_enforced_for_exactly_the_users_that_do_not_match(pool, runtime, add_user):
    """A row per user: plan, link states, and the positions that are served afterwards."""
    cases = [
        ("free", ("ok", "ok"), [0]),
        ("free", ("ok", "over_limit"), [0]),
        ("free", ("over_limit",), [0]),
        ("basic", ("ok", "broken", "ok"), [0, 1]),
        ("basic", ("ok", "over_limit", "over_limit"), [0, 1]),
        ("basic", ("ok", "ok"), [0, 1]),
        ("pro", ("ok", "over_limit", "over_limit"), [0, 1, 2]),
        ("pro", ("ok", "ok", "ok"), [0, 1, 2]),
        ("free", (), []),
    ]
    users = [(*await add_user(plan, *states), served) for plan, states, served in cases]
    closed_id, closed_vehicles = await add_user("free", "ok", "ok")
    async with pool.connection() as connection:
        await connection.execute("update users set closed_at = now() where id = %s", [closed_id])
    assert await enforce_vehicle_limits(runtime) == 5
    for user_id, vehicle_ids, served in users:
        assert await get_served(pool, user_id, vehicle_ids) == served
    assert set(runtime.feed_waker) == {users[index][0] for index in (0, 2, 3, 4, 6)}
    assert await get_served(pool, closed_id, closed_vehicles) == [0, 1]
    assert await enforce_vehicle_limits(runtime) == 0
    runtime.plans = replace(PLANS)
    assert await enforce_vehicle_limits(runtime) == 0
