"""What allows a call, and what it costs."""

from scripts.lib.mutation.tables import Pair, PairTable

CALLS = ("tests/relay/usecases/calls", "tests/relay/usecases/account", "tests/relay/pages", "tests/relay/every_route")
METERING = ("tests/relay/metering", "tests/relay/usecases/calls", "tests/relay/usecases/account")

PAIRS = (
    PairTable(
        file="relay/usecases/calls/authorize_statements.py",
        tests=(
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
                "last_used_at is null or last_used_at < now()",
                "last_used_at < now()",
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
        ),
    ),
    PairTable(
        file="relay/usecases/calls/pause_switches.py",
        tests=("tests/relay/usecases/commands/test_pause_commands.py", "tests/relay/cli", "tests/relay/usecases/calls"),
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
        ),
    ),
    PairTable(
        file="relay/metering/deduction.py",
        tests=METERING,
        pairs=(
            Pair("allowance is null or allowance > 0", "allowance is null or allowance >= 0", "a plan with 0 calls"),
            Pair("allowance is null or allowance > 0", "allowance > 0", "the first call of an unlimited plan"),
            Pair("m.used < allowance from allowed", "m.used <= allowance from allowed", "one call over the allowance"),
            Pair("(select allowance is null or m.used", "(select m.used", "later calls of an unlimited plan"),
            Pair("set used = m.used + 1", "set used = m.used + 2", "a call counts twice"),
            Pair("b.balance > 0 and not exists", "b.balance >= 0 and not exists", "a call without a token"),
            Pair(
                " and not exists (select from counted)", "", "a call takes a token although the allowance pays for it"
            ),
            Pair("'call_tokens', 1 from by_token", "'allowance', 1 from by_token", "who paid is recorded wrongly"),
            Pair("set calls = d.calls + 1", "set calls = d.calls", "the day's calls aren't summed"),
            Pair(
                "call_tokens = d.call_tokens + excluded.call_tokens",
                "call_tokens = excluded.call_tokens",
                "the day's tokens aren't summed",
            ),
        ),
    ),
    PairTable(
        file="relay/metering/repository.py",
        tests=("tests/relay/usecases/commands/test_send_command.py", *METERING, "tests/relay/usecases/commands"),
        pairs=(
            Pair("where id = %s and refunded_at is null", "where id = %s", "a call is refunded twice"),
            Pair("set used = m.used - 1", "set used = m.used", "a refund gives nothing back"),
            Pair(" and refunded.paid_by = 'allowance'", "", "a call paid by a token is refunded to the allowance"),
            Pair(" and refunded.paid_by = 'call_tokens'\n", "\n", "a call of the allowance is refunded as a token"),
            Pair("set calls = d.calls - 1", "set calls = d.calls", "a refunded call stays in the day's sum"),
            Pair(
                "case when refunded.paid_by = 'call_tokens' then 1 else 0 end",
                "case when refunded.paid_by = 'call_tokens' then 0 else 1 end",
                "the day's tokens after a refund",
            ),
            Pair(
                "d.credential_id is not distinct from refunded.credential_id",
                "d.credential_id = refunded.credential_id",
                "the day's sum of a call without a credential",
            ),
        ),
    ),
    PairTable(
        file="relay/metering/call_tokens.py",
        tests=("tests/relay/metering/test_call_tokens.py", "tests/relay/cli"),
        pairs=(
            Pair(
                "set balance = b.balance + excluded.balance",
                "set balance = excluded.balance",
                "a second grant replaces the balance",
            ),
            Pair(" where user_id = %(user_id)s for update", " where user_id = %(user_id)s", "a clawback during a call"),
            Pair("set balance = b.balance - entry.amount", "set balance = b.balance + entry.amount", "a clawback adds"),
            Pair("order by id desc limit %s", "order by id limit %s", "the order of ledger entries"),
        ),
    ),
    PairTable(
        file="relay/metering/period.py",
        tests=("tests/relay/metering/test_period.py",),
        pairs=(
            Pair("+ interval '1 month' + {_OFFSET}", "+ interval '30 days' + {_OFFSET}", "a month of 30 days"),
            Pair(
                "(date_trunc('month', {_NOW} - {_OFFSET}) + {_OFFSET}) at time zone 'UTC'",
                "(date_trunc('month', {_NOW}) + {_OFFSET}) at time zone 'UTC'",
                "a period that starts in the future",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/account/usage_report.py",
        tests=("tests/relay/usecases/account", "tests/relay/pages/test_usage.py"),
        pairs=(
            Pair(
                "left join usage_months m on (m.user_id, m.period) = (account.user_id, account.began_at)",
                "left join usage_months m on m.user_id = account.user_id",
                "usage of another month is reported",
            ),
            Pair(
                "left join usage_days d on (d.user_id, d.period) = (account.user_id, account.began_at)",
                "left join usage_days d on d.user_id = account.user_id",
                "days of another month are reported",
            ),
            Pair(" and d.calls > 0\n", "\n", "routes whose calls were refunded are listed"),
        ),
    ),
)
