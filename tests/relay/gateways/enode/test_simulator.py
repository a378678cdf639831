"""The client against the simulator of Enode (demo/enode), an independent program that shares no code with it."""

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
REDIRECT_URI = "https://relay.test/link-callback?state=s1"
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
async def sim_client(sim_config):
    async with open_enode(sim_config) as client:
        yield client


@pytest.fixture
async def simulator(simulator_url):
    """The simulator's control surface and link pages."""
    async with httpx.AsyncClient(base_url=simulator_url, trust_env=False) as http:
        yield http
        await http.delete("/_sim/faults")


@pytest.fixture
def link(sim_client, simulator):
    """A function that links a vendor's vehicles to a user through the link page and returns the final redirect."""

    async def link_vehicles(user_id, vendor="TESLA", *steps):
        session = await sim_client.links.create(
            user_id, scopes=SCOPES, language="en-US", redirect_uri=REDIRECT_URI, vendor=vendor
        )
        return await complete_link_page(simulator, session.url, *(steps or ({"step": "consent"}, {"step": "sign_in"})))

    return link_vehicles


async def complete_link_page(simulator, url, *steps):
    for step in steps:
        page = await simulator.get(url)
        assert page.status_code == 200
        vehicle_ids = [part.split('"')[0] for part in page.text.split('name="car" value="')[1:]]
        response = await simulator.post(url, data=step | ({"car": vehicle_ids} if vehicle_ids else {}))
    return response.headers["location"]


@pytest.fixture
async def vehicle(sim_client, link, simulator, request):
    """A vehicle, plugged in and not charging, of a user created for this test."""
    user_id = f"user of {request.node.name}"
    await link(user_id)
    reading = await anext(sim_client.vehicles.list_for_user(user_id))
    await simulator.post(f"/_sim/vehicles/{reading.id}", json={"activity": "plug_in", "battery_level": 40})
    return (await sim_client.vehicles.get(reading.id)).vehicle


async def inject_fault(simulator, **fault):
    (await simulator.post("/_sim/faults", json=fault)).raise_for_status()


async def advance_clock(simulator, seconds):
    (await simulator.post("/_sim/clock", json={"advance": seconds})).raise_for_status()


async def test_wrong_client_secret_is_refused(sim_config):
    async with open_enode(replace(sim_config, client_secret="wrong")) as client:
        with pytest.raises(EnodeCredentialsRefused):
            await client.health.list_vehicle_vendors()


async def test_enode_is_ready_and_lists_its_vendors(sim_client):
    assert await sim_client.health.is_ready()
    vendors = {health.vendor: health for health in await sim_client.health.list_vehicle_vendors()}
    assert vendors["TESLA"].status is VendorStatus.READY
    assert vendors["TESLA"].display_name


async def test_vehicle_is_linked_through_the_page_and_read(sim_client, link):
    before = datetime.now(UTC) - timedelta(seconds=2)
    with pytest.raises(EnodeNotFound):
        await sim_client.users.get("Anna Ö")
    assert await link("Anna Ö") == REDIRECT_URI
    user = await sim_client.users.get("Anna Ö")
    assert [(linked.vendor, linked.is_valid) for linked in user.linked_vendors] == [("TESLA", True)]

    readings = [reading async for reading in sim_client.vehicles.list_for_user("Anna Ö")]
    assert readings
    for reading in readings:
        assert reading.user_id == "Anna Ö"
        assert before <= reading.as_of <= datetime.now(UTC)
        assert (await sim_client.vehicles.get(reading.id)).vehicle == reading.vehicle
    assert {reading.id for reading in readings} <= {reading.id async for reading in sim_client.vehicles.list_all()}


async def test_cancelling_the_link_page_redirects_with_an_error(link):
    assert "error=cancelledByUser" in await link("leaver", "TESLA", {"step": "cancel"})


async def test_invalid_link_session_is_refused_with_enodes_problem(sim_client):
    with pytest.raises(EnodeRefused) as caught:
        await sim_client.links.create(
            "u", scopes=["vehicle:control:charging"], language="en-US", redirect_uri=REDIRECT_URI
        )
    assert caught.value.problem.slug == "bad-request"
    assert caught.value.problem.title


async def test_list_longer_than_a_page_is_read_completely(sim_client):
    ids = {f"one of many {number}" for number in range(60)}
    for user_id in ids:
        await sim_client.links.create(user_id, scopes=SCOPES, language="en-US", redirect_uri=REDIRECT_URI)
    assert ids <= {user.id async for user in sim_client.users.list()}


async def test_hostile_ids_are_not_found(sim_client):
    for hostile in ("../health/ready", "a/vehicles", "?pageSize=1", "%2e%2e", "x#y", "\x00", "🚗"):
        with pytest.raises(EnodeNotFound):
            await sim_client.vehicles.get(hostile)


async def test_charging_is_started_confirmed_and_stopped(sim_client, simulator, vehicle):
    action = await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START)
    assert (action.state, action.kind, action.target_id) == ("PENDING", ActionKind.START, vehicle["id"])
    assert await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START) == action  # still pending
    await advance_clock(simulator, 900)
    confirmed = await sim_client.actions.get(action.id)
    assert confirmed.state == "CONFIRMED"
    assert confirmed.completed_at >= action.created_at
    assert (await sim_client.vehicles.get(vehicle["id"])).vehicle["chargeState"]["isCharging"] is True
    with pytest.raises(EnodeRefused) as caught:
        await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START)
    assert (caught.value.problem.status, caught.value.is_outcome_unknown) == (400, False)
    assert (await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.STOP)).state == "PENDING"
    assert await sim_client.actions.cancel(action.id) == confirmed  # a 409 whose body is the confirmed action


async def test_pending_action_is_cancelled(sim_client, vehicle):
    action = await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START)
    cancelled = await sim_client.actions.cancel(action.id)
    assert (cancelled.id, cancelled.state) == (action.id, "CANCELLED")
    assert cancelled.failure_reason.type == "REQUESTED_CANCELLATION"


async def test_charging_an_unplugged_vehicle_returns_a_cancelled_action(sim_client, simulator, vehicle):
    await simulator.post(f"/_sim/vehicles/{vehicle['id']}", json={"activity": "park"})
    action = await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START)
    assert (action.state, action.failure_reason.type) == ("CANCELLED", "FAILED_PRECONDITION")


async def test_unknown_ids_are_not_found(sim_client):
    unknown = "00000000-0000-4000-8000-000000000000"
    for call in (
        sim_client.vehicles.get(unknown),
        sim_client.vehicles.send_refresh_hint(unknown),
        sim_client.vehicles.control_charging(unknown, ActionKind.STOP),
        sim_client.actions.get(unknown),
        sim_client.actions.cancel(unknown),
        sim_client.webhooks.get(unknown),
        sim_client.webhooks.delete(unknown),
        sim_client.interventions.get(unknown),
    ):
        with pytest.raises(EnodeNotFound):
            await call
    assert [reading async for reading in sim_client.vehicles.list_for_user(unknown)] == []


async def test_command_answered_503_has_an_unknown_outcome_and_is_not_retried(sim_client, simulator, vehicle):
    await inject_fault(simulator, method="POST", path="/vehicles/*/charging", times=1, status=503)
    with pytest.raises(EnodeUnavailable) as caught:
        await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START)
    assert caught.value.is_outcome_unknown
    assert (await simulator.get("/_sim/faults")).json() == []
    assert (await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START)).state == "PENDING"


async def test_command_that_times_out_has_an_unknown_outcome(sim_config, simulator, vehicle):
    await inject_fault(simulator, method="POST", path="/vehicles/*/charging", times=1, delay=1)
    short_timeout = replace(sim_config, read_timeout=timedelta(seconds=0.1))
    async with open_enode(short_timeout) as client:
        with pytest.raises(EnodeUnavailable) as caught:
            await client.vehicles.control_charging(vehicle["id"], ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == ("no answer in time", True)


@pytest.mark.parametrize("failure", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "0"}}], ids=str)
async def test_reading_is_retried_after_transient_errors(sim_config, simulator, vehicle, failure):
    await inject_fault(simulator, method="GET", path="/vehicles/*", times=2, **failure)
    short_delay = replace(sim_config, retry=RetryPolicy(initial_delay=timedelta(milliseconds=10)))
    async with open_enode(short_delay) as client:
        assert (await client.vehicles.get(vehicle["id"])).vehicle == vehicle


async def test_token_revoked_early_is_replaced(sim_client, simulator, vehicle):
    await inject_fault(simulator, method="GET", path="/vehicles/*", times=1, status=401)
    assert (await sim_client.vehicles.get(vehicle["id"])).vehicle == vehicle


async def test_invalid_credentials_cause_an_intervention_and_relinking_resolves_it(sim_client, simulator, vehicle):
    await sim_client.vehicles.send_refresh_hint(vehicle["id"])
    with pytest.raises(EnodeRefused):
        await sim_client.links.relink(vehicle["id"], language="en-US", redirect_uri=REDIRECT_URI)
    await simulator.post(f"/_sim/vehicles/{vehicle['id']}", json={"credentials_valid": False})
    assert [linked.is_valid for linked in (await sim_client.users.get(vehicle["userId"])).linked_vendors] == [False]
    broken = (await sim_client.vehicles.get(vehicle["id"])).vehicle
    (intervention_id, *_) = broken["capabilities"]["chargeState"]["interventionIds"]
    intervention = await sim_client.interventions.get(intervention_id, language="en-US")
    assert intervention in await sim_client.interventions.list(language="en-US")
    assert (intervention.action, bool(intervention.title)) == ("Link", True)

    session = await sim_client.links.relink(vehicle["id"], language="en-US", redirect_uri=REDIRECT_URI)
    assert await complete_link_page(simulator, session.url, {"step": "sign_in"}) == REDIRECT_URI
    assert [linked.is_valid for linked in (await sim_client.users.get(vehicle["userId"])).linked_vendors] == [True]


async def test_vendor_is_disconnected_and_user_deleted(sim_client, vehicle):
    await sim_client.users.disconnect_vendor(vehicle["userId"], "TESLA")
    with pytest.raises(EnodeNotFound):
        await sim_client.vehicles.get(vehicle["id"])
    assert (await sim_client.users.get(vehicle["userId"])).linked_vendors == ()
    await sim_client.users.delete(vehicle["userId"])
    with pytest.raises(EnodeNotFound):
        await sim_client.users.get(vehicle["userId"])


@pytest.fixture
async def receiver():
    """A webhook receiver: its URL, and a queue of its deliveries as (headers, body)."""
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


async def test_webhook_subscription_is_created_tested_updated_and_deleted(sim_client, receiver):
    url, deliveries = receiver
    created = await sim_client.webhooks.create(
        url=url, secret=SECRET, header=DeliveryHeader(name="x-relay", value="home")
    )
    assert (created.url, created.events, created.is_active, created.api_version) == (url, ("*",), True, "2024-10-01")
    assert created.header_name == "x-relay"
    with pytest.raises(EnodeRefused):
        await sim_client.webhooks.create(url=url, secret=SECRET)

    result = await sim_client.webhooks.test(created.id)
    assert (result.succeeded, result.response_status) == (True, 204)
    headers, body = await deliveries.get()
    assert [event["event"] for event in json.loads(body)] == ["enode:webhook:test"]
    assert headers["x-relay"] == "home"
    signature = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    assert headers["x-enode-signature"] == f"sha1={signature}"

    updated = await sim_client.webhooks.update(created.id, events=["user:vehicle:updated"], header=None)
    assert (updated.events, updated.header_name) == (("user:vehicle:updated",), None)
    assert (await sim_client.webhooks.get(created.id)).events == updated.events
    assert created.id in {webhook.id async for webhook in sim_client.webhooks.list()}
    await sim_client.webhooks.delete(created.id)
    assert created.id not in {webhook.id async for webhook in sim_client.webhooks.list()}


async def test_test_delivery_to_a_closed_port_returns_a_failure(sim_client, unused_tcp_port):
    created = await sim_client.webhooks.create(url=f"http://127.0.0.1:{unused_tcp_port}/", secret=SECRET)
    result = await sim_client.webhooks.test(created.id)
    assert (result.succeeded, result.response_status) == (False, None)
    await sim_client.webhooks.delete(created.id)


async def test_command_result_is_delivered_as_a_parsable_action(sim_client, simulator, vehicle, receiver):
    url, deliveries = receiver
    created = await sim_client.webhooks.create(url=url, secret=SECRET, events=["user:vendor-action:updated"])
    action = await sim_client.vehicles.control_charging(vehicle["id"], ActionKind.START)
    await advance_clock(simulator, 900)
    delivered_actions = []
    while not any(delivered["state"] == "CONFIRMED" for delivered in delivered_actions):
        _, body = await deliveries.get()
        delivered_actions += [event["vendorAction"] for event in json.loads(body)]
    await sim_client.webhooks.delete(created.id)
    confirmed = type(action).from_json(delivered_actions[-1], "webhook")
    assert (confirmed.id, confirmed.state, confirmed.target_id) == (action.id, "CONFIRMED", vehicle["id"])
