"""The client against the simulator of Enode (demo/enode): another program, that knows nothing of this one."""

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from relay.gateways.enode import (
    ActionKind,
    DeliveryHeader,
    EnodeConfig,
    EnodeCredentialsRefused,
    EnodeNotFound,
    EnodeRefused,
    EnodeUnavailable,
    RetryPolicy,
    VendorStatus,
    open_enode,
)

ROOT = Path(__file__).parents[3]
SCOPES = ("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging")
HOME = "https://relay.test/link-callback?state=s1"
SECRET = "0123456789abcdef"


@pytest.fixture(scope="module")
def simulator_url():
    command = [sys.executable, "-m", "demo.enode", "--port", "0", "--speed", "0", "--client-id", "me"]
    process = subprocess.Popen([*command, "--client-secret", "s3cret"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        announcement = process.stdout.readline()
        yield next(word.rstrip(",") for word in announcement.split() if word.startswith("http"))
        process.terminate()


@pytest.fixture
def sim_config(simulator_url):
    return EnodeConfig(
        base_url=simulator_url, auth_url=f"{simulator_url}/oauth2/token", client_id="me", client_secret="s3cret"
    )


@pytest.fixture
async def live(sim_config):
    async with open_enode(sim_config) as client:
        yield client


@pytest.fixture
async def world(simulator_url):
    """The simulator's control surface and link pages."""
    async with httpx.AsyncClient(base_url=simulator_url, trust_env=False) as http:
        yield http
        await http.delete("/_sim/faults")


@pytest.fixture
def link(live, world):
    """Links the car of a vendor to a user the way a person does; returns where the person ends up."""

    async def go(user_id, vendor="TESLA", *steps):
        session = await live.links.create(user_id, scopes=SCOPES, language="en-US", redirect_uri=HOME, vendor=vendor)
        return await walk(world, session.url, *(steps or ({"step": "consent"}, {"step": "sign_in"})))

    return go


async def walk(world, url, *steps):
    for step in steps:
        page = await world.get(url)
        assert page.status_code == 200
        cars = [part.split('"')[0] for part in page.text.split('name="car" value="')[1:]]
        answer = await world.post(url, data=step | ({"car": cars} if cars else {}))
    return answer.headers["location"]


@pytest.fixture
async def car(live, link, world, request):
    """A vehicle, plugged in and not charging, of a user that is this test's own."""
    user_id = f"user of {request.node.name}"
    await link(user_id)
    reading = await anext(live.vehicles.list_for_user(user_id))
    await world.post(f"/_sim/vehicles/{reading.id}", json={"activity": "plug_in", "battery_level": 40})
    return (await live.vehicles.get(reading.id)).vehicle


async def fault(world, **wish):
    (await world.post("/_sim/faults", json=wish)).raise_for_status()


async def pass_time(world, seconds):
    (await world.post("/_sim/clock", json={"advance": seconds})).raise_for_status()


async def test_a_wrong_secret_is_refused(sim_config):
    async with open_enode(replace(sim_config, client_secret="wrong")) as client:
        with pytest.raises(EnodeCredentialsRefused):
            await client.health.list_vehicle_vendors()


async def test_enode_is_ready_and_names_its_vendors(live):
    assert await live.health.is_ready()
    vendors = {found.vendor: found for found in await live.health.list_vehicle_vendors()}
    assert vendors["TESLA"].status is VendorStatus.READY
    assert vendors["TESLA"].display_name


async def test_a_car_is_linked_through_the_page_and_read(live, link):
    before = datetime.now(UTC) - timedelta(seconds=2)
    with pytest.raises(EnodeNotFound):
        await live.users.get("Anna Ö")
    assert await link("Anna Ö") == HOME
    user = await live.users.get("Anna Ö")
    assert [(found.vendor, found.is_valid) for found in user.linked_vendors] == [("TESLA", True)]

    readings = [reading async for reading in live.vehicles.list_for_user("Anna Ö")]
    assert readings
    for reading in readings:
        assert reading.user_id == "Anna Ö"
        assert before <= reading.as_of <= datetime.now(UTC)
        assert (await live.vehicles.get(reading.id)).vehicle == reading.vehicle
    assert {reading.id for reading in readings} <= {reading.id async for reading in live.vehicles.list_all()}


async def test_who_leaves_the_page_early_comes_back_with_an_error(link):
    assert "error=cancelledByUser" in await link("leaver", "TESLA", {"step": "cancel"})


async def test_an_invalid_link_session_is_refused_in_enodes_words(live):
    with pytest.raises(EnodeRefused) as caught:
        await live.links.create("u", scopes=["vehicle:control:charging"], language="en-US", redirect_uri=HOME)
    assert caught.value.problem.slug == "bad-request"
    assert caught.value.problem.title


async def test_lists_longer_than_a_page_are_read_whole(live):
    ids = {f"one of many {number}" for number in range(60)}
    for user_id in ids:
        await live.links.create(user_id, scopes=SCOPES, language="en-US", redirect_uri=HOME)
    assert ids <= {user.id async for user in live.users.list()}


async def test_hostile_ids_meet_nothing_but_not_found(live):
    for hostile in ("../health/ready", "a/vehicles", "?pageSize=1", "%2e%2e", "x#y", "\x00", "🚗"):
        with pytest.raises(EnodeNotFound):
            await live.vehicles.get(hostile)


async def test_charging_is_started_confirmed_and_stopped(live, world, car):
    action = await live.vehicles.control_charging(car["id"], ActionKind.START)
    assert (action.state, action.kind, action.target_id) == ("PENDING", ActionKind.START, car["id"])
    assert await live.vehicles.control_charging(car["id"], ActionKind.START) == action  # the same one, as it is pending
    await pass_time(world, 900)
    settled = await live.actions.get(action.id)
    assert settled.state == "CONFIRMED"
    assert settled.completed_at >= action.created_at
    assert (await live.vehicles.get(car["id"])).vehicle["chargeState"]["isCharging"] is True
    with pytest.raises(EnodeRefused) as caught:
        await live.vehicles.control_charging(car["id"], ActionKind.START)
    assert (caught.value.problem.status, caught.value.is_outcome_unknown) == (400, False)
    assert (await live.vehicles.control_charging(car["id"], ActionKind.STOP)).state == "PENDING"
    assert await live.actions.cancel(action.id) == settled  # a 409 whose body is the settled action


async def test_an_action_is_cancelled(live, car):
    action = await live.vehicles.control_charging(car["id"], ActionKind.START)
    cancelled = await live.actions.cancel(action.id)
    assert (cancelled.id, cancelled.state) == (action.id, "CANCELLED")
    assert cancelled.failure_reason.type == "REQUESTED_CANCELLATION"


async def test_a_car_that_is_not_plugged_in_gets_an_action_that_is_cancelled_at_once(live, world, car):
    await world.post(f"/_sim/vehicles/{car['id']}", json={"activity": "park"})
    action = await live.vehicles.control_charging(car["id"], ActionKind.START)
    assert (action.state, action.failure_reason.type) == ("CANCELLED", "FAILED_PRECONDITION")


async def test_what_is_unknown_is_not_found(live):
    unknown = "00000000-0000-4000-8000-000000000000"
    for call in (
        live.vehicles.get(unknown),
        live.vehicles.send_refresh_hint(unknown),
        live.vehicles.control_charging(unknown, ActionKind.STOP),
        live.actions.get(unknown),
        live.actions.cancel(unknown),
        live.webhooks.get(unknown),
        live.webhooks.delete(unknown),
        live.interventions.get(unknown),
    ):
        with pytest.raises(EnodeNotFound):
            await call
    assert [reading async for reading in live.vehicles.list_for_user(unknown)] == []


async def test_a_command_that_a_failing_enode_may_have_taken_is_unknown_and_not_repeated(live, world, car):
    await fault(world, method="POST", path="/vehicles/*/charging", times=1, status=503)
    with pytest.raises(EnodeUnavailable) as caught:
        await live.vehicles.control_charging(car["id"], ActionKind.START)
    assert caught.value.is_outcome_unknown
    assert (await world.get("/_sim/faults")).json() == []
    assert (await live.vehicles.control_charging(car["id"], ActionKind.START)).state == "PENDING"


async def test_a_command_that_takes_too_long_is_unknown(sim_config, world, car):
    await fault(world, method="POST", path="/vehicles/*/charging", times=1, delay=1)
    hasty = replace(sim_config, read_timeout=timedelta(seconds=0.1))
    async with open_enode(hasty) as client:
        with pytest.raises(EnodeUnavailable) as caught:
            await client.vehicles.control_charging(car["id"], ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == ("no answer in time", True)


@pytest.mark.parametrize("trouble", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "0"}}], ids=str)
async def test_a_reading_survives_a_passing_trouble(sim_config, world, car, trouble):
    await fault(world, method="GET", path="/vehicles/*", times=2, **trouble)
    quick = replace(sim_config, retry=RetryPolicy(initial_delay=timedelta(milliseconds=10)))
    async with open_enode(quick) as client:
        assert (await client.vehicles.get(car["id"])).vehicle == car


async def test_a_token_that_dies_early_is_replaced(live, world, car):
    await fault(world, method="GET", path="/vehicles/*", times=1, status=401)
    assert (await live.vehicles.get(car["id"])).vehicle == car


async def test_dead_credentials_show_as_intervention_and_are_mended_by_relinking(live, world, car):
    await live.vehicles.send_refresh_hint(car["id"])
    with pytest.raises(EnodeRefused):
        await live.links.relink(car["id"], language="en-US", redirect_uri=HOME)
    await world.post(f"/_sim/vehicles/{car['id']}", json={"credentials_valid": False})
    assert [found.is_valid for found in (await live.users.get(car["userId"])).linked_vendors] == [False]
    broken = (await live.vehicles.get(car["id"])).vehicle
    (intervention_id, *_) = broken["capabilities"]["chargeState"]["interventionIds"]
    intervention = await live.interventions.get(intervention_id, language="en-US")
    assert intervention in await live.interventions.list(language="en-US")
    assert (intervention.action, bool(intervention.title)) == ("Link", True)

    session = await live.links.relink(car["id"], language="en-US", redirect_uri=HOME)
    assert await walk(world, session.url, {"step": "sign_in"}) == HOME
    assert [found.is_valid for found in (await live.users.get(car["userId"])).linked_vendors] == [True]


async def test_a_vendor_is_disconnected_and_a_user_deleted(live, car):
    await live.users.disconnect_vendor(car["userId"], "TESLA")
    with pytest.raises(EnodeNotFound):
        await live.vehicles.get(car["id"])
    assert (await live.users.get(car["userId"])).linked_vendors == ()
    await live.users.delete(car["userId"])
    with pytest.raises(EnodeNotFound):
        await live.users.get(car["userId"])


@pytest.fixture
async def receiver():
    """An address that takes deliveries; they come out of its queue as (headers, body)."""
    deliveries = asyncio.Queue()

    async def handle(reader, writer):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        deliveries.put_nowait((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/enode", deliveries


async def test_a_webhook_subscription_lives_from_creation_to_deletion(live, receiver):
    url, deliveries = receiver
    made = await live.webhooks.create(url=url, secret=SECRET, header=DeliveryHeader(name="x-relay", value="home"))
    assert (made.url, made.events, made.is_active, made.api_version) == (url, ("*",), True, "2024-10-01")
    assert made.header_name == "x-relay"
    with pytest.raises(EnodeRefused):
        await live.webhooks.create(url=url, secret=SECRET)

    outcome = await live.webhooks.test(made.id)
    assert (outcome.succeeded, outcome.response_status) == (True, 204)
    headers, body = await deliveries.get()
    assert [event["event"] for event in json.loads(body)] == ["enode:webhook:test"]
    assert headers["x-relay"] == "home"
    signature = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    assert headers["x-enode-signature"] == f"sha1={signature}"

    changed = await live.webhooks.update(made.id, events=["user:vehicle:updated"], header=None)
    assert (changed.events, changed.header_name) == (("user:vehicle:updated",), None)
    assert (await live.webhooks.get(made.id)).events == changed.events
    assert made.id in {found.id async for found in live.webhooks.list()}
    await live.webhooks.delete(made.id)
    assert made.id not in {found.id async for found in live.webhooks.list()}


async def test_a_test_of_an_address_where_nobody_is_fails_as_a_value(live, unused_tcp_port):
    made = await live.webhooks.create(url=f"http://127.0.0.1:{unused_tcp_port}/", secret=SECRET)
    outcome = await live.webhooks.test(made.id)
    assert (outcome.succeeded, outcome.response_status) == (False, None)
    await live.webhooks.delete(made.id)


async def test_the_outcome_of_a_command_arrives_as_the_action_that_the_client_reads(live, world, car, receiver):
    url, deliveries = receiver
    made = await live.webhooks.create(url=url, secret=SECRET, events=["user:vendor-action:updated"])
    asked = await live.vehicles.control_charging(car["id"], ActionKind.START)
    await pass_time(world, 900)
    told = []
    while not any(action["state"] == "CONFIRMED" for action in told):
        _, body = await deliveries.get()
        told += [event["vendorAction"] for event in json.loads(body)]
    await live.webhooks.delete(made.id)
    settled = type(asked).from_json(told[-1], "webhook")
    assert (settled.id, settled.state, settled.target_id) == (asked.id, "CONFIRMED", car["id"])
