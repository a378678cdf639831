"""Rules that judge the health of Enode's webhook from stored facts: its state, alerts that are due, missed events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

type WebhookState = Literal["starting", "ok", "unreachable", "inactive", "signature_failures", "silent"]

STATE_DESCRIPTIONS: dict[WebhookState, str] = {
    "starting": "The state of Enode's webhook is not known yet.",
    "ok": "Enode's webhook works.",
    "unreachable": "Enode doesn't answer the relay, or rejects its credentials.",
    "inactive": (
        "Enode's webhook is switched off, or its test event doesn't arrive. "
        "Check that WEBHOOK_URL can be reached from the internet."
    ),
    "signature_failures": (
        "Webhook requests arrive with a wrong signature. Check that ENODE_WEBHOOK_SECRET is the secret that Enode has."
    ),
    "silent": "Enode's webhook has sent nothing for too long, not even a heartbeat.",
}

# A single failed check can be a hiccup, and a single wrong signature a forgery.
UNREACHABLE_AFTER = timedelta(minutes=2)
MIN_SIGNATURE_FAILURES = 3
# After an outage this long, Enode may have dropped events instead of retrying them.
OUTAGE_AFTER = timedelta(minutes=10)
ALERT_REPEAT_INTERVAL = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookHealth:
    """Stored facts about one account's webhook. `failures`: wrong signatures since the last valid one."""

    now: datetime
    state: WebhookState
    since: datetime
    failing_since: datetime | None
    alerted_state: WebhookState | None
    alerted_at: datetime | None
    reconciled_at: datetime | None
    is_active: bool | None
    test_succeeded: bool | None
    subscribed_at: datetime | None
    last_received_at: datetime | None
    failures: int


def determine_state(health: WebhookHealth, *, max_silence: timedelta) -> WebhookState:
    """Return the state of the webhook. Of several problems, the one that explains the others wins."""
    if health.failing_since is not None and health.now - health.failing_since >= UNREACHABLE_AFTER:
        return "unreachable"
    if health.failures >= MIN_SIGNATURE_FAILURES:
        return "signature_failures"
    if health.is_active is False or health.test_succeeded is False:
        return "inactive"
    if health.subscribed_at is None:
        return "starting"
    if health.now - max(health.last_received_at or health.subscribed_at, health.subscribed_at) > max_silence:
        return "silent"
    return "ok"


def is_alert_due(health: WebhookHealth, state: WebhookState) -> bool:
    """Whether to alert the operator: when a problem begins, once a day while it lasts, and when it ends."""
    if state in {"ok", "starting"}:
        return state == "ok" and health.alerted_state not in {None, "ok"}
    if state == "signature_failures" and (health.state != state or health.now - health.since < OUTAGE_AFTER):
        return False  # anybody can send a few forged requests
    if health.alerted_state != state:
        return True
    return health.alerted_at is not None and health.now - health.alerted_at >= ALERT_REPEAT_INTERVAL


def has_gap(health: WebhookHealth, state: WebhookState) -> bool:
    """Whether events may have been lost: the webhook works now, but had an outage since the last reconciliation."""
    if state != "ok":
        return False
    if health.state == "signature_failures" and health.now - health.since < OUTAGE_AFTER:
        return False  # a few forged requests; Enode retries for longer than this
    # The alerted state shows a problem that a former leader detected, if that leader stopped before the problem ended.
    if health.state not in {"ok", "starting"} or health.alerted_state not in {None, "ok"}:
        return True
    return health.reconciled_at is None or (
        health.state == "starting" and health.now - health.reconciled_at > OUTAGE_AFTER
    )
