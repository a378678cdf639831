"""Credentials: keys and installations."""

from scripts.lib.mutation.tables import Pair, PairTable

PAIRS = (
    PairTable(
        file="relay/usecases/access/manage_keys.py",
        tests=(
            "tests/relay/usecases/access/test_manage_keys.py",
            "tests/relay/pages/test_keys.py",
            "tests/relay/pages",
            "tests/relay/cli",
        ),
        pairs=(
            Pair(
                "where user_id = %s and (revoked_at is null or %s)",
                "where user_id = %s and (true or %s)",
                "revoked keys are listed",
            ),
            Pair(
                'where user_id = %s and id = %s and revoked_at is null\n"""\n# Ser',
                'where user_id = %s and id = %s\n"""\n# Ser',
                "the page of a revoked key still opens",
            ),
            Pair(
                "select count(*) from api_keys where user_id = %s and revoked_at is null",
                "select count(*) from api_keys where user_id = %s",
                "revoked keys count towards the limit",
            ),
            Pair(
                "set revoked_at = now() where user_id = %s and id = %s",
                "set revoked_at = now() where user_id is distinct from %s and id = %s",
                "a key of another user is revoked",
            ),
            Pair("MAX_KEYS = 50", "MAX_KEYS = 51", "an account has 51 keys instead of 50"),
            Pair("order by created_at desc, id", "order by created_at, id", "the oldest key comes first"),
            Pair(
                "set revoked_at = now() where user_id = %s and id = %s",
                "set revoked_at = now() where %s::uuid is not null and id = %s",
                "a key of another account is revoked",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/access/list_installations.py",
        tests=(
            "tests/relay/usecases/access/test_installations.py",
            "tests/relay/pages/test_installations.py",
            "tests/relay/pages",
        ),
        pairs=(
            Pair(
                "where c.user_id = %(user_id)s and c.revoked_at is null",
                "where c.user_id = %(user_id)s",
                "revoked credentials are listed as installations",
            ),
            Pair(
                "timedelta(hours=13)",
                "timedelta(hours=11)",
                "a client that polls every twelve hours is shown as inactive",
            ),
            Pair(
                "coalesce(not {IS_FREE_OF_STREAMS}, false)",
                "e.streaming_until is not null",
                "an expired stream is shown as open",
            ),
            Pair(
                "POLLING_WINDOW = timedelta(hours=13)",
                "POLLING_WINDOW = timedelta(hours=14)",
                "a client that stopped polling is shown as polling",
            ),
            Pair(
                "order by e.kind desc, e.created_at desc limit 1",
                "order by e.created_at desc limit 1",
                "a classic endpoint hides the integration's",
            ),
            Pair(
                "order by e.kind desc, e.created_at desc limit 1",
                "order by e.kind desc, e.created_at limit 1",
                "an older endpoint is shown",
            ),
            Pair(
                "last_used_at desc nulls last, c.created_at desc",
                "last_used_at desc, c.created_at desc",
                "credentials that were never used come first",
            ),
            Pair(
                "c.last_used_at desc nulls last, c.created_at desc",
                "c.last_used_at desc nulls last, c.created_at",
                "of unused credentials, the oldest comes first",
            ),
            Pair(
                '"update api_keys set revoked_at = now() where user_id = %s and id',
                '"update api_keys set revoked_at = now() where %s::uuid is not null and id',
                "an API key of another account is revoked",
            ),
        ),
    ),
)
