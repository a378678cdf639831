"""Limiting the charging current, against the simulated Enode."""

import pytest

from tests.relay.support.linking import parse_problem


async def test_limiting_the_current_costs_one_call_and_is_published(v2_api, simulated_vehicle):
    answer = await v2_api.post(f"{simulated_vehicle.path}/max-current", json={"amps": 10})
    command = answer.json()
    assert (answer.status_code, command["kind"], command["amps"], command["state"]) == (
        202,
        "MAX_CURRENT",
        10,
        "pending",
    )
    await simulated_vehicle.advance_time(900)
    await simulated_vehicle.sync()
    (record,) = (await v2_api.get("/vehicles")).json()["vehicles"]
    assert record["vehicle"]["chargeState"]["maxCurrent"] == 10
    assert record["command"]["amps"] == 10
    assert await simulated_vehicle.get_used_calls() == 2


async def test_vehicle_without_the_capability_is_refused_free_of_charge(v2_api, link_simulated_vehicle):
    vehicle = await link_simulated_vehicle("volkswagen-id4")
    answer = await v2_api.post(f"{vehicle.path}/max-current", json={"amps": 10})
    assert parse_problem(answer) == (422, "command-refused")
    assert await vehicle.get_used_calls() == 0
    assert await vehicle.execute("select count(*) from commands") == [(0,)]


@pytest.mark.parametrize("amps", [0, -1, 101, "much", None, "1e999"])
async def test_invalid_current_is_refused_free_of_charge(v2_api, simulated_vehicle, amps):
    answer = await v2_api.post(f"{simulated_vehicle.path}/max-current", json={"amps": amps})
    assert parse_problem(answer) == (422, "invalid-request")
    assert await simulated_vehicle.get_used_calls() == 0


async def test_idempotency_key_covers_the_current(v2_api, simulated_vehicle):
    async def limit_current(amps):
        return await v2_api.post(
            f"{simulated_vehicle.path}/max-current", json={"amps": amps}, headers={"Idempotency-Key": "k"}
        )

    first, repeated, other = await limit_current(10), await limit_current(10), await limit_current(12)
    assert first.json()["id"] == repeated.json()["id"]
    assert parse_problem(other) == (422, "invalid-request")
    assert await simulated_vehicle.get_used_calls() == 1
