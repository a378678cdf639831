"""Charging commands through the classic routes."""

import httpx
import pytest

from tests.relay.support.enode_double import REFUSAL, list_used_calls, make_action


async def test_classic_routes_answer_in_the_classic_shape(api, account):
    for path in ("charging", "ha/charging"):
        answer = await api.post(f"/api/{path}/{account.enode_id}", json={"action": "START"})
        body = answer.json()
        assert answer.status_code == 200
        assert (body["status"], body["vehicle_id"], body["action"]) == ("success", str(account.vehicle_id), "START")
        assert (body["enode_vehicle_id"], body["enode_response"]["targetId"]) == (account.enode_id,) * 2
        assert (body["enode_response"]["id"], body["enode_response"]["state"]) == (make_action()["id"], "PENDING")


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_classic_routes_pass_on_enodes_refusal(pool, api, account, enode, status):
    enode.answer = lambda _: httpx.Response(status, json=REFUSAL)
    answer = await api.post(f"/api/charging/{account.enode_id}", json={"action": "START"})
    body = answer.json()
    assert (answer.status_code, body["detail"], body["enode_status"]) == (status, "It is full.", status)
    assert await list_used_calls(pool) == [0]


async def test_classic_route_returns_502_when_enode_does_not_answer(api, account, enode):
    enode.answer = lambda _: httpx.Response(500)
    assert (await api.post(f"/api/charging/{account.enode_id}", json={"action": "START"})).status_code == 502


async def test_classic_answer_shows_the_outcome_of_an_immediately_settled_command(api, account, enode):
    reason = {"type": "FAILED_PRECONDITION", "detail": "not plugged in"}
    enode.answer = lambda _: httpx.Response(200, json=make_action("CANCELLED", failureReason=reason))
    body = (await api.post(f"/api/charging/{account.enode_id}", json={"action": "START"})).json()["enode_response"]
    assert (body["state"], body["failureReason"]) == ("CANCELLED", reason)
    assert body["completedAt"] == body["updatedAt"]
