"""Delivery to endpoints: which are due, leases, retries."""

from scripts.lib.mutation.tables import Pair, PairTable

ENDPOINTS = ("tests/relay/usecases/endpoints",)

PAIRS = (
    PairTable(
        file="relay/delivery/delivery_queue.py",
        tests=(
            "tests/relay/delivery/test_delivery_queue.py",
            *ENDPOINTS,
        ),
        pairs=(
            Pair('where {is_due("e.next_try_at", MAX_TRY_AHEAD)}', "where true", "a retry comes before its time"),
            Pair(
                '(e.leased_until is null or {is_due("e.leased_until", format_interval(LEASE_DURATION))})',
                "true",
                "two processes lease one endpoint",
            ),
            Pair(
                '(e.leased_until is null or {is_due("e.leased_until", format_interval(LEASE_DURATION))})',
                "e.leased_until is null",
                "a lease of a dead process never ends",
            ),
            Pair("  and {IS_FREE_OF_STREAMS}\n", "", "delivery goes on beside a stream"),
            Pair("{IS_FREE_OF_STREAMS}", "e.streaming_until is null", "a dead stream suspends delivery without an end"),
            Pair(
                "then {format_interval(MAX_PROBE_INTERVAL)}",
                "then {format_interval(MAX_HOURLY_DELAY)}",
                "an endpoint that is off is probed all the time",
            ),
            Pair(
                "(*INITIAL_DELAYS, MAX_HOURLY_DELAY)",
                "(*INITIAL_DELAYS, MAX_PROBE_INTERVAL)",
                "an hourly retry of a clock that was ahead waits for hours",
            ),
            Pair(
                "u.closed_at is null and u.disabled_at is null and u.plan",
                "u.disabled_at is null and u.plan",
                "delivery to a closed account goes on",
            ),
            Pair(
                "u.closed_at is null and u.disabled_at is null and u.plan",
                "u.closed_at is null and u.plan",
                "delivery to a disabled account goes on",
            ),
            Pair(" and u.plan = any (%(plans)s)", "", "delivery goes on without push in the plan"),
            Pair(
                "k.revoked_at is null and 'read' = any (k.scopes)",
                "'read' = any (k.scopes)",
                "delivery to a revoked credential goes on",
            ),
            Pair(
                "k.revoked_at is null and 'read' = any (k.scopes)",
                "k.revoked_at is null",
                "a credential that may not read gets vehicle data",
            ),
            Pair("  and not {DELIVERY_PAUSED}\n", "", "delivery goes on while paused"),
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
                "a cursor at the end of the feed is invalid",
                "an endpoint at the end of its feed isn't due",
            ),
            Pair(
                " or e.seq > f.seq as has_invalid_cursor",
                " as has_invalid_cursor",
                "a cursor ahead of the feed is valid",
            ),
            Pair("e.epoch is distinct from f.epoch or", "false or", "a cursor of another epoch is valid"),
            Pair(
                "t.seq > e.seq and t.created_at < now() - %(replayed)s",
                "t.created_at < now() - %(replayed)s",
                "a delivered transition that is old counts as missed",
            ),
            Pair(
                "failures = case when %(delivered)s then 0 else failures end",
                "failures = failures",
                "failures are counted on after a success",
            ),
            Pair(
                "failing_since = case when %(delivered)s then null else failing_since end",
                "failing_since = failing_since",
                "an endpoint is still failing after a success",
            ),
            Pair(
                "off_at = case when %(delivered)s then null else off_at end",
                "off_at = off_at",
                "a success doesn't switch an endpoint on",
            ),
            Pair("e.id = %(id)s and e.lease_token = %(token)s", "e.id = %(id)s", "a lost lease moves the cursor"),
            Pair(
                "failing_since = coalesce(failing_since, now())",
                "failing_since = now()",
                "each failure restarts the outage",
            ),
            Pair(
                "where e.id = %s and e.lease_token = %s\n      and u.closed_at",
                "where e.id = %s and %s::uuid is not null\n      and u.closed_at",
                "a delivery in flight goes to an address that was replaced",
            ),
            Pair(
                "u.disabled_at is null and k.revoked_at is null)",
                "u.disabled_at is null)",
                "a delivery in flight goes to a revoked credential",
            ),
            Pair("then coalesce(off_at, now()) end", "then now() end", "each probe restarts the off time"),
            Pair(
                "where id = %(id)s and lease_token = %(token)s", "where id = %(id)s", "a lost lease records a failure"
            ),
            Pair("where id = %s and lease_token = %s", "where id = %s and lease_token <> %s", "a lease isn't released"),
            Pair(
                "timedelta(seconds=60)",
                "timedelta(seconds=6000)",
                "a lease lasts for 100 minutes after its process died",
            ),
            Pair(
                "order by e.next_try_at limit %(quick)s",
                "order by e.next_try_at desc limit %(quick)s",
                "quick endpoints that wait longest come last",
            ),
            Pair(
                "order by e.next_try_at limit %(slow)s",
                "order by e.next_try_at desc limit %(slow)s",
                "slow endpoints that wait longest come last",
            ),
            Pair("t.seq > e.seq", "t.seq >= e.seq", "a delivered transition that is old counts as missed"),
            Pair("t.user_id = e.user_id and t.seq", "t.seq", "a transition of another account makes a cursor stale"),
            Pair(
                "failures = failures + 1",
                "failures = failures + 2",
                "a failure counts twice, so that retries end too early",
            ),
            Pair(
                "case when %(delivered)s then 0 else failures end",
                "0",
                "an attempt that sent nothing resets the failures",
            ),
            Pair(
                "case when %(delivered)s then now() else last_success_at end",
                "now()",
                "an attempt that sent nothing counts as a success",
            ),
            Pair(
                'where id = %s and lease_token = %s"',
                'where id = %s and %s is not null"',
                "a process that lost its lease releases another's",
            ),
            Pair(
                "LEASE_DURATION = timedelta(seconds=60)",
                "LEASE_DURATION = timedelta(seconds=61)",
                "a lease lasts too long after its process died",
            ),
            Pair(
                "limit %(quick)s for update of e skip locked",
                "limit %(quick)s for update of e",
                "processes wait for each other's endpoints",
            ),
            Pair(
                "(f.epoch, f.seq) is distinct from (e.epoch, e.seq) from feeds f",
                "f.seq is distinct from e.seq from feeds f",
                "an endpoint with a cursor of another epoch isn't due",
            ),
        ),
    ),
    PairTable(
        file="relay/delivery/retry.py",
        tests=("tests/relay/delivery/test_retry.py",),
        pairs=(
            Pair("(5, 30, 120, 600, 1800)", "(5, 30, 120, 600, 3600)", "the fifth retry comes too late"),
            Pair("(5, 30, 120, 600, 1800)", "(6, 30, 120, 600, 1800)", "the first retry comes too late"),
            Pair("JITTER = 0.2", "JITTER = 0.0", "endpoints that failed together are retried together"),
            Pair(
                "OFF_AFTER = timedelta(days=5)", "OFF_AFTER = timedelta(days=6)", "an endpoint is switched off too late"
            ),
            Pair(
                "PROBE_INTERVAL = timedelta(hours=6)",
                "PROBE_INTERVAL = timedelta(hours=7)",
                "an endpoint that is off is probed too rarely",
            ),
            Pair(
                "PROBE_PERIOD = timedelta(days=30)",
                "PROBE_PERIOD = timedelta(days=31)",
                "an endpoint that is off is probed for too long",
            ),
            Pair(
                "HOURLY_DELAY = timedelta(hours=1)",
                "HOURLY_DELAY = timedelta(hours=2)",
                "later retries come too rarely",
            ),
            Pair("JITTER = 0.2", "JITTER = 0.3", "retries spread too widely"),
            Pair(
                "OFF_AFTER = timedelta(days=5)",
                "OFF_AFTER = timedelta(days=4)",
                "an endpoint is switched off too early",
            ),
            Pair(
                "PROBE_INTERVAL = timedelta(hours=6)",
                "PROBE_INTERVAL = timedelta(hours=5)",
                "an endpoint that is off is probed too often",
            ),
            Pair(
                "PROBE_PERIOD = timedelta(days=30)",
                "PROBE_PERIOD = timedelta(days=29)",
                "an endpoint that is off is given up too early",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/endpoints/deliver_to_endpoints.py",
        tests=(
            "tests/relay/usecases/endpoints/test_deliver_to_endpoints.py",
            "tests/relay/usecases/endpoints/test_deleted_endpoint.py",
        ),
        pairs=(
            Pair(
                ", confirm=is_still_leased)",
                ")",
                "a delivery in flight goes to a deleted endpoint",
            ),
            Pair(
                "            random_fraction=random.random(),  # noqa: S311 - spreads retries, no secret\n",
                "",
                "endpoints that failed together are retried together",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/endpoints/deliver_message.py",
        tests=("tests/relay/usecases/endpoints/test_over_limit_delivery.py",),
        pairs=(
            Pair(
                '        and message.record["link"]["state"] != "over_limit"\n',
                "",
                "a vehicle over the limit is delivered to classic clients",
            ),
        ),
    ),
)
