"""Cancelling commands, against the simulated Enode."""

from uuid import uuid4

from tests.relay.support.linking import parse_problem


async def test_command_is_cancelled_once_and_stays_cancelled(v2_api, simulated_vehicle):
    command = (await v2_api.post(f"{simulated_vehicle.path}/charging", json={"action": "START"})).json()
    cancelled = await v2_api.post(f"/commands/{command['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert cancelled.json()["reason"]["type"] == "REQUESTED_CANCELLATION"
    assert (await v2_api.post(f"/commands/{command['id']}/cancel")).json() == cancelled.json()
    kinds = await simulated_vehicle.execute("select kind from transitions")
    assert kinds == [("command_settled",)]
    assert await simulated_vehicle.get_used_calls() == 1


async def test_cancelling_a_command_that_enode_has_settled_returns_its_outcome(v2_api, simulated_vehicle):
    command = (await v2_api.post(f"{simulated_vehicle.path}/charging", json={"action": "START"})).json()
    await simulated_vehicle.advance_time(300)
    answer = await v2_api.post(f"/commands/{command['id']}/cancel")
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "confirmed", None)


async def test_command_that_enode_has_not_accepted_cannot_be_cancelled_yet(v2_api, simulated_vehicle, account):
    command_id = uuid4()
    await simulated_vehicle.execute(
        "insert into commands (id, user_id, vehicle_id, kind) values (%s, %s, %s, 'START')",
        *(command_id, account.user_id, account.vehicle_id),
    )
    answer = await v2_api.post(f"/commands/{command_id}/cancel")
    assert parse_problem(answer) == (409, "not-sent")
    assert answer.headers["Retry-After"]
    assert answer.json()["command"]["state"] == "sending"
