"""Cancel, current, refresh, relink, history and interventions: the real routes against the simulator of Enode."""

import asyncio
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from psycopg.types.json import Jsonb

from relay.bus.waker import FEED_CHANNEL, Waker
from relay.gateways.enode import EnodeConfig, EnodeProtocolError, open_enode
from relay.kit import problems
from relay.kit.jobs import JobQueue
from relay.kit.rate_limiter import RateLimiter
from relay.streams.hub import Hub
from relay.usecases.account import set_language
from relay.usecases.calls.runtime import Runtime
from relay.usecases.classic import account_and_vehicles, charging_commands
from relay.usecases.commands import command_routes, send_command
from relay.usecases.events.fetch_interventions import fetch_interventions
from relay.usecases.feed import account_and_vehicles as feed_account_and_vehicles
from relay.usecases.feed.reader import create_feed_reader
from relay.usecases.linking import relink_vehicle
from relay.usecases.vehicles import refresh_vehicle

ROOT = Path(__file__).parents[3]
ROUTERS = (
    account_and_vehicles,
    feed_account_and_vehicles,
    set_language,
    send_command,
    charging_commands,
    command_routes,
    refresh_vehicle,
    relink_vehicle,
)


@pytest.fixture(scope="module")
def simulator_url():
    command = [sys.executable, "-m", "demo.enode", "--port", "0", "--speed", "0", "--client-id", "me"]
    process = subprocess.Popen([*command, "--client-secret", "s3cret"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        yield next(word.rstrip(",") for word in process.stdout.readline().split() if word.startswith("http"))
        process.terminate()


@pytest.fixture
async def world(simulator_url):
    async with httpx.AsyncClient(base_url=simulator_url, trust_env=False) as http:
        yield http
        await http.delete("/_sim/faults")


@pytest.fixture
async def enode(simulator_url):
    config = EnodeConfig(
        base_url=simulator_url, auth_url=f"{simulator_url}/oauth2/token", client_id="me", client_secret="s3cret"
    )
    async with open_enode(config) as client:
        yield client


@pytest.fixture
async def runtime(pool, enode):
    async def later(**_arguments):
        await asyncio.sleep(0)

    jobs = JobQueue()
    jobs.register(send_command.CHECK_COMMAND_JOB, later)
    await jobs.open(pool)
    return Runtime(
        pool=pool,
        hub=Hub(create_feed_reader(pool)),
        feed_waker=Waker(pool, FEED_CHANNEL),
        jobs=jobs,
        enode=enode,
        version="test",
        public_url="https://relay.test",
    )


def client_of(runtime, account):
    app = FastAPI()
    app.state.runtime = runtime
    for it in ROUTERS:
        app.include_router(it.router)
    problems.install_handlers(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(
        transport=transport, base_url="http://relay/api/ha/v2", headers={"Authorization": account.header}
    )


@pytest.fixture
async def api(runtime, account):
    async with client_of(runtime, account) as client:
        yield client


class Car:
    """The account's car, which is one of the simulator's."""

    def __init__(self, pool, world, enode, account):
        self.pool, self.world, self.enode, self.account = pool, world, enode, account
        self.path = f"/vehicles/{account.vehicle_id}"

    async def look(self):
        """The relay knows what Enode knows."""
        reading = await self.enode.vehicles.get(self.account.enode_id)
        await self.execute("update vehicles set vehicle_cache = %s", Jsonb(dict(reading.vehicle)))

    async def becomes(self, **wish):
        (await self.world.post(f"/_sim/vehicles/{self.account.enode_id}", json=wish)).raise_for_status()
        await self.look()

    async def execute(self, statement, *values):
        async with self.pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def used(self):
        return sum(row[0] for row in await self.execute("select used from usage_months"))


@pytest.fixture
async def link_car(pool, world, enode, account):
    """Links a car of this vendor the way a person does, and gives it to the account."""

    async def link(vendor):
        user_id = str(uuid4())
        scopes = ("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging")
        session = await enode.links.create(
            user_id, scopes=scopes, language="en-US", redirect_uri="https://relay.test/x", vendor=vendor
        )
        for step in ("consent", "sign_in"):
            page = await world.get(session.url)
            cars = [part.split('"')[0] for part in page.text.split('name="car" value="')[1:]]
            await world.post(session.url, data={"step": step} | ({"car": cars} if cars else {}))
        account.enode_id = (await anext(enode.vehicles.list_for_user(user_id))).id
        car = Car(pool, world, enode, account)
        await car.execute("update vehicle_links set enode_vehicle_id = %s", account.enode_id)
        await car.becomes(activity="plug_in", battery_level=40)
        return car

    return link


@pytest.fixture
async def car(link_car):
    return await link_car("TESLA")


def kind_of(answer):
    return answer.status_code, answer.json()["type"].removeprefix("urn:evconduit:problem:")


async def test_the_current_is_limited_for_one_call(api, car):
    answer = await api.post(f"{car.path}/max-current", json={"amps": 10})
    command = answer.json()
    assert (answer.status_code, command["kind"], command["amps"], command["state"]) == (
        202,
        "MAX_CURRENT",
        10,
        "pending",
    )
    await car.world.post("/_sim/clock", json={"advance": 900})
    await car.look()
    (record,) = (await api.get("/vehicles")).json()["vehicles"]
    assert record["vehicle"]["chargeState"]["maxCurrent"] == 10
    assert record["command"]["amps"] == 10
    assert await car.used() == 2


async def test_a_car_that_cannot_limit_its_current_costs_nothing(api, link_car):
    car = await link_car("VOLKSWAGEN")
    answer = await api.post(f"{car.path}/max-current", json={"amps": 10})
    assert kind_of(answer) == (422, "command-refused")
    assert await car.used() == 0
    assert await car.execute("select count(*) from commands") == [(0,)]


@pytest.mark.parametrize("amps", [0, -1, 101, "much", None, "1e999"])
async def test_an_odd_current_is_refused_before_it_costs(api, car, amps):
    answer = await api.post(f"{car.path}/max-current", json={"amps": amps})
    assert kind_of(answer) == (422, "invalid-request")
    assert await car.used() == 0


async def test_one_key_asks_for_one_current(api, car):
    async def ask(amps):
        return await api.post(f"{car.path}/max-current", json={"amps": amps}, headers={"Idempotency-Key": "k"})

    first, again, other = await ask(10), await ask(10), await ask(12)
    assert first.json()["id"] == again.json()["id"]
    assert kind_of(other) == (422, "invalid-request")
    assert await car.used() == 1


async def test_a_command_is_given_up_and_stays_as_it_ended(api, car):
    command = (await api.post(f"{car.path}/charging", json={"action": "START"})).json()
    cancelled = await api.post(f"/commands/{command['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert cancelled.json()["reason"]["type"] == "REQUESTED_CANCELLATION"
    assert (await api.post(f"/commands/{command['id']}/cancel")).json() == cancelled.json()
    kinds = await car.execute("select kind from transitions")
    assert kinds == [("command_settled",)]
    assert await car.used() == 1


async def test_what_enode_has_settled_meanwhile_is_told_instead_of_a_cancellation(api, car):
    command = (await api.post(f"{car.path}/charging", json={"action": "START"})).json()
    await car.world.post("/_sim/clock", json={"advance": 300})
    answer = await api.post(f"/commands/{command['id']}/cancel")
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "confirmed", None)


async def test_a_command_that_enode_does_not_answer_for_cannot_be_cancelled_yet(api, car, account):
    command_id = uuid4()
    await car.execute(
        "insert into commands (id, user_id, vehicle_id, kind) values (%s, %s, %s, 'START')",
        *(command_id, account.user_id, account.vehicle_id),
    )
    answer = await api.post(f"/commands/{command_id}/cancel")
    assert kind_of(answer) == (409, "not-sent")
    assert answer.headers["Retry-After"]
    assert answer.json()["command"]["state"] == "sending"


async def test_somebody_else_s_command_car_and_link_are_not_found(runtime, api, car, make_account):
    command = (await api.post(f"{car.path}/charging", json={"action": "START"})).json()
    async with client_of(runtime, await make_account()) as stranger:
        for method, path in (
            ("POST", f"/commands/{command['id']}/cancel"),
            ("GET", f"{car.path}/commands"),
            ("POST", f"{car.path}/refresh"),
            ("POST", f"{car.path}/relink"),
            ("POST", "/vehicles/%00/refresh"),
        ):
            assert kind_of(await stranger.request(method, path)) == (404, "not-found"), path


async def test_a_key_that_may_only_read_moves_nothing(runtime, make_account):
    reader = await make_account(scopes=("read",))
    async with client_of(runtime, reader) as client:
        for path in (f"/commands/{uuid4()}/cancel", *(f"/vehicles/x/{it}" for it in ("refresh", "relink"))):
            assert kind_of(await client.post(path)) == (403, "forbidden")
        assert kind_of(await client.patch("/account", json={"language": "de"})) == (403, "forbidden")
        assert (await client.get(f"/vehicles/{reader.vehicle_id}/commands")).json() == {"commands": []}


async def test_history_is_the_newest_first_and_bounded(api, car):
    for action in ("START", "STOP", "START"):
        await api.post(f"{car.path}/charging", json={"action": action})
    commands = (await api.get(f"{car.path}/commands", params={"limit": 2})).json()["commands"]
    assert [it["kind"] for it in commands] == ["START", "STOP"]
    assert len((await api.get(f"/vehicles/{car.account.enode_id}/commands")).json()["commands"]) == 3
    for limit in (0, 101, "many"):
        assert kind_of(await api.get(f"{car.path}/commands", params={"limit": limit})) == (422, "invalid-request")


async def test_a_car_is_refreshed_once_in_five_minutes_however_many_ask(api, car):
    answers = await asyncio.gather(*(api.post(f"{car.path}/refresh") for _ in range(8)))
    (done,) = [it for it in answers if it.status_code == 202]
    assert done.json()["refreshed"] is True
    for refused in (it for it in answers if it is not done):
        assert kind_of(refused) == (429, "too-many-requests")
        assert 0 < int(refused.headers["Retry-After"]) <= 300
        assert refused.json()["again_at"] == done.json()["again_at"]
    await car.execute("update vehicles set refreshed_at = refreshed_at - interval '5 minutes'")
    assert (await api.post(f"{car.path}/refresh")).status_code == 202
    assert await car.used() == 0


async def test_a_refresh_that_enode_did_not_take_does_not_use_the_turn_up(api, car, runtime):
    await car.execute("update vehicle_links set enode_vehicle_id = 'gone'")
    assert kind_of(await api.post(f"{car.path}/refresh")) == (404, "not-found")
    await car.execute("update vehicle_links set enode_vehicle_id = %s", car.account.enode_id)
    assert (await api.post(f"{car.path}/refresh")).status_code == 202


async def test_a_page_to_renew_a_link_is_handed_out_while_it_is_broken(api, car):
    assert kind_of(await api.post(f"{car.path}/relink")) == (409, "not-broken")
    await car.becomes(credentials_valid=False)
    answer = await api.post(f"{car.path}/relink")
    assert answer.status_code == 200
    assert set(answer.json()) == {"url", "expires_at"}
    assert answer.json()["url"].startswith("https://relay.test/link/")  # the rest of the way: linking/
    await car.becomes(credentials_valid=True)
    assert kind_of(await api.post(f"{car.path}/relink")) == (409, "not-broken")


async def test_interventions_are_fetched_told_and_kept(api, car, runtime):
    async def shown():
        (record,) = (await api.get("/vehicles")).json()["vehicles"]
        return record

    assert (await shown())["interventions"] == []
    await car.becomes(credentials_valid=False)
    assert await fetch_interventions(runtime) == 1
    first = await shown()
    (intervention,) = first["interventions"]
    assert set(intervention) == {"id", "title", "description", "access", "agent", "action"}
    assert (intervention["title"], intervention["action"]) == ("Sign in again", "Link")
    assert first["revision"] == (await car.execute("select seq from feeds"))[0][0] == 1
    assert await fetch_interventions(runtime) == 0
    await car.execute("update interventions set fetched_at = now() - interval '25 hours'")
    assert await fetch_interventions(runtime) == 0  # asked again, nothing new
    assert (await shown())["revision"] == 1
    await car.becomes(credentials_valid=True)
    assert (await shown())["interventions"] == []


async def test_an_intervention_that_enode_does_not_know_is_not_shown_and_not_asked_for_all_the_time(api, car, runtime):
    named = {"capabilities": {"chargeState": {"isCapable": False, "interventionIds": ["nobody's", "../x", 7, None]}}}
    await car.execute("update vehicles set vehicle_cache = %s", Jsonb(named))
    await fetch_interventions(runtime)
    (record,) = (await api.get("/vehicles")).json()["vehicles"]
    assert record["interventions"] == []
    assert {row[0] for row in await car.execute("select id from interventions where payload is null")} >= {
        "nobody's",
        "../x",
    }
    assert await fetch_interventions(runtime) == 0


async def test_an_intervention_that_enode_tells_in_another_shape_keeps_no_other_waiting(api, car, runtime, monkeypatch):
    asked = []

    async def get(_self, intervention_id, *, language=None):
        asked.append(intervention_id)
        raise EnodeProtocolError("GET /interventions/{}", fault="no id")

    monkeypatch.setattr("relay.gateways.enode.interventions.Interventions.get", get)
    named = {"capabilities": {"chargeState": {"isCapable": False, "interventionIds": ["one", "two"]}}}
    await car.execute("update vehicles set vehicle_cache = %s", Jsonb(named))
    for _ in range(2):
        assert await fetch_interventions(runtime) == 0
    assert sorted(asked) == ["one", "two"]


async def test_a_language_is_the_nearest_of_enode_s_and_interventions_follow(api, car, runtime):
    await car.becomes(credentials_valid=False)
    await fetch_interventions(runtime)
    answer = await api.patch("/account", json={"language": "de-AT"})
    assert answer.json()["language"] == (await api.get("/account")).json()["language"] == "de-DE"
    (record,) = (await api.get("/vehicles")).json()["vehicles"]
    assert len(record["interventions"]) == 1  # in English until there is a German one
    assert record["revision"] == 2
    assert await fetch_interventions(runtime) == 1
    languages = await car.execute("select language from interventions order by 1")
    assert languages == [("de-DE",), ("en-US",)]


@pytest.mark.parametrize("body", [{}, {"language": ""}, {"language": "no language"}, {"language": 7}])
async def test_what_is_no_language_is_refused(api, account, body):
    assert kind_of(await api.patch("/account", json=body)) == (422, "invalid-request")


async def pause(car, value):
    await car.execute(
        "insert into settings (key, value) values ('commands_paused', %s)"
        " on conflict (key) do update set value = excluded.value",
        Jsonb(value),
    )


async def test_paused_commands_are_refused_and_cost_nothing_and_the_rest_goes_on(api, car, account):
    await pause(car, value=True)
    for path, body in (("charging", {"action": "START"}), ("max-current", {"amps": 10})):
        answer = await api.post(f"{car.path}/{path}", json=body)
        assert kind_of(answer) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    classic = await api.post(f"http://relay/api/ha/charging/{account.vehicle_id}", json={"action": "START"})
    assert classic.status_code == 503
    assert (await car.used(), await car.execute("select count(*) from commands")) == (0, [(0,)])
    assert (await api.get("/vehicles")).status_code == 200
    await pause(car, value=False)
    assert (await api.post(f"{car.path}/charging", json={"action": "START"})).status_code == 202


async def test_the_classic_status_is_corrected_too(api, car, account):
    await car.execute("update vehicles set corrected = %s", Jsonb({"chargeState": {"isPluggedIn": True}}))
    status = (await api.get(f"http://relay/api/status/{account.vehicle_id}")).json()
    assert (status["isPluggedIn"], status["chargeState"]) == (True, {"isPluggedIn": True})


async def test_free_calls_are_limited_by_the_minute(runtime, api, account):
    object.__setattr__(runtime, "bursts", RateLimiter(per_minute=2))
    path = f"/commands/{UUID(int=0)}"
    assert [(await api.get(path)).status_code for _ in range(3)] == [404, 404, 429]
