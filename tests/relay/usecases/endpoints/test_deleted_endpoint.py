"""An endpoint that was deleted is never posted to again: not by a lease in flight, a retry or a test message."""

import asyncio
from ipaddress import ip_address

import pytest
from aiohttp import web

from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from tests.relay.support.endpoints import (
    SECRET_KEY,
    make_due,
    make_runtime,
    open_classic_client,
    open_test_outbound,
    respond_with,
    run_sql,
)
from tests.relay.support.feed import add_user, put_vehicle, run_in_background, wait_until
from tests.relay.support.plans import CLOUD

KINDS = ["v2", "classic"]


class SlowResolver:
    """Resolves each name to loopback, once it is released."""

    def __init__(self):
        self.asked, self.released = asyncio.Event(), asyncio.Event()
        self.is_slow = False

    async def resolve(self, _host, _port):
        if self.is_slow:
            self.asked.set()
            await self.released.wait()
        return [ip_address("127.0.0.1")]


@pytest.fixture
def resolver():
    return SlowResolver()


@pytest.fixture
async def runtime(pool, resolver):
    async with open_test_outbound(resolve=resolver.resolve) as outbound:
        yield make_runtime(pool, outbound)


@pytest.fixture
def deliverer(runtime):
    return Deliverer(
        runtime.pool, runtime.outbound, secret_key=SECRET_KEY, version="1", rules=DeliveryRules(plans=CLOUD)
    )


@pytest.fixture
async def classic(runtime):
    async with open_classic_client(runtime) as client:
        yield client


@pytest.fixture
async def ada(pool):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    return ada


@pytest.fixture
def register(client, classic, receiver, ada):
    async def register_endpoint(kind, host="receiver.example"):
        base = f"http://{host}:{receiver.port}"
        if kind == "v2":
            body = {"url": f"{base}/api/webhook/home"}
            response = await client.put("endpoint", json=body, headers=ada.header)
        else:
            receiver.answer = respond_with("OK")
            body = {"webhook_id": "entry", "external_url": base}
            response = await classic.post("/register", json=body, headers=ada.header)
        assert response.status_code == 200, response.text

    return register_endpoint


@pytest.fixture
def unregister(client, classic, ada):
    async def unregister_endpoint(kind):
        if kind == "v2":
            assert (await client.delete("endpoint", headers=ada.header)).status_code == 204
        else:
            assert (await classic.delete("/register", headers=ada.header)).status_code == 200

    return unregister_endpoint


@pytest.mark.parametrize("kind", KINDS)
async def test_delivery_that_was_connecting_when_its_endpoint_was_deleted_sends_nothing(
    deliverer, receiver, resolver, *, register, unregister, kind
):
    await register(kind)
    resolver.is_slow = True
    delivery = asyncio.create_task(deliverer.deliver_once())
    await resolver.asked.wait()
    await unregister(kind)
    resolver.released.set()
    assert await delivery == 1
    assert receiver.posts == []


@pytest.mark.parametrize(
    "end",
    [
        "update api_keys set revoked_at = now()",
        "update users set closed_at = now()",
        "update users set disabled_at = now()",
        "update endpoints set lease_token = gen_random_uuid()",
    ],
)
async def test_delivery_that_was_connecting_when_its_permission_ended_sends_nothing(
    pool, deliverer, receiver, *, resolver, register, end
):
    await register("v2")
    resolver.is_slow = True
    delivery = asyncio.create_task(deliverer.deliver_once())
    await resolver.asked.wait()
    await run_sql(pool, end)
    resolver.released.set()
    await delivery
    assert receiver.posts == []


@pytest.mark.parametrize("kind", KINDS)
async def test_address_that_was_replaced_while_connecting_gets_nothing(deliverer, receiver, resolver, register, kind):
    await register(kind)
    resolver.is_slow = True
    delivery = asyncio.create_task(deliverer.deliver_once())
    await resolver.asked.wait()
    resolver.is_slow = False
    await register(kind, host="another.example")
    resolver.released.set()
    await delivery
    assert receiver.posts == []
    assert await deliverer.deliver_once() == 1
    assert [post.headers["Host"] for post in receiver.posts] == [f"another.example:{receiver.port}"]


async def test_classic_client_deleted_during_a_post_gets_no_second_attempt_with_the_other_id(
    deliverer, receiver, register, unregister
):
    await register("classic")

    async def answer_after_deletion(_post, _request):
        await unregister("classic")
        return web.Response(text="OK (ignored - different vehicle)")

    receiver.answer = answer_after_deletion
    await deliverer.deliver_once()
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_failed_delivery_to_a_deleted_endpoint_is_not_retried(
    pool, deliverer, receiver, *, register, unregister, kind
):
    await register(kind)

    async def fail_after_deletion(_post, _request):
        await unregister(kind)
        return web.Response(status=500)

    receiver.answer = fail_after_deletion
    await deliverer.deliver_once()
    await make_due(pool)
    assert await deliverer.deliver_once() == 0
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_test_message_that_was_connecting_when_its_endpoint_was_deleted_is_not_sent(
    client, classic, receiver, *, resolver, register, unregister, ada, kind
):
    await register(kind)
    resolver.is_slow = True
    path, caller = ("endpoint/test", client) if kind == "v2" else ("/test", classic)
    test = asyncio.create_task(caller.post(path, headers=ada.header))
    await resolver.asked.wait()
    await unregister(kind)
    resolver.released.set()
    assert (await test).status_code == 404
    assert receiver.posts == []


async def test_test_message_to_an_address_that_was_replaced_while_connecting_is_not_sent(
    client, receiver, resolver, register, ada
):
    await register("v2")
    resolver.is_slow = True
    test = asyncio.create_task(client.post("endpoint/test", headers=ada.header))
    await resolver.asked.wait()
    resolver.is_slow = False
    await register("v2", host="another.example")
    resolver.released.set()
    assert (await test).status_code == 429
    assert receiver.posts == []


async def test_running_deliverer_goes_on_after_an_endpoint_was_deleted_while_connecting(
    pool, deliverer, receiver, *, resolver, register, unregister
):
    await register("v2")
    resolver.is_slow = True
    async with run_in_background(deliverer.run()):
        await resolver.asked.wait()
        await unregister("v2")
        resolver.is_slow = False
        resolver.released.set()
        await register("v2")
        deliverer.add_hint(None)
        await wait_until(lambda: receiver.posts)
    assert len(receiver.posts) == 1
