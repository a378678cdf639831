"""Endpoints: registration, secrets, and streams that suspend delivery."""

from scripts.lib.mutation.tables import Pair, PairTable

ENDPOINTS = ("tests/relay/usecases/endpoints",)

PAIRS = (
    PairTable(
        file="relay/delivery/stream_lease.py",
        tests=(
            "tests/relay/delivery/test_stream_lease.py",
            "tests/relay/usecases/endpoints/test_stream_and_endpoint.py",
        ),
        pairs=(
            Pair("then greatest(seq, %(seq)s)", "then %(seq)s", "the cursor moves back"),
            Pair("else %(seq)s end", "else greatest(seq, %(seq)s) end", "the cursor stays ahead in a new epoch"),
            Pair(
                "streaming_until = %(held)s or {IS_FREE_OF_STREAMS})",
                "streaming_until = %(held)s or e.streaming_until is null)",
                "an expired lease can't be acquired",
            ),
            Pair(
                "(%(held)s::timestamptz is null or streaming_until = %(held)s or {",
                "(true or {",
                "an older stream renews the lease",
            ),
            Pair(
                "streaming_until is not null\n  and (%(held)s::timestamptz is null or streaming_until = %(held)s)",
                "streaming_until is not null",
                "an older stream releases the lease",
            ),
            Pair("is null and off_at is null", "is null", "a stream resets an endpoint that is off"),
            Pair(
                "%(held)s::timestamptz is null and off_at",
                "%(held)s::timestamptz is not null and off_at",
                "an endpoint keeps its delays when a stream starts",
            ),
            Pair("timedelta(seconds=60)", "timedelta(seconds=600)", "a dead stream suspends delivery for ten minutes"),
            Pair(
                "greatest(seq, %(seq)s)",
                "greatest(seq::text, (%(seq)s::bigint)::text)::bigint",
                "sequence numbers are compared as text: 9 and 10",
            ),
            Pair(
                "LEASE_DURATION = timedelta(seconds=60)",
                "LEASE_DURATION = timedelta(seconds=0)",
                "a stream's lease ends at once",
            ),
        ),
    ),
    PairTable(
        file="relay/delivery/repository.py",
        tests=(
            "tests/relay/delivery/test_repository.py",
            "tests/relay/usecases/endpoints/test_register_endpoint.py",
            *ENDPOINTS,
            "tests/relay/usecases/operations",
        ),
        pairs=(
            Pair(
                "'v2', %(url)s, f.epoch, f.seq from",
                "'v2', %(url)s, null, null from",
                "a new endpoint misses what happened between its registration and its first delivery",
            ),
            Pair(
                "last_failure = null, off_at = null, slow = false,\n",
                "last_failure = null, slow = false,\n",
                "registering doesn't switch an endpoint on",
            ),
            Pair(
                "where e.id = %s and e.url = %s and u.closed_at",
                "where e.id = %s and %s <> '' and u.closed_at",
                "a test message goes to an address that was replaced",
            ),
            Pair(
                "k.id = e.credential_id and k.revoked_at is null)",
                "k.id = e.credential_id)",
                "endpoints of revoked credentials stay",
            ),
            Pair(
                "set failures = 0, failing_since = null, off_at = null, slow",
                "set failures = 0, failing_since = null, slow",
                "a test that arrives doesn't switch an endpoint on",
            ),
            Pair(
                'and {interval_has_passed("tested_at")} returning',
                "returning",
                "test messages are sent without a limit",
            ),
            Pair(
                "where kind = 'v2' and credential_id = %s\"",
                "where kind = 'v2' or credential_id = %s\"",
                "deleting an endpoint deletes those of all accounts",
            ),
            Pair(
                "where e.kind = 'v2' and e.credential_id",
                "where e.credential_id",
                "a classic endpoint is found as the integration's",
            ),
            Pair(
                "last_success_at = now(),\n    next_try_at = now()\nwhere id = %s",
                "last_success_at = now(),\n    next_try_at = now()\nwhere id = id or id = %s",
                "one endpoint that answers switches all of them on",
            ),
            Pair(
                "and credential_id = %(credential_id)s and {interval",
                "and {interval",
                "a test message claims all endpoints",
            ),
        ),
    ),
    PairTable(
        file="relay/delivery/classic_repository.py",
        tests=(
            "tests/relay/delivery/test_repository.py",
            "tests/relay/usecases/classic/test_webhook_routes.py",
            "tests/relay/usecases/endpoints/test_deliver_classic.py",
            "tests/relay/usecases/classic",
        ),
        pairs=(
            Pair(
                "MAX_CLASSIC_ENDPOINTS = 20",
                "MAX_CLASSIC_ENDPOINTS = 21",
                "a credential has 21 classic endpoints instead of 20",
            ),
            Pair(
                "    order by created_at desc, id offset",
                "    order by created_at, id offset",
                "the newest endpoints are deleted",
            ),
            Pair(
                "epoch = case when old.vehicle_id is not distinct from excluded.vehicle_id then old.epoch end",
                "epoch = old.epoch",
                "an endpoint keeps the cursor of another vehicle",
            ),
            Pair(
                "order by created_at desc, id desc limit 1",
                "order by created_at, id limit 1",
                "the oldest endpoint is tested",
            ),
            Pair(
                "webhook_id = coalesce(%s, webhook_id)", "webhook_id is distinct from %s", "another webhook is deleted"
            ),
            Pair(
                "where e.kind = 'classic' and e.credential_id = %s order by e.created_at, e.id",
                "where e.kind = 'classic' and e.credential_id = %s order by e.created_at desc, e.id",
                "the newest classic endpoint comes first",
            ),
            Pair(
                "and credential_id = %s order by created_at desc, id desc limit 1",
                "and credential_id = %s order by created_at, id desc limit 1",
                "the oldest classic endpoint is tested",
            ),
            Pair(
                "credential_id = %(credential_id)s and webhook_id <> %(webhook_id)s\nand (vehicle_id",
                "user_id = %(user_id)s and webhook_id <> %(webhook_id)s\nand (vehicle_id",
                "a registration for a vehicle deletes another installation's",
            ),
            Pair(
                "credential_id = %(credential_id)s and webhook_id <> %(webhook_id)s\n    order",
                "user_id = %(user_id)s and webhook_id <> %(webhook_id)s\n    order",
                "an installation's many webhooks delete another's",
            ),
            Pair(
                "where kind = 'classic' and credential_id = %s and webhook_id = coalesce(%s, webhook_id)",
                "where kind = 'classic' and credential_id = %s and coalesce(%s, webhook_id) is not null",
                "all classic endpoints are deleted instead of one",
            ),
            Pair(
                "(vehicle_id = %(vehicle_id)s or id in",
                "(id in",
                "a second registration for a vehicle leaves the first",
            ),
        ),
    ),
    PairTable(
        file="relay/delivery/signing.py",
        tests=("tests/relay/delivery/test_signing.py",),
        pairs=(
            Pair(
                'b"evconduit/endpoint-secret/1\\0"',
                'b"evconduit/endpoint-secret/2\\0"',
                "the secrets of all endpoints change",
            ),
            Pair(
                'SECRET_PREFIX = "whsec_"',
                'SECRET_PREFIX = "whsek_"',
                "a client doesn't recognise the secret of its endpoint",
            ),
        ),
    ),
)
