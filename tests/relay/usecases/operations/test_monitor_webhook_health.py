"""The state of Enode's webhook: judged, told to the operator, and mended by asking for what was missed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.gateways.enode import EnodeUnavailable
from relay.inbox.signature_failures import SignatureFailureCounter
from relay.kit.alert import post_alert
from relay.usecases.operations.monitor_webhook_health import (
    ALERT_REPEAT_INTERVAL,
    STATE_DESCRIPTIONS,
    WebhookHealth,
    WebhookMonitor,
    determine_state,
    has_gap,
    is_alert_due,
)
from tests.relay.support.enode_events import NOON, at, make_pipeline

HOUR = timedelta(hours=1)
FINE = WebhookHealth(
    now=NOON,
    state="ok",
    since=NOON - HOUR,
    failing_since=None,
    alerted_state=None,
    alerted_at=None,
    reconciled_at=NOON - HOUR,
    is_active=True,
    test_succeeded=True,
    subscribed_at=NOON - 24 * HOUR,
    heard_at=NOON - timedelta(minutes=5),
    failures=0,
)


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ({}, "ok"),
        ({"heard_at": NOON - 3 * HOUR}, "silent"),
        ({"heard_at": None}, "silent"),
        ({"heard_at": None, "subscribed_at": NOON - HOUR}, "ok"),  # made just now: it may take a while
        ({"subscribed_at": None, "heard_at": None, "is_active": None, "test_succeeded": None}, "starting"),
        ({"is_active": False}, "inactive"),
        ({"test_succeeded": False}, "inactive"),
        ({"failures": 2}, "ok"),
        ({"failures": 3, "heard_at": NOON - 3 * HOUR}, "signature_failures"),
        ({"failing_since": NOON - timedelta(seconds=30)}, "ok"),
        ({"failing_since": NOON - HOUR, "is_active": False, "failures": 9}, "unreachable"),
    ],
)
def test_the_worst_that_is_known_is_the_state(known, state):
    assert determine_state(replace(FINE, **known), max_silence=2 * HOUR) == state


@pytest.mark.parametrize(
    ("told", "told_at", "state", "tells"),
    [
        (None, None, "ok", False),
        (None, None, "starting", False),
        (None, None, "silent", True),
        ("silent", NOON - HOUR, "silent", False),
        ("silent", NOON - ALERT_REPEAT_INTERVAL, "silent", True),
        ("silent", NOON - HOUR, "inactive", True),
        ("silent", NOON - HOUR, "ok", True),
        ("ok", NOON - HOUR, "ok", False),
    ],
)
def test_the_operator_is_told_of_trouble_and_of_its_end(told, told_at, state, tells):
    assert is_alert_due(replace(FINE, alerted_state=told, alerted_at=told_at), state) is tells


def test_a_few_forgeries_neither_alarm_anybody_nor_make_us_ask_for_all_cars():
    fresh = replace(FINE, state="signature_failures", since=NOON - timedelta(minutes=1))
    lasting = replace(fresh, since=NOON - HOUR)
    assert [is_alert_due(it, "signature_failures") for it in (FINE, fresh, lasting)] == [False, False, True]
    assert [has_gap(it, "ok") for it in (fresh, lasting)] == [False, True]


def test_gaps_are_filled_after_trouble_and_after_a_long_absence_only():
    assert not has_gap(FINE, "ok")
    assert has_gap(replace(FINE, state="silent"), "ok")
    assert not has_gap(replace(FINE, state="silent"), "silent")
    assert has_gap(replace(FINE, state="starting"), "ok")
    assert not has_gap(replace(FINE, state="starting", reconciled_at=NOON - timedelta(minutes=1)), "ok")
    assert has_gap(replace(FINE, reconciled_at=None), "ok")
    # The leader died in the middle of trouble; the next one begins with "starting".
    assert has_gap(replace(FINE, state="starting", alerted_state="inactive", reconciled_at=NOON), "ok")


class Enode:
    """Whether asking for all cars works, and how often it was done."""

    def __init__(self):
        self.asked, self.works = 0, True

    async def reconcile(self):
        self.asked += 1
        if not self.works:
            raise EnodeUnavailable("GET /vehicles", cause="away", is_outcome_unknown=False)


class Watched:
    """A watch on a database where things happen to the webhook."""

    def __init__(self, pipeline):
        self.pipeline, self.enode, self.alerts, self.alerts_arrive = pipeline, Enode(), [], True
        self.watch = WebhookMonitor(
            pipeline.pool, account_id="ours", max_silence=2 * HOUR, send_alert=self.tell, reconcile=self.enode.reconcile
        )

    async def tell(self, alert):
        self.alerts.append(alert.state)
        return self.alerts_arrive

    async def sql(self, statement):
        await self.pipeline.execute(statement)


@pytest.fixture
async def watched(pool):
    it = Watched(await make_pipeline(pool))
    await it.sql("insert into enode_health (account_id, asked_at) values ('ours', now())")
    await it.sql(
        "insert into webhook_subscriptions (account_id, enode_webhook_id, url, events, secret_digest, is_active, "
        "test_succeeded) values ('ours', 'w1', 'https://x', '{*}', '', true, true)"
    )
    return it


async def test_before_the_keeper_has_looked_there_is_nothing_to_judge(pool):
    assert await Watched(await make_pipeline(pool)).watch.check() is None


async def test_trouble_is_told_once_and_its_end_after_the_gap_was_filled(watched):
    assert await watched.watch.look() == "ok"
    assert (watched.alerts, watched.enode.asked) == ([], 1)  # who begins does not know what was missed
    await watched.sql("update webhook_subscriptions set is_active = false")
    assert await watched.watch.look() == await watched.watch.look() == "inactive"
    await watched.sql("update webhook_subscriptions set is_active = true")
    watched.enode.works = False
    assert await watched.watch.look() == "inactive"
    watched.enode.works = True
    assert await watched.watch.look() == "ok"
    assert (watched.alerts, watched.enode.asked) == (["inactive", "ok"], 3)


async def test_an_alert_that_does_not_get_through_is_sent_again(watched):
    await watched.sql("update webhook_subscriptions set is_active = false")
    watched.alerts_arrive = False
    await watched.watch.look()
    watched.alerts_arrive = True
    await watched.watch.look()
    await watched.watch.look()
    assert watched.alerts == ["inactive", "inactive"]


async def test_forged_deliveries_are_trouble_until_a_signed_one_arrives(watched, pool):
    failures = SignatureFailureCounter(pool)
    for _ in range(5):
        failures.increment()
    await failures.flush()
    await watched.sql("update signature_failures set minute = minute + interval '1 minute'")
    assert await watched.watch.look() == "signature_failures"
    await watched.pipeline.deliver(watched.pipeline.make_update("car", at(0)))
    await watched.sql("update webhook_logs set created_at = now() + interval '2 minutes'")
    assert await watched.watch.look() == "ok"


async def test_an_alert_is_posted_as_json_and_its_failure_is_only_logged(caplog):
    heard = []

    async def hook(request):
        heard.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    async with TestServer(app) as receiver:
        await post_alert(str(receiver.make_url("/hook")), {"text": STATE_DESCRIPTIONS["silent"], "state": "silent"})
        await post_alert(str(receiver.make_url("/nobody")), {"text": "x"})
    await post_alert(None, {"text": "x"})
    assert [it["state"] for it in heard] == ["silent"]
    assert [record.message for record in caplog.records if "alert" in record.message] == [
        "operator alert failed error=HTTPStatusError"
    ]
