"""Commands through the public routes, with the real gateway on an Enode that answers as each test says."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from relay.bus.waker import FEED_CHANNEL, Waker
from relay.gateways.enode import Clock, EnodeClient, EnodeConfig
from relay.kit import problems
from relay.kit.jobs import JobQueue
from relay.streams.hub import Hub
from relay.usecases.calls.runtime import Runtime
from relay.usecases.classic import charging_commands
from relay.usecases.commands import command_routes, send_command
from relay.usecases.commands.check_outcome import check_command, check_stale_commands
from relay.usecases.commands.send_command import CHECK_DELAYS
from relay.usecases.commands.update_state import CommandOutcome, record_command_outcome
from relay.usecases.feed.reader import create_feed_reader
from tests.relay.support.plans import CLOUD

TOKEN = {"access_token": "t", "expires_in": 3599, "scope": "", "token_type": "bearer"}
REFUSAL = {"type": "https://developers.enode.com/api/problems/bad-request", "title": "No", "detail": "It is full."}


def action(state="PENDING", **members):
    settled = None if state == "PENDING" else "2026-11-23T12:00:00.000Z"
    return {
        "id": "11111111-1111-4111-8111-111111111111",
        "userId": "u",
        "targetId": "v",
        "targetType": "vehicle",
        "kind": "START",
        "state": state,
        "createdAt": "2026-11-23T12:00:00.000Z",
        "updatedAt": "2026-11-23T12:00:00.000Z",
        "completedAt": settled,
        "failureReason": None,
        **members,
    }


class Enode:
    """Answers the charging call as told; a double for what the outside world may do."""

    def __init__(self):
        self.answer = lambda _request: httpx.Response(200, json=action())
        self.asked = []

    def handle(self, request):
        if request.url.path == "/token":
            return httpx.Response(200, json=TOKEN)
        self.asked.append((request.method, request.url.path, request.content))
        return self.answer(request)


@pytest.fixture
def enode():
    return Enode()


@pytest.fixture
async def runtime(pool, enode):
    async def no_wait(_seconds):
        await asyncio.sleep(0)

    config = EnodeConfig(base_url="http://enode", auth_url="http://enode/token", client_id="i", client_secret="s")
    async with httpx.AsyncClient(transport=httpx.MockTransport(enode.handle)) as http:
        jobs = JobQueue()
        jobs.register(send_command.CHECK_COMMAND_JOB, no_wait)
        await jobs.open(pool)
        client = EnodeClient(http, config, clock=Clock(sleep=no_wait))
        yield Runtime(
            pool=pool,
            hub=Hub(create_feed_reader(pool)),
            feed_waker=Waker(pool, FEED_CHANNEL),
            jobs=jobs,
            enode=client,
            version="test",
            plans=CLOUD,
        )


@pytest.fixture
async def api(runtime, account):
    app = FastAPI()
    app.state.runtime = runtime
    app.include_router(send_command.router)
    app.include_router(charging_commands.router)
    app.include_router(command_routes.router)
    problems.install_handlers(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": account.header}
    async with httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client:
        yield client


@pytest.fixture
def start(api, account):
    async def post(**headers):
        url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
        return await api.post(url, json={"action": "START"}, headers=headers)

    return post


async def fetch(pool, statement, *values):
    async with pool.connection() as connection:
        return await (await connection.execute(statement, values)).fetchall()


async def used(pool):
    return [row[0] for row in await fetch(pool, "select used from usage_months")]


async def test_accepted_command_is_pending_and_costs_one_call(pool, account, enode, start):
    answer = await start()
    command = answer.json()
    assert answer.status_code == 202
    assert (command["state"], command["kind"], command["reason"], command["settled_at"]) == (
        "pending",
        "START",
        None,
        None,
    )
    assert enode.asked == [("POST", f"/vehicles/{account.enode_id}/charging", b'{"action": "START"}')]
    assert await used(pool) == [1]


async def test_each_step_of_a_command_advances_the_feed(pool, account, start):
    await start()
    # Once when it was written, once when Enode took it.
    assert await fetch(pool, "select revision from vehicles") == [(2,)]
    assert await fetch(pool, "select seq from feeds where user_id = %s", account.user_id) == [(2,)]


async def test_refusal_returns_enodes_text_and_is_not_charged(pool, enode, start):
    enode.answer = lambda _: httpx.Response(400, json=REFUSAL)
    answer = await start()
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:evconduit:problem:command-refused")
    assert problem["reason"] == {"type": "FAILED_PRECONDITION", "detail": "It is full."}
    assert problem["enode_status"] == 400
    assert problem["command"]["state"] == "failed"
    assert problem["command"]["settled_at"]
    assert await used(pool) == [0]
    assert await fetch(pool, "select kind from transitions") == [("command_settled",)]


async def test_immediately_cancelled_action_is_an_outcome_and_no_error(enode, start):
    reason = {"type": "FAILED_PRECONDITION", "detail": "not plugged in"}
    enode.answer = lambda _: httpx.Response(200, json=action("CANCELLED", failureReason=reason))
    answer = await start()
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (202, "cancelled", reason)


async def test_command_fails_free_of_charge_when_enode_is_unreachable(pool, enode, start):
    def unreachable(_request):
        raise httpx.ConnectError("no route")

    enode.answer = unreachable
    answer = await start()
    assert (answer.status_code, answer.json()["command"]["state"]) == (502, "failed")
    assert await used(pool) == [0]


async def test_command_stays_open_when_enode_does_not_answer(pool, enode, start):
    def silent(_request):
        raise httpx.ReadTimeout("…")

    enode.answer = silent
    answer = await start()
    assert (answer.status_code, answer.json()["command"]["state"]) == (502, "sending")
    assert len(enode.asked) == 1, "a command is never sent again blindly"
    assert await used(pool) == [1]


async def test_repeated_idempotency_key_returns_the_same_command(pool, enode, start):
    first, again = await start(**{"Idempotency-Key": "k"}), await start(**{"Idempotency-Key": "k"})
    assert first.json() == again.json()
    assert len(enode.asked) == 1
    assert await used(pool) == [1]


async def test_repeating_the_request_that_used_the_last_call_returns_its_command(pool, enode, start, api, account):
    await fetch(pool, "update users set plan = 'free' returning id")
    first = await start(**{"Idempotency-Key": "k"})
    await fetch(pool, "update usage_months set used = 300 returning used")
    again = await start(**{"Idempotency-Key": "k"})
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["RateLimit"].startswith('"month";r=0;')
    assert (await start(**{"Idempotency-Key": "another"})).status_code == 429
    url = f"/api/ha/v2/vehicles/{account.enode_id}/charging"
    other = await api.post(url, json={"action": "STOP"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 422
    assert len(enode.asked) == 1
    assert await used(pool) == [300]


async def test_idempotency_key_of_another_command_returns_422(api, account, start):
    await start(**{"Idempotency-Key": "k"})
    url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
    answer = await api.post(url, json={"action": "STOP"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422


@pytest.mark.parametrize("body", [b"", b"{", b'{"action": "BURN"}', b"[]", b'{"action": null}', b"\xff"])
async def test_invalid_body_returns_422_without_side_effects(pool, enode, api, account, body):
    answer = await api.post(f"/api/ha/v2/vehicles/{account.vehicle_id}/charging", content=body)
    assert answer.status_code == 422
    assert (enode.asked, await used(pool)) == ([], [])


async def test_foreign_vehicles_and_commands_return_404(api, make_account, start):
    other = await make_account()
    command = (await start()).json()["id"]
    charging = await api.post(f"/api/ha/v2/vehicles/{other.vehicle_id}/charging", json={"action": "STOP"})
    foreign = await api.get(f"/api/ha/v2/commands/{command}", headers={"Authorization": other.header})
    unknown = await api.get(f"/api/ha/v2/commands/{uuid4()}")
    assert {charging.status_code, foreign.status_code, unknown.status_code} == {404}
    assert foreign.json() == unknown.json()


async def test_getting_a_command_is_free(pool, api, start):
    command = (await start()).json()
    assert (await api.get(f"/api/ha/v2/commands/{command['id']}")).json() == command
    assert await used(pool) == [1]


async def test_classic_routes_answer_in_the_classic_shape(api, account):
    for path in ("charging", "ha/charging"):
        answer = await api.post(f"/api/{path}/{account.enode_id}", json={"action": "START"})
        body = answer.json()
        assert answer.status_code == 200
        assert (body["status"], body["vehicle_id"], body["action"]) == ("success", str(account.vehicle_id), "START")
        assert (body["enode_vehicle_id"], body["enode_response"]["targetId"]) == (account.enode_id,) * 2
        assert (body["enode_response"]["id"], body["enode_response"]["state"]) == (action()["id"], "PENDING")


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_classic_routes_pass_on_enodes_refusal(pool, api, account, enode, status):
    enode.answer = lambda _: httpx.Response(status, json=REFUSAL)
    answer = await api.post(f"/api/charging/{account.enode_id}", json={"action": "START"})
    told = answer.json()
    assert (answer.status_code, told["detail"], told["enode_status"]) == (status, "It is full.", status)
    assert await used(pool) == [0]


async def test_classic_route_returns_502_when_enode_does_not_answer(api, account, enode):
    enode.answer = lambda _: httpx.Response(500)
    assert (await api.post(f"/api/charging/{account.enode_id}", json={"action": "START"})).status_code == 502


async def test_classic_answer_shows_the_outcome_of_an_immediately_settled_command(api, account, enode):
    reason = {"type": "FAILED_PRECONDITION", "detail": "not plugged in"}
    enode.answer = lambda _: httpx.Response(200, json=action("CANCELLED", failureReason=reason))
    told = (await api.post(f"/api/charging/{account.enode_id}", json={"action": "START"})).json()["enode_response"]
    assert (told["state"], told["failureReason"]) == ("CANCELLED", reason)
    assert told["completedAt"] == told["updatedAt"]


async def test_command_is_committed_together_with_its_first_check(pool, start):
    command = (await start()).json()
    ((task, arguments),) = await fetch(pool, "select task_name, args from procrastinate.procrastinate_jobs")
    assert (task, arguments) == ("check_command", {"command_id": command["id"], "number": 0})


async def test_check_settles_a_command_that_the_webhook_did_not_settle(runtime, api, enode, start):
    command = (await start()).json()
    enode.answer = lambda _: httpx.Response(200, json=action("CONFIRMED"))
    await check_command(runtime, UUID(command["id"]), 0)
    settled = (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()
    assert (settled["state"], settled["settled_at"]) == ("confirmed", "2026-11-23T12:00:00.000Z")


async def test_open_command_is_unknown_after_the_last_check(runtime, api, start):
    command = (await start()).json()
    for number in range(len(CHECK_DELAYS)):
        await check_command(runtime, UUID(command["id"]), number)
    settled = (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()
    assert (settled["state"], settled["reason"]["type"]) == ("unknown", "UNKNOWN")


async def test_check_of_a_pending_action_schedules_the_next_check(pool, runtime, start):
    command = (await start()).json()
    await check_command(runtime, UUID(command["id"]), 0)
    jobs = await fetch(pool, "select args from procrastinate.procrastinate_jobs order by id")
    assert [job[0]["number"] for job in jobs] == [0, 1]


@pytest.mark.parametrize(("said", "ended"), [("CONFIRMED", "confirmed"), ("PENDING", "unknown")])
async def test_command_is_settled_although_its_check_died_with_the_worker(
    pool, runtime, api, *, enode, start, said, ended
):
    old, young = (await start()).json(), (await start()).json()
    enode.answer = lambda _: httpx.Response(200, json=action(said))
    # As SIGKILL leaves it: being done, by nobody, for ever.
    await fetch(pool, "update procrastinate.procrastinate_jobs set status = 'doing' returning id")
    await fetch(
        pool, "update commands set requested_at = now() - interval '1 hour' where id = %s returning id", old["id"]
    )
    assert await check_stale_commands(runtime) == 1
    assert await check_stale_commands(runtime) == 0
    states = [(await api.get(f"/api/ha/v2/commands/{it['id']}")).json()["state"] for it in (old, young)]
    assert states == [ended, "pending"]


@pytest.mark.parametrize("late", ["pending", "failed", "unknown"])
async def test_settled_command_never_changes(pool, api, start, late):
    command = (await start()).json()
    async with pool.connection() as connection:
        assert await record_command_outcome(connection, UUID(command["id"]), CommandOutcome(state="confirmed"))
        assert not await record_command_outcome(connection, UUID(command["id"]), CommandOutcome(state=late))
    assert (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()["state"] == "confirmed"


async def test_later_outcome_replaces_unknown(pool, start):
    command = (await start()).json()
    async with pool.connection() as connection:
        await record_command_outcome(connection, UUID(command["id"]), CommandOutcome.unknown("…"))
        assert await record_command_outcome(connection, UUID(command["id"]), CommandOutcome(state="confirmed"))
    assert await fetch(pool, "select state, reason from commands") == [("confirmed", None)]


async def test_enodes_answer_is_stored_when_the_client_disconnects(pool, enode, api, account):
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request):
        reached.set()
        await go_on.wait()
        return httpx.Response(200, json=action())

    enode.answer = slow
    url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
    asking = asyncio.create_task(api.post(url, json={"action": "START"}))
    await reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go_on.set()
    async with asyncio.timeout(10):
        while await fetch(pool, "select state from commands") != [("pending",)]:
            await asyncio.sleep(0.01)
