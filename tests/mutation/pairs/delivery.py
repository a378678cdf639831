"""Delivery to endpoints: which are due, leases, retries, cursors."""

from scripts.lib.mutation.tables import Pair, PairTable

ENDPOINTS = ("tests/relay/usecases/endpoints",)

PAIRS = (
    PairTable(
        file="relay/delivery/delivery_queue.py",
        tests=ENDPOINTS,
        pairs=(
            Pair("where e.next_try_at <= now() and (e.leased", "where (e.leased", "a retry before its time"),
            Pair("(e.leased_until is null or e.leased_until < now())", "true", "two processes lease one endpoint"),
            Pair(
                "(e.leased_until is null or e.leased_until < now())",
                "e.leased_until is null",
                "a lease of a dead process never ends",
            ),
            Pair("  and (e.streaming_until is null or e.streaming_until < now())\n", "", "delivery beside a stream"),
            Pair(
                "(e.streaming_until is null or e.streaming_until < now())",
                "e.streaming_until is null",
                "a stream that died suspends delivery without an end",
            ),
            Pair(
                "u.closed_at is null and u.disabled_at is null and u.plan",
                "u.disabled_at is null and u.plan",
                "delivery to a closed account",
            ),
            Pair(
                "u.closed_at is null and u.disabled_at is null and u.plan",
                "u.closed_at is null and u.plan",
                "delivery to a disabled account",
            ),
            Pair(" and u.plan = any (%(plans)s)", "", "delivery on a plan without push"),
            Pair(
                "k.revoked_at is null and 'read' = any (k.scopes)",
                "'read' = any (k.scopes)",
                "delivery to a revoked credential",
            ),
            Pair(
                "k.revoked_at is null and 'read' = any (k.scopes)",
                "k.revoked_at is null",
                "delivery to a credential that may not read",
            ),
            Pair("  and not {DELIVERY_PAUSED}\n", "", "delivery while paused"),
            Pair(
                "{user_condition} and not e.slow and e.failures = 0",
                "{user_condition}",
                "failing endpoints take quick slots",
            ),
            Pair(
                "{user_condition} and (e.slow or e.failures > 0)",
                "{user_condition} and e.slow",
                "a failing endpoint is never retried",
            ),
            Pair(
                "{user_condition} and (e.slow or e.failures > 0)",
                "{user_condition} and e.failures > 0",
                "a slow endpoint is never served",
            ),
            Pair(
                "or e.seq > f.seq as has_invalid_cursor",
                "or e.seq >= f.seq as has_invalid_cursor",
                "the edge of an invalid cursor",
                "an endpoint at the end of its feed isn't due",
            ),
            Pair(" or e.seq > f.seq as has_invalid_cursor", " as has_invalid_cursor", "a cursor ahead of the feed"),
            Pair("e.epoch is distinct from f.epoch or", "false or", "a cursor of another epoch"),
            Pair(
                "t.seq > e.seq and t.created_at < now() - %(replayed)s",
                "t.created_at < now() - %(replayed)s",
                "an old transition that was delivered",
            ),
            Pair(
                "failures = case when %(delivered)s then 0 else failures end",
                "failures = failures",
                "failures after a success",
            ),
            Pair(
                "failing_since = case when %(delivered)s then null else failing_since end",
                "failing_since = failing_since",
                "failing since, after a success",
            ),
            Pair(
                "off_at = case when %(delivered)s then null else off_at end",
                "off_at = off_at",
                "switched on by a success",
            ),
            Pair("e.id = %(id)s and e.lease_token = %(token)s", "e.id = %(id)s", "a lost lease moves the cursor"),
            Pair(
                "failing_since = coalesce(failing_since, now())",
                "failing_since = now()",
                "each failure restarts the outage",
            ),
            Pair("then coalesce(off_at, now()) end", "then now() end", "each probe restarts the off time"),
            Pair(
                "where id = %(id)s and lease_token = %(token)s", "where id = %(id)s", "a lost lease records a failure"
            ),
            Pair("where id = %s and lease_token = %s", "where id = %s and lease_token <> %s", "a lease isn't released"),
            Pair("timedelta(seconds=60)", "timedelta(seconds=6000)", "the duration of a lease"),
        ),
    ),
    PairTable(
        file="relay/delivery/retry.py",
        tests=("tests/relay/delivery/test_retry.py",),
        pairs=(
            Pair("(5, 30, 120, 600, 1800)", "(5, 30, 120, 600, 3600)", "the delay after the fifth failure"),
            Pair("(5, 30, 120, 600, 1800)", "(6, 30, 120, 600, 1800)", "the delay after the first failure"),
            Pair("JITTER = 0.2", "JITTER = 0.0", "retries without a spread"),
            Pair("OFF_AFTER = timedelta(days=5)", "OFF_AFTER = timedelta(days=6)", "when an endpoint is switched off"),
            Pair(
                "PROBE_INTERVAL = timedelta(hours=6)", "PROBE_INTERVAL = timedelta(hours=7)", "how often it is probed"
            ),
            Pair("PROBE_PERIOD = timedelta(days=30)", "PROBE_PERIOD = timedelta(days=31)", "how long it is probed"),
            Pair("HOURLY_DELAY = timedelta(hours=1)", "HOURLY_DELAY = timedelta(hours=2)", "the later delays"),
        ),
    ),
    PairTable(
        file="relay/delivery/stream_lease.py",
        tests=(
            "tests/relay/delivery/test_stream_lease.py",
            "tests/relay/usecases/endpoints/test_stream_and_endpoint.py",
        ),
        pairs=(
            Pair("then greatest(seq, %(seq)s)", "then %(seq)s", "the cursor moves back"),
            Pair("else %(seq)s end", "else greatest(seq, %(seq)s) end", "the cursor of another epoch"),
            Pair(
                "or streaming_until is null or streaming_until < now())",
                "or streaming_until is null)",
                "an expired lease",
            ),
            Pair(
                "(%(held)s::timestamptz is null or streaming_until = %(held)s\n",
                "(true\n",
                "an older stream renews the lease",
            ),
            Pair(
                "streaming_until is not null\n  and (%(held)s::timestamptz is null or streaming_until = %(held)s)",
                "streaming_until is not null",
                "an older stream releases the lease",
            ),
            Pair("timedelta(seconds=60)", "timedelta(seconds=600)", "how long a dead stream suspends delivery"),
        ),
    ),
    PairTable(
        file="relay/delivery/repository.py",
        tests=(
            "tests/relay/usecases/endpoints/test_register_endpoint.py",
            *ENDPOINTS,
            "tests/relay/usecases/operations",
        ),
        pairs=(
            Pair(
                "last_failure = null, off_at = null, slow = false,\n",
                "last_failure = null, slow = false,\n",
                "registering switches on",
            ),
            Pair(
                "k.id = e.credential_id and k.revoked_at is null)",
                "k.id = e.credential_id)",
                "endpoints of revoked credentials stay",
            ),
            Pair(
                "set failures = 0, failing_since = null, off_at = null, slow",
                "set failures = 0, failing_since = null, slow",
                "a test that arrives switches on",
            ),
            Pair('and {interval_has_passed("tested_at")} returning', "returning", "tests without a limit"),
        ),
    ),
    PairTable(
        file="relay/delivery/classic_repository.py",
        tests=(
            "tests/relay/usecases/classic/test_webhook_routes.py",
            "tests/relay/usecases/endpoints/test_deliver_classic.py",
            "tests/relay/usecases/classic",
        ),
        pairs=(
            Pair("MAX_CLASSIC_ENDPOINTS = 20", "MAX_CLASSIC_ENDPOINTS = 21", "the number of classic endpoints"),
            Pair(
                "    order by created_at desc, id offset",
                "    order by created_at, id offset",
                "the newest endpoints are deleted",
            ),
            Pair(
                "epoch = case when old.vehicle_id is not distinct from excluded.vehicle_id then old.epoch end",
                "epoch = old.epoch",
                "the cursor of another vehicle",
            ),
            Pair(
                "order by created_at desc, id desc limit 1",
                "order by created_at, id limit 1",
                "the oldest endpoint is tested",
            ),
            Pair(
                "webhook_id = coalesce(%s, webhook_id)", "webhook_id is distinct from %s", "another webhook is deleted"
            ),
        ),
    ),
)
