"""Corrections and recomputing take the lock of live events, so that neither overwrites the other."""

import asyncio

import pytest

from relay.usecases.charging.recompute_sessions import recompute_vehicles
from tests.relay.support.charging_events import SOC, make_charging, make_stopped
from tests.relay.support.enode_events import at


@pytest.fixture
async def session_id(api, pipeline):
    await pipeline.process_update("car", at(0), **make_charging(20, **SOC))
    await pipeline.process_update("car", at(1200), **make_stopped(40, **SOC))
    return (await api.get("/api/ha/v2/sessions")).json()["sessions"][0]["id"]


@pytest.fixture
def changes(api, pool, account, session_id):
    """Functions that change the session's history."""

    async def recompute():
        async with pool.connection() as connection:
            return [each async for each in recompute_vehicles(connection, account.user_id, None, apply=True)]

    path = f"/api/ha/v2/sessions/{session_id}"
    return {
        "correct": lambda: api.patch(path, json={"energy_kwh": 3}),
        "delete": lambda: api.delete(path),
        "restore": lambda: api.post(f"{path}/restore"),
        "recompute": recompute,
    }


@pytest.mark.parametrize("name", ["correct", "delete", "restore", "recompute"])
async def test_change_waits_until_an_event_of_the_account_is_processed(pool, account, changes, name):
    async with pool.connection() as connection:
        async with connection.transaction():
            await connection.execute("select from feeds where user_id = %s for update", [account.user_id])
            change = asyncio.create_task(changes[name]())
            done, _ = await asyncio.wait([change], timeout=0.3)
            assert not done
        async with asyncio.timeout(20):
            await change
