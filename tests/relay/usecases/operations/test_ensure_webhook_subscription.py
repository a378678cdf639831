"""Our webhook subscription at Enode, with the real gateway and a test double of Enode's /webhooks."""

import hashlib
import json
from itertools import count

import httpx
import pytest

from relay.gateways.enode import EnodeClient, EnodeConfig
from relay.usecases.operations.ensure_webhook_subscription import (
    DesiredWebhookSubscription,
    ensure_webhook_subscription,
)
from tests.relay.support.feed import fetch_value

TOKEN = {"access_token": "t", "expires_in": 3599, "scope": "", "token_type": "bearer"}
URL, SECRET = "https://relay.example.org/api/webhook/enode", "a secret of ours"
KEY = b"k" * 32


class Webhooks:
    """Test double of Enode's /webhooks: the subscriptions, their secrets, and the requests received."""

    def __init__(self):
        self.subscriptions, self.secrets, self.requests, self._ids = {}, {}, [], count(1)
        self.test_status = "SUCCESS"

    def handle(self, request):
        if request.url.path == "/token":
            return httpx.Response(200, json=TOKEN)
        body = json.loads(request.content or "{}")
        webhook_id = request.url.path.rpartition("/")[2]
        if webhook_id == "test":
            self.requests.append("TEST")
            return httpx.Response(200, json={"status": self.test_status, "description": "", "response": None})
        self.requests.append(request.method)
        if request.method == "GET":
            page = {"data": list(self.subscriptions.values()), "pagination": {"after": None, "before": None}}
            return httpx.Response(200, json=page)
        if request.method == "DELETE":
            return httpx.Response(204 if self.subscriptions.pop(webhook_id, None) else 404)
        if request.method == "POST":
            webhook_id = f"w{next(self._ids)}"
            self.subscriptions[webhook_id] = {
                "id": webhook_id,
                "url": body["url"],
                "events": body["events"],
                "lastSuccess": None,
            }
        self.subscriptions[webhook_id] |= {"isActive": True, "events": body["events"]}
        self.secrets[webhook_id] = body["secret"]
        return httpx.Response(200, json=self.subscriptions[webhook_id])


@pytest.fixture
def webhooks():
    return Webhooks()


@pytest.fixture
async def ensure(pool, webhooks):
    config = EnodeConfig(base_url="http://enode", auth_url="http://enode/token", client_id="i", client_secret="s")
    async with httpx.AsyncClient(transport=httpx.MockTransport(webhooks.handle)) as http:
        enode = EnodeClient(http, config)

        async def ensure(*, url=URL, secret=SECRET, key=KEY):
            webhooks.requests.clear()
            desired = DesiredWebhookSubscription(account_id="default", url=url, secret=secret, key=key)
            return await ensure_webhook_subscription(pool, enode, desired)

        yield ensure


async def list_stored(pool):
    async with pool.connection() as connection:
        cursor = await connection.execute("select enode_webhook_id, url, is_active from webhook_subscriptions")
        return await cursor.fetchall()


async def test_missing_subscription_is_created_once(pool, ensure, webhooks):
    await ensure()
    assert (webhooks.requests, webhooks.secrets) == (["GET", "POST", "TEST"], {"w1": SECRET})
    await ensure()
    assert webhooks.requests == ["GET"]
    assert await list_stored(pool) == [("w1", URL, True)]


async def test_inactive_subscription_is_reactivated(ensure, webhooks):
    await ensure()
    webhooks.subscriptions["w1"]["isActive"] = False
    await ensure()
    assert webhooks.requests == ["GET", "PATCH", "TEST"]
    assert webhooks.subscriptions["w1"]["isActive"]


async def test_new_secret_is_sent_to_enode(ensure, webhooks):
    await ensure()
    await ensure(secret="another secret")
    assert webhooks.secrets == {"w1": "another secret"}


async def fetch_digest(pool):
    async with pool.connection() as connection:
        return await fetch_value(connection, "select secret_digest from webhook_subscriptions")


async def test_stored_hash_of_the_secret_depends_on_the_relays_key(pool, ensure):
    await ensure()
    digest = await fetch_digest(pool)
    assert digest != hashlib.sha256(SECRET.encode()).digest()
    await ensure(key=b"another" * 5)
    assert await fetch_digest(pool) != digest


async def test_plain_hash_of_an_earlier_release_is_recognised_and_replaced(pool, ensure, webhooks):
    await ensure()
    keyed = await fetch_digest(pool)
    plain = hashlib.sha256(SECRET.encode()).digest()
    async with pool.connection() as connection:
        await connection.execute("update webhook_subscriptions set secret_digest = %s", [plain])
    await ensure()
    assert webhooks.requests == ["GET"]
    assert await fetch_digest(pool) == keyed


async def test_subscription_of_unknown_origin_for_our_url_gets_our_secret(ensure, webhooks):
    webhooks.subscriptions["w9"] = {"id": "w9", "url": URL, "events": ["*"], "isActive": True}
    await ensure()
    assert (webhooks.requests, webhooks.secrets) == (["GET", "PATCH", "TEST"], {"w9": SECRET})


async def test_our_subscription_for_a_former_url_is_deleted_and_others_are_kept(pool, ensure, webhooks):
    webhooks.subscriptions["w9"] = {"id": "w9", "url": "https://other.example.org/", "events": ["*"], "isActive": True}
    await ensure(url="https://old.example.org/api/webhook/enode")
    await ensure()
    assert webhooks.subscriptions.keys() == {"w9", "w2"}
    assert await list_stored(pool) == [("w2", URL, True)]


async def test_former_subscription_already_deleted_at_enode_is_removed(pool, ensure, webhooks):
    await ensure(url="https://old.example.org/api/webhook/enode")
    webhooks.subscriptions.clear()
    await ensure()
    assert await list_stored(pool) == [("w2", URL, True)]


async def test_subscription_with_fewer_events_is_renewed_for_all(ensure, webhooks):
    await ensure()
    webhooks.subscriptions["w1"]["events"] = ["user:vehicle:updated"]
    await ensure()
    assert webhooks.subscriptions["w1"]["events"] == ["*"]


async def test_subscription_is_tested_until_a_test_succeeds(ensure, webhooks):
    webhooks.test_status = "FAILURE"
    assert not (await ensure()).is_working
    assert not (await ensure()).is_working
    assert webhooks.requests == ["GET", "TEST"]
    webhooks.test_status = "SUCCESS"
    assert (await ensure()).is_working
    await ensure()
    assert webhooks.requests == ["GET"]
