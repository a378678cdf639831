"""The list of a vehicle's commands."""

from tests.relay.support.linking import parse_problem


async def test_history_is_newest_first_and_limited(v2_api, simulated_vehicle):
    for action in ("START", "STOP", "START"):
        await v2_api.post(f"{simulated_vehicle.path}/charging", json={"action": action})
    commands = (await v2_api.get(f"{simulated_vehicle.path}/commands", params={"limit": 2})).json()["commands"]
    assert [command["kind"] for command in commands] == ["START", "STOP"]
    all_commands = (await v2_api.get(f"/vehicles/{simulated_vehicle.account.enode_id}/commands")).json()["commands"]
    assert len(all_commands) == 3
    for limit in (0, 101, "many"):
        answer = await v2_api.get(f"{simulated_vehicle.path}/commands", params={"limit": limit})
        assert parse_problem(answer) == (422, "invalid-request")
