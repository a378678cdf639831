"""Commands while the operator has paused them."""

from tests.relay.support.linking import parse_problem


async def test_paused_commands_are_refused_free_of_charge_and_reading_works(v2_api, simulated_vehicle, account):
    await simulated_vehicle.set_commands_paused(value=True)
    for path, body in (("charging", {"action": "START"}), ("max-current", {"amps": 10})):
        answer = await v2_api.post(f"{simulated_vehicle.path}/{path}", json=body)
        assert parse_problem(answer) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    classic = await v2_api.post(f"http://relay/api/ha/charging/{account.vehicle_id}", json={"action": "START"})
    assert classic.status_code == 503
    assert await simulated_vehicle.get_used_calls() == 0
    assert await simulated_vehicle.execute("select count(*) from commands") == [(0,)]
    assert (await v2_api.get("/vehicles")).status_code == 200
    await simulated_vehicle.set_commands_paused(value=False)
    answer = await v2_api.post(f"{simulated_vehicle.path}/charging", json={"action": "START"})
    assert answer.status_code == 202
