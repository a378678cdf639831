"""Our subscription at Enode, with the real gateway on a double that keeps subscriptions as Enode does."""

import json
from itertools import count

import httpx
import pytest

from relay.gateways.enode import EnodeClient, EnodeConfig
from relay.usecases.operations.ensure_webhook_subscription import (
    DesiredWebhookSubscription,
    ensure_webhook_subscription,
)

TOKEN = {"access_token": "t", "expires_in": 3599, "scope": "", "token_type": "bearer"}
URL, SECRET = "https://relay.example.org/api/webhook/enode", "a secret of ours"


class Webhooks:
    """Enode's /webhooks: what is there, with which secret, and what was asked."""

    def __init__(self):
        self.there, self.secrets, self.asked, self._ids = {}, {}, [], count(1)
        self.test = "SUCCESS"

    def handle(self, request):
        if request.url.path == "/token":
            return httpx.Response(200, json=TOKEN)
        body = json.loads(request.content or "{}")
        it = request.url.path.rpartition("/")[2]
        if it == "test":
            self.asked.append("TEST")
            return httpx.Response(200, json={"status": self.test, "description": "", "response": None})
        self.asked.append(request.method)
        if request.method == "GET":
            page = {"data": list(self.there.values()), "pagination": {"after": None, "before": None}}
            return httpx.Response(200, json=page)
        if request.method == "DELETE":
            return httpx.Response(204 if self.there.pop(it, None) else 404)
        if request.method == "POST":
            it = f"w{next(self._ids)}"
            self.there[it] = {"id": it, "url": body["url"], "events": body["events"], "lastSuccess": None}
        self.there[it] |= {"isActive": True, "events": body["events"]}
        self.secrets[it] = body["secret"]
        return httpx.Response(200, json=self.there[it])


@pytest.fixture
def webhooks():
    return Webhooks()


@pytest.fixture
async def keep(pool, webhooks):
    config = EnodeConfig(base_url="http://enode", auth_url="http://enode/token", client_id="i", client_secret="s")
    async with httpx.AsyncClient(transport=httpx.MockTransport(webhooks.handle)) as http:
        enode = EnodeClient(http, config)

        async def once(*, url=URL, secret=SECRET):
            webhooks.asked.clear()
            return await ensure_webhook_subscription(
                pool, enode, DesiredWebhookSubscription(account_id="default", url=url, secret=secret)
            )

        yield once


async def kept(pool):
    async with pool.connection() as connection:
        cursor = await connection.execute("select enode_webhook_id, url, is_active from webhook_subscriptions")
        return await cursor.fetchall()


async def test_missing_subscription_is_created_once(pool, keep, webhooks):
    await keep()
    assert (webhooks.asked, webhooks.secrets) == (["GET", "POST", "TEST"], {"w1": SECRET})
    await keep()
    assert webhooks.asked == ["GET"]
    assert await kept(pool) == [("w1", URL, True)]


async def test_inactive_subscription_is_reactivated(keep, webhooks):
    await keep()
    webhooks.there["w1"]["isActive"] = False
    await keep()
    assert webhooks.asked == ["GET", "PATCH", "TEST"]
    assert webhooks.there["w1"]["isActive"]


async def test_new_secret_is_sent_to_enode(keep, webhooks):
    await keep()
    await keep(secret="another secret")
    assert webhooks.secrets == {"w1": "another secret"}


async def test_subscription_of_unknown_origin_for_our_url_gets_our_secret(keep, webhooks):
    webhooks.there["w9"] = {"id": "w9", "url": URL, "events": ["*"], "isActive": True}
    await keep()
    assert (webhooks.asked, webhooks.secrets) == (["GET", "PATCH", "TEST"], {"w9": SECRET})


async def test_our_subscription_for_a_former_url_is_deleted_and_others_are_kept(pool, keep, webhooks):
    webhooks.there["w9"] = {"id": "w9", "url": "https://other.example.org/", "events": ["*"], "isActive": True}
    await keep(url="https://old.example.org/api/webhook/enode")
    await keep()
    assert webhooks.there.keys() == {"w9", "w2"}
    assert await kept(pool) == [("w2", URL, True)]


async def test_former_subscription_already_deleted_at_enode_is_removed(pool, keep, webhooks):
    await keep(url="https://old.example.org/api/webhook/enode")
    webhooks.there.clear()
    await keep()
    assert await kept(pool) == [("w2", URL, True)]


async def test_subscription_with_fewer_events_is_renewed_for_all(keep, webhooks):
    await keep()
    webhooks.there["w1"]["events"] = ["user:vehicle:updated"]
    await keep()
    assert webhooks.there["w1"]["events"] == ["*"]


async def test_subscription_is_tested_until_a_test_succeeds(keep, webhooks):
    webhooks.test = "FAILURE"
    assert not (await keep()).is_working
    assert not (await keep()).is_working
    assert webhooks.asked == ["GET", "TEST"]
    webhooks.test = "SUCCESS"
    assert (await keep()).is_working
    await keep()
    assert webhooks.asked == ["GET"]
