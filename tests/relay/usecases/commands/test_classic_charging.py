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


@pytest.mark.parametrize("path", ["charging", "ha/charging"])
@pytest.mark.parametrize("state", ["CANCELLED", "FAILED"])
@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        ({"type": "FAILED_PRECONDITION", "detail": "The vehicle is not plugged in."}, "The vehicle is not plugged in."),
        ({"type": "UNNECESSARY", "detail": "It is full."}, "It is full."),
        ({"type": "NO_RESPONSE", "detail": ""}, "Enode gave no reason."),
        (None, "Enode gave no reason."),
    ],
)
async def test_command_that_enode_ends_at_once_is_no_success(pool, api, account, enode, *, path, state, reason, detail):
    enode.answer = lambda _: httpx.Response(200, json=make_action(state, failureReason=reason))
    answer = await api.post(f"/api/{path}/{account.enode_id}", json={"action": "START"})
    body = answer.json()
    assert (answer.status_code, body["type"]) == (422, "urn:evconduit:problem:command-refused")
    assert (body["detail"], body["reason"]) == (detail, reason)
    assert (body["command"]["state"], body["enode_response"]["state"]) == (state.lower(), state)
    assert body["enode_response"]["completedAt"] == body["enode_response"]["updatedAt"]
    assert await list_used_calls(pool) == [0]


async def test_confirmed_command_is_a_success(pool, api, account, enode):
    enode.answer = lambda _: httpx.Response(200, json=make_action("CONFIRMED"))
    answer = await api.post(f"/api/charging/{account.enode_id}", json={"action": "START"})
    assert (answer.status_code, answer.json()["enode_response"]["state"]) == (200, "CONFIRMED")
    assert await list_used_calls(pool) == [1]
