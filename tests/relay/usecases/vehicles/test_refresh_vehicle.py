"""Refreshing one vehicle, against the simulated Enode."""

import asyncio
from datetime import datetime, timedelta

from tests.relay.support.linking import parse_problem


async def test_concurrent_refreshes_are_limited_to_one_in_five_minutes(v2_api, simulated_vehicle):
    path = f"{simulated_vehicle.path}/refresh"
    answers = await asyncio.gather(*(v2_api.post(path) for _ in range(8)))
    (accepted,) = [answer for answer in answers if answer.status_code == 202]
    assert accepted.json()["refreshed"] is True
    for refused in (answer for answer in answers if answer is not accepted):
        assert parse_problem(refused) == (429, "too-many-requests")
        assert 0 < int(refused.headers["Retry-After"]) <= 300
        # A transaction that began before the accepted one caps the stored time at its own, a few milliseconds earlier.
        times = [datetime.fromisoformat(answer.json()["again_at"]) for answer in (refused, accepted)]
        assert abs(times[0] - times[1]) < timedelta(seconds=1)
    await simulated_vehicle.execute("update vehicles set refreshed_at = refreshed_at - interval '5 minutes'")
    assert (await v2_api.post(path)).status_code == 202
    assert await simulated_vehicle.get_used_calls() == 0


async def test_refresh_that_enode_rejects_can_be_repeated_at_once(v2_api, simulated_vehicle):
    path = f"{simulated_vehicle.path}/refresh"
    await simulated_vehicle.execute("update vehicle_links set enode_vehicle_id = 'gone'")
    assert parse_problem(await v2_api.post(path)) == (404, "not-found")
    await simulated_vehicle.execute(
        "update vehicle_links set enode_vehicle_id = %s", simulated_vehicle.account.enode_id
    )
    assert (await v2_api.post(path)).status_code == 202
