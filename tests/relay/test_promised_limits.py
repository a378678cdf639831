"""Limits, lifetimes and intervals that the documentation promises to clients and operators."""

from datetime import timedelta

import pytest

from relay.delivery import delivery_queue, stream_lease
from relay.feed import cursor
from relay.identity import oauth, sign_in_attempts, sign_in_links, web_sessions
from relay.inbox import parser, queue, routes, service
from relay.kit.connection_guard import RESERVED_FILES
from relay.kit.http_limits import HttpLimits
from relay.kit.outbound import MAX_RESPONSE_BYTES, OutboundTimeouts
from relay.streams.delivered_cursor import ASSUME_DELIVERED_AFTER
from relay.streams.rules import StreamRules
from relay.streams.sse import HEARTBEAT, MAX_LINE_BYTES
from relay.usecases.access import list_installations, manage_keys
from relay.usecases.calls.runtime import Runtime
from relay.usecases.charging.list_sessions import MAX_SESSIONS
from relay.usecases.classic import charging_sessions, refresh_vehicles
from relay.usecases.endpoints.deliver_to_endpoints import DeliveryRules
from relay.usecases.endpoints.send_test_message import TEST_INTERVAL
from relay.usecases.vehicles import limit_vehicles, refresh_vehicle, select_served_vehicles

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


def test_stream():
    assert StreamRules() == StreamRules(
        max_streams_per_user=5,
        sweep_interval=5 * SECOND,
        heartbeat_interval=15 * SECOND,
        recheck_interval=25 * SECOND,
        min_recheck_interval=SECOND,
        send_timeout=30 * SECOND,
        max_backlog_bytes=1024 * 1024,
    )
    assert (MAX_LINE_BYTES, HEARTBEAT) == (256 * 1024, b":\n\n")
    assert (cursor.REPLAY_WINDOW, cursor.MAX_REPLAYED_TRANSITIONS) == (24 * HOUR, 1000)
    assert ASSUME_DELIVERED_AFTER == MINUTE


def test_delivery_to_endpoints():
    rules = DeliveryRules()
    assert (rules.quick_slots, rules.slow_slots, rules.slow_after) == (48, 16, 2 * SECOND)
    assert (rules.sweep_interval, rules.hint_window) == (5 * SECOND, timedelta(milliseconds=10))
    assert (delivery_queue.LEASE_DURATION, stream_lease.LEASE_DURATION, TEST_INTERVAL) == (MINUTE, MINUTE, 10 * SECOND)
    assert OutboundTimeouts() == OutboundTimeouts(resolve=5, connect=5, total=10)
    assert MAX_RESPONSE_BYTES == 64 * 1024


def test_http_server():
    assert HttpLimits() == HttpLimits(
        max_url_bytes=8 * 1024,
        max_header_bytes=32 * 1024,
        max_header_count=100,
        header_seconds=20,
        body_seconds=30,
        min_body_bytes_per_second=1024,
        max_body_seconds=300,
        max_pending_per_network=128,
        max_pending=1024,
        max_body_bytes_in_flight=32 * 1024 * 1024,
        log_interval_seconds=60,
    )
    assert RESERVED_FILES == 256


def test_inbox():
    assert (parser.MAX_EVENTS_PER_DELIVERY, queue.BATCH_SIZE) == (100, 100)
    assert routes.MAX_BODY_BYTES == 4 * 1024 * 1024
    assert service.STORE_TIMEOUT_SECONDS < 2


def test_signing_in():
    assert (oauth.CODE_LIFETIME, oauth.ACCESS_TOKEN_LIFETIME, oauth.INACTIVITY_LIMIT) == (
        MINUTE,
        30 * MINUTE,
        365 * DAY,
    )
    assert (oauth.REFRESH_RACE_WINDOW, oauth.USED_CODE_RETENTION, oauth.DEAD_TOKEN_RETENTION) == (MINUTE, HOUR, 7 * DAY)
    assert (oauth.MAX_UNUSED_SUCCESSORS, oauth.MAX_NAME_LENGTH) == (20, 60)
    assert (web_sessions.LIFETIME, sign_in_links.LIFETIME, sign_in_attempts.LIFETIME) == (30 * DAY, 15 * MINUTE, HOUR)
    assert sign_in_attempts.RATE_LIMIT_WINDOW == 15 * MINUTE
    assert (sign_in_attempts.MAX_STARTS_PER_ADDRESS, sign_in_attempts.MAX_STARTS_PER_SOURCE) == (5, 30)
    assert sign_in_attempts.MAX_TRIES == 5


def test_requests():
    assert (manage_keys.MAX_KEYS, manage_keys.MAX_NAME_LENGTH) == (50, 60)
    assert list_installations.POLLING_WINDOW == 13 * HOUR  # a client without push polls at least every 12 hours
    assert (MAX_SESSIONS, charging_sessions.SYNC_OVERLAP) == (200, MINUTE)
    assert (refresh_vehicles.MIN_REFRESH_INTERVAL, refresh_vehicle.MIN_REFRESH_INTERVAL) == (MINUTE, 5 * MINUTE)
    assert (select_served_vehicles.MAX_VEHICLES, limit_vehicles.CHECK_INTERVAL_SECONDS) == (1000, 300)


@pytest.mark.parametrize(
    ("public_url", "is_https"), [("https://r.example", True), ("http://r.example", False), ("", False)]
)
def test_runtime_without_options_is_self_hosted(public_url, is_https):
    runtime = Runtime(pool=None, hub=None, feed_waker=None, jobs=None, enode=None, version="1", public_url=public_url)
    assert (runtime.mode, runtime.is_https, runtime.allows_local_redirects) == ("self-hosted", is_https, False)
    assert runtime.plans.push_plans == {"free", "basic", "pro"}
    assert (runtime.verify_supabase_token, runtime.supabase_sign_in, runtime.delete_supabase_user) == (None, None, None)
    assert len(runtime.secret_key) == 32
    assert runtime.secret_key not in repr(runtime).encode()
