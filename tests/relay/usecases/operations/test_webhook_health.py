"""The rules that judge the health of Enode's webhook."""

from dataclasses import replace
from datetime import timedelta

import pytest

from relay.usecases.operations.webhook_health import (
    ALERT_REPEAT_INTERVAL,
    WebhookHealth,
    determine_state,
    has_gap,
    is_alert_due,
)
from tests.relay.support.enode_events import NOON

HOUR = timedelta(hours=1)
HEALTHY = WebhookHealth(
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
    last_received_at=NOON - timedelta(minutes=5),
    failures=0,
)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"last_received_at": NOON - 3 * HOUR}, "silent"),
        ({"last_received_at": None}, "silent"),
        ({"last_received_at": None, "subscribed_at": NOON - HOUR}, "ok"),  # just created, so it may take a while
        ({"subscribed_at": None, "last_received_at": None, "is_active": None, "test_succeeded": None}, "starting"),
        ({"is_active": False}, "inactive"),
        ({"test_succeeded": False}, "inactive"),
        ({"failures": 2}, "ok"),
        ({"failures": 3, "last_received_at": NOON - 3 * HOUR}, "signature_failures"),
        ({"failing_since": NOON - timedelta(seconds=30)}, "ok"),
        ({"failing_since": NOON - HOUR, "is_active": False, "failures": 9}, "unreachable"),
    ],
)
def test_state_is_the_most_severe_problem(changes, state):
    assert determine_state(replace(HEALTHY, **changes), max_silence=2 * HOUR) == state


@pytest.mark.parametrize(
    ("alerted_state", "alerted_at", "state", "is_due"),
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
def test_alert_is_due_when_a_problem_begins_lasts_and_ends(alerted_state, alerted_at, state, is_due):
    assert is_alert_due(replace(HEALTHY, alerted_state=alerted_state, alerted_at=alerted_at), state) is is_due


def test_a_few_forged_requests_cause_no_alert_and_no_reconciliation():
    recent = replace(HEALTHY, state="signature_failures", since=NOON - timedelta(minutes=1))
    lasting = replace(recent, since=NOON - HOUR)
    assert [is_alert_due(health, "signature_failures") for health in (HEALTHY, recent, lasting)] == [False, False, True]
    assert [has_gap(health, "ok") for health in (recent, lasting)] == [False, True]


def test_gap_exists_only_after_an_outage():
    assert not has_gap(HEALTHY, "ok")
    assert has_gap(replace(HEALTHY, state="silent"), "ok")
    assert not has_gap(replace(HEALTHY, state="silent"), "silent")
    assert has_gap(replace(HEALTHY, state="starting"), "ok")
    assert not has_gap(replace(HEALTHY, state="starting", reconciled_at=NOON - timedelta(minutes=1)), "ok")
    assert has_gap(replace(HEALTHY, reconciled_at=None), "ok")
    # The leader died during a problem; the next one begins with "starting".
    assert has_gap(replace(HEALTHY, state="starting", alerted_state="inactive", reconciled_at=NOON), "ok")
