"""The monitor of Enode's webhook: alerts to the operator, and reconciliation after an outage."""

from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.gateways.enode import EnodeUnavailable
from relay.inbox.signature_failure_counter import SignatureFailureCounter
from relay.kit.alert import post_alert
from relay.usecases.operations.monitor_webhook_health import WebhookMonitor
from relay.usecases.operations.webhook_health import STATE_DESCRIPTIONS
from tests.relay.support.enode_events import at, make_pipeline


class Enode:
    """Test double of a reconciliation with Enode, which counts attempts and can fail."""

    def __init__(self):
        self.reconciliations, self.is_available = 0, True

    async def reconcile(self):
        self.reconciliations += 1
        if not self.is_available:
            raise EnodeUnavailable("GET /vehicles", cause="away", is_outcome_unknown=False)


class MonitoredWebhook:
    """A monitor, and access to the stored facts that it checks."""

    def __init__(self, pipeline):
        self.pipeline, self.enode, self.alerts, self.alerts_succeed = pipeline, Enode(), [], True
        self.monitor = WebhookMonitor(
            pipeline.pool,
            account_id="ours",
            max_silence=timedelta(hours=2),
            send_alert=self.send_alert,
            reconcile=self.enode.reconcile,
        )

    async def send_alert(self, alert):
        self.alerts.append(alert.state)
        return self.alerts_succeed

    async def execute(self, statement):
        await self.pipeline.execute(statement)


@pytest.fixture
async def webhook(pool):
    webhook = MonitoredWebhook(await make_pipeline(pool))
    await webhook.execute("insert into enode_health (account_id, asked_at) values ('ours', now())")
    await webhook.execute(
        "insert into webhook_subscriptions (account_id, enode_webhook_id, url, events, secret_digest, is_active, "
        "test_succeeded) values ('ours', 'w1', 'https://x', '{*}', '', true, true)"
    )
    return webhook


async def test_check_returns_none_before_the_first_subscription_check(pool):
    assert await MonitoredWebhook(await make_pipeline(pool)).monitor.check() is None


async def test_problem_is_alerted_once_and_its_end_after_gaps_are_filled(webhook):
    assert await webhook.monitor.check() == "ok"
    assert (webhook.alerts, webhook.enode.reconciliations) == ([], 1)  # a new monitor does not know what was missed
    await webhook.execute("update webhook_subscriptions set is_active = false")
    assert await webhook.monitor.check() == await webhook.monitor.check() == "inactive"
    await webhook.execute("update webhook_subscriptions set is_active = true")
    webhook.enode.is_available = False
    assert await webhook.monitor.check() == "inactive"
    webhook.enode.is_available = True
    assert await webhook.monitor.check() == "ok"
    assert (webhook.alerts, webhook.enode.reconciliations) == (["inactive", "ok"], 3)


async def test_failed_alert_is_sent_again(webhook):
    await webhook.execute("update webhook_subscriptions set is_active = false")
    webhook.alerts_succeed = False
    await webhook.monitor.check()
    webhook.alerts_succeed = True
    await webhook.monitor.check()
    await webhook.monitor.check()
    assert webhook.alerts == ["inactive", "inactive"]


async def test_signature_failures_end_with_the_next_valid_delivery(webhook, pool):
    failures = SignatureFailureCounter(pool)
    for _ in range(5):
        failures.increment()
    await failures.flush()
    await webhook.execute("update signature_failures set minute = minute + interval '1 minute'")
    assert await webhook.monitor.check() == "signature_failures"
    await webhook.pipeline.deliver(webhook.pipeline.make_update("car", at(0)))
    await webhook.execute("update webhook_logs set created_at = now() + interval '2 minutes'")
    assert await webhook.monitor.check() == "ok"


async def test_alert_is_posted_as_json_and_its_failure_is_logged(caplog):
    received = []

    async def hook(request):
        received.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    async with TestServer(app) as receiver:
        await post_alert(str(receiver.make_url("/hook")), {"text": STATE_DESCRIPTIONS["silent"], "state": "silent"})
        await post_alert(str(receiver.make_url("/nobody")), {"text": "x"})
    await post_alert(None, {"text": "x"})
    assert [alert["state"] for alert in received] == ["silent"]
    assert [record.message for record in caplog.records if "alert" in record.message] == [
        "operator alert failed error=HTTPStatusError"
    ]
