"""What allows a call."""

from scripts.lib.mutation.tables import Pair, PairTable

CALLS = ("tests/relay/usecases/calls", "tests/relay/usecases/account", "tests/relay/pages", "tests/relay/every_route")

PAIRS = (
    PairTable(
        file="relay/usecases/calls/authorize_statements.py",
        tests=(
            "tests/relay/usecases/calls/test_authorize.py",
            "tests/relay/usecases/calls/test_call_charges.py",
            "tests/relay/usecases/oauth/test_refresh.py",
            "tests/relay/usecases/calls",
            "tests/relay/usecases/oauth",
            "tests/relay/usecases/commands/test_pause_commands.py",
            "tests/relay/usecases/access",
            *CALLS,
            "tests/relay/usecases/commands",
        ),
        pairs=(
            Pair(
                "where k.key_hash = %(lookup)s and k.revoked_at is null and u.closed_at is null",
                "where k.key_hash = %(lookup)s and u.closed_at is null",
                "a revoked key still works",
            ),
            Pair(
                "where k.key_hash = %(lookup)s and k.revoked_at is null and u.closed_at is null",
                "where k.key_hash = %(lookup)s and k.revoked_at is null",
                "a key of a closed account still works",
            ),
            Pair("and t.access_expires_at > now() ", "", "an expired access token still works"),
            Pair(
                "and k.revoked_at is null\n          and u.closed_at is null",
                "and u.closed_at is null",
                "an access token of a revoked grant still works",
            ),
            Pair(
                "and k.revoked_at is null\n          and u.closed_at is null",
                "and k.revoked_at is null",
                "an access token of a closed account still works",
            ),
            Pair(
                "and (t.used_at is not null or not exists (",
                "and (t.used_at is null or not exists (",
                "the twin of a used token pair still works",
            ),
            Pair(
                "where s.replaces = t.replaces and s.used_at is not null))",
                "where s.replaces = t.replaces and s.used_at is null))",
                "an unused twin ends a token pair",
            ),
            Pair(" and u.approved_at is not null and u.closed_at", " and u.closed_at", "a JWT works before approval"),
            Pair(
                "u.approved_at is not null and u.closed_at is null",
                "u.approved_at is not null",
                "a JWT of a closed account still works",
            ),
            Pair(
                "'{{read,control,account}}'::text[]", "'{{read,control}}'::text[]", "a person lacks the scope account"
            ),
            Pair("interval '1 minute'", "interval '1 hour'", "the last use is written too rarely"),
            Pair(
                "last_used_at is null or {is_before",
                "{is_before",
                "the first use of a credential isn't written",
            ),
            Pair(
                "case when t.used_at is null then t.id end as unused_pair",
                "null::uuid as unused_pair",
                "a token pair is never marked as used",
            ),
            Pair(
                "where k.id = %(lookup)s and k.revoked_at is null and u.closed_at is null",
                "where k.id = %(lookup)s and u.closed_at is null",
                "a stream goes on after its credential is revoked",
            ),
            Pair(
                "where k.id = %(lookup)s and k.revoked_at is null and u.closed_at is null",
                "where k.id = %(lookup)s and k.revoked_at is null",
                "a stream goes on after its account is closed",
            ),
            Pair("where {IS_SERVED} and {MATCHES_ID}", "where {MATCHES_ID}", "a vehicle over the limit gets commands"),
            Pair(
                "select %(scope)s = 'control' and {COMMANDS_PAUSED} as paused",
                "select {COMMANDS_PAUSED} as paused",
                "paused commands also stop reading",
            ),
            Pair(
                "where %(scope)s = any (scopes) and not disabled",
                "where not disabled",
                "a call without the scope is charged",
            ),
            Pair(
                "where %(scope)s = any (scopes) and not disabled",
                "where %(scope)s = any (scopes)",
                "a refused call of a disabled account is charged",
            ),
            Pair(
                "      and not (select paused from switch)\n", "", "a command that is refused while paused is charged"
            ),
            Pair(
                "      and (%(vehicle)s::text is null or exists (select from requested_vehicle))\n",
                "",
                "a call for an unknown vehicle is charged",
            ),
            Pair(
                "%(scope)s = 'control' and {COMMANDS_PAUSED} as paused",
                "false as paused",
                "commands go through while they are paused",
            ),
            Pair(
                "from caller join vehicles v using (user_id)",
                "from caller cross join vehicles v",
                "a command reaches a vehicle of another account",
            ),
            Pair("where u.supabase_id = %(lookup)s and", "where", "a JWT is accepted as another account"),
            Pair("u.disabled_at is not null as disabled", "false as disabled", "a disabled account still works"),
            Pair("{PERIOD_START} as period", "u.quota_anchor as period", "all quota months are the first one"),
            Pair(
                'last_used_at is null or {is_before("last_used_at", "interval \'1 minute\'")}',
                "last_used_at is null",
                "the last use is written once and never again",
            ),
            Pair(
                'last_used_at is null or {is_before("last_used_at", "interval \'1 minute\'")}',
                "true",
                "the last use is written with each call",
            ),
            Pair("interval '1 minute'", "interval '2 minutes'", "the last use is written too rarely"),
            Pair(
                '{UPDATE_LAST_USE["key"]},',
                "nothing as (select),",
                "the last use of an API key that streams isn't written",
            ),
            Pair(
                "grant_last_use_updated as (update oauth_grants",
                "grant_last_use_updated as (update api_keys",
                "the last use of a grant that streams isn't written",
            ),
            Pair(
                "left join usage_months m using (user_id, period)",
                "left join usage_months m using (user_id)",
                "calls of another month count",
            ),
            Pair(
                "left join call_token_balances b using (user_id)",
                "cross join call_token_balances b",
                "the call tokens of another account are shown",
            ),
            Pair("coalesce(m.used, 0)", "m.used", "the first call of a month has no number of used calls"),
            Pair("coalesce(b.balance, 0)", "b.balance", "a user without call tokens has no number of tokens"),
            Pair(
                "          and (t.used_at is not null or not exists (",
                "          and (true or not exists (",
                "two token pairs of one refresh token both work",
            ),
            Pair(
                "s.replaces = t.replaces and s.used_at is not null",
                "s.replaces = t.replaces",
                "no token pair works after a refresh",
            ),
            Pair("interval '1 minute'", "interval '30 seconds'", "the last use is written too often"),
            Pair(
                "{PERIOD_START} as period",
                "u.created_at as period",
                "the quota month begins when the account was created, not at its anchor",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/calls/authorize.py",
        tests=("tests/relay/usecases/calls/test_call_charges.py",),
        pairs=(
            Pair(
                "PAUSED_RETRY_AFTER_SECONDS = 60",
                "PAUSED_RETRY_AFTER_SECONDS = 61",
                "a client retries paused commands too late",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/calls/pause_switches.py",
        tests=(
            "tests/relay/usecases/calls/test_call_charges.py",
            "tests/relay/usecases/commands/test_pause_commands.py",
            "tests/relay/cli",
            "tests/relay/usecases/calls",
        ),
        pairs=(
            Pair(
                "where key = 'commands_paused' and value = 'true')",
                "where key = 'commands_paused')",
                "commands stay paused after they are resumed",
            ),
            Pair(
                "where key = any (%s) and value = 'true'",
                "where key = any (%s)",
                "a resumed switch is listed as paused",
            ),
            Pair(
                "key = 'commands_paused' and value = 'true'",
                "value = 'true'",
                "another switch that is on pauses commands",
            ),
        ),
    ),
)
