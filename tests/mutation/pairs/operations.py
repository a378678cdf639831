"""Pruning, and the health of Enode's webhook."""

from scripts.lib.mutation.tables import Pair, PairTable

OPERATIONS = ("tests/relay/usecases/operations",)

PAIRS = (
    PairTable(
        file="relay/usecases/operations/prune_history.py",
        tests=(
            "tests/relay/usecases/operations/test_prune_history.py",
            *OPERATIONS,
            "tests/relay/usecases/account",
        ),
        pairs=(
            Pair(
                "where created_at < now() - %s and state = any (%s) limit",
                "where created_at < now() - %s and state <> all (%s) limit",
                "pending events are deleted",
            ),
            Pair(
                "n.seq > t.seq and n.created_at < now() - %s)",
                "n.seq > t.seq and n.created_at < now() + 0 * %s)",
                "the newest expired transition is deleted",
            ),
            Pair(
                "select id from poll_logs where created_at < now() - %s order",
                "select id from poll_logs where created_at < now() + 0 * %s order",
                "calls are deleted too early",
            ),
            Pair(
                "from charging_samples s where s.vehicle_id = v.id and s.at < %s)",
                "from charging_samples s where s.vehicle_id = v.id or s.at < %s)",
                "vehicles without old samples are read",
            ),
            Pair(
                "where fetched_at < now() - %s limit",
                "where fetched_at < now() + 0 * %s limit",
                "interventions that are used are deleted",
            ),
            Pair(
                "on d.id = w.user_id where w.state <> 'pending' limit",
                "on d.id = w.user_id where true limit",
                "pending events of a deleted user are deleted before they are processed",
            ),
            Pair(
                "TRANSITION_RETENTION = timedelta(hours=25)",
                "TRANSITION_RETENTION = timedelta(hours=23)",
                "transitions that are still replayed are deleted",
            ),
            Pair(
                "AMENDMENT_WINDOW = timedelta(days=14)",
                "AMENDMENT_WINDOW = timedelta(days=13)",
                "samples that can still be amended are deleted",
            ),
            Pair(
                "processed: timedelta = timedelta(hours=72)",
                "processed: timedelta = timedelta(hours=71)",
                "processed events are deleted too early",
            ),
            Pair(
                "set_aside: timedelta = timedelta(days=30)",
                "set_aside: timedelta = timedelta(days=29)",
                "bodies that were set aside are deleted too early",
            ),
            Pair(
                "calls: timedelta = timedelta(days=90)",
                "calls: timedelta = timedelta(days=89)",
                "calls are deleted a day too early",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/operations/webhook_secret.py",
        tests=(
            "tests/relay/usecases/operations/test_webhook_secret.py",
            "tests/relay/usecases/operations/test_ensure_webhook_subscription.py",
        ),
        pairs=(
            Pair("MIN_LENGTH = 16", "MIN_LENGTH = 15", "a new secret may have 15 characters"),
            Pair("MIN_LENGTH = 16", "MIN_LENGTH = 17", "a secret of 16 characters is refused"),
            Pair("return matches_keyed or matches_plain", "return matches_keyed", "an update renews the subscription"),
            Pair(
                "   and exists (select from evconduit.webhook_logs where source = 'webhook')",
                "   and false",
                "an update stops a relay whose operator keeps the subscription",
            ),
            Pair(
                "if not is_too_short(secret) or _is_known_to_enode",
                "if True or _is_known_to_enode",
                "a short secret is accepted after its rotation",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/operations/monitor_webhook_health.py",
        tests=(
            "tests/relay/usecases/operations/test_monitor_webhook_health.py",
            *OPERATIONS,
        ),
        pairs=(
            Pair(
                'where {is_recent("f.minute", "interval \'1 hour\'")}\n', "where true\n", "old wrong signatures count"
            ),
            Pair(
                "       and f.minute > coalesce(last_event.created_at, '-infinity')) as failures",
                "       ) as failures",
                "wrong signatures before the last right one count",
            ),
            Pair("and l.source = 'webhook'", "and l.source <> 'x'", "a poll counts as a sign that the webhook works"),
            Pair(
                "order by l.created_at desc limit 1",
                "order by l.created_at limit 1",
                "the first event counts as the last",
            ),
            Pair(
                "order by s.updated_at desc limit 1",
                "order by s.updated_at limit 1",
                "an old subscription counts as the current one",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/operations/webhook_health.py",
        tests=(
            "tests/relay/usecases/operations/test_webhook_health.py",
            *OPERATIONS,
        ),
        pairs=(
            Pair(
                "UNREACHABLE_AFTER = timedelta(minutes=2)",
                "UNREACHABLE_AFTER = timedelta(minutes=1)",
                "a single failed check raises an alert",
            ),
            Pair("MIN_SIGNATURE_FAILURES = 3", "MIN_SIGNATURE_FAILURES = 2", "two wrong signatures raise an alert"),
            Pair("MIN_SIGNATURE_FAILURES = 3", "MIN_SIGNATURE_FAILURES = 4", "three wrong signatures raise no alert"),
            Pair(
                "OUTAGE_AFTER = timedelta(minutes=10)",
                "OUTAGE_AFTER = timedelta(minutes=11)",
                "an outage of ten minutes raises no alert",
            ),
            Pair(
                "ALERT_REPEAT_INTERVAL = timedelta(hours=24)",
                "ALERT_REPEAT_INTERVAL = timedelta(hours=25)",
                "an alert is repeated too late",
            ),
        ),
    ),
)
