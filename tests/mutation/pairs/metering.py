"""What a call costs, refunds, usage."""

from scripts.lib.mutation.tables import Pair, PairTable

METERING = ("tests/relay/usecases/calls", "tests/relay/metering", "tests/relay/usecases/account")

PAIRS = (
    PairTable(
        file="relay/metering/deduction.py",
        tests=(
            "tests/relay/usecases/calls/test_authorize.py",
            "tests/relay/usecases/account/test_usage_sums.py",
            "tests/relay/usecases/calls/test_concurrent_calls.py",
            "tests/relay/usecases/calls/test_call_charges.py",
            *METERING,
        ),
        pairs=(
            Pair(
                "allowance is null or allowance > 0",
                "allowance is null or allowance >= 0",
                "a plan without calls allows one",
            ),
            Pair(
                "allowance is null or allowance > 0", "allowance > 0", "the first call of an unlimited plan is refused"
            ),
            Pair(
                "m.used < allowance from allowed",
                "m.used <= allowance from allowed",
                "one call over the allowance is free",
            ),
            Pair(
                "(select allowance is null or m.used", "(select m.used", "later calls of an unlimited plan are refused"
            ),
            Pair("set used = m.used + 1", "set used = m.used + 2", "a call counts twice"),
            Pair(
                "b.balance > 0 and not exists", "b.balance >= 0 and not exists", "a call goes through without a token"
            ),
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
            Pair("d.call_tokens + excluded.call_tokens", "d.call_tokens", "the second token of a day isn't counted"),
            Pair(
                "select 'allowance' as paid_by, 0",
                "select 'allowance' as paid_by, 1",
                "a call that the allowance pays for counts as one token",
            ),
            Pair("balance = b.balance - 1", "balance = b.balance - 2", "a call takes two tokens"),
            Pair(
                "where b.user_id = caller.user_id), 0) as call_tokens",
                "where b.user_id = caller.user_id), 1) as call_tokens",
                "a user without tokens sees one token left",
            ),
            Pair("allowance is null or m.used", "allowance is null and m.used", "the allowance pays for one call only"),
            Pair(
                "where b.user_id = allowed.user_id and b.balance > 0",
                "where b.balance > 0",
                "a token of another account pays",
            ),
            Pair(
                "select user_id, period, 1 from",
                "select user_id, period, 2 from",
                "the first call of a month counts twice",
            ),
            Pair("d.calls + 1", "d.calls + 2", "the day's calls count twice"),
            Pair(
                "(m.user_id, m.period) = (caller.user_id, caller.period)",
                "m.user_id = caller.user_id",
                "the calls of another month are shown",
            ),
        ),
    ),
    PairTable(
        file="relay/metering/repository.py",
        tests=(
            "tests/relay/usecases/calls/test_call_charges.py",
            "tests/relay/usecases/calls/test_authorize.py",
            "tests/relay/usecases/account/test_usage_sums.py",
            "tests/relay/usecases/calls/test_concurrent_calls.py",
            "tests/relay/usecases/calls",
            "tests/relay/usecases/commands",
            *METERING,
        ),
        pairs=(
            Pair("where id = %s and refunded_at is null", "where id = %s", "a call is refunded twice"),
            Pair("set used = m.used - 1", "set used = m.used", "a refund gives nothing back"),
            Pair(" and refunded.paid_by = 'allowance'", "", "a call paid by a token is refunded to the allowance"),
            Pair(" and refunded.paid_by = 'call_tokens'\n", "\n", "a call of the allowance is refunded as a token"),
            Pair("set calls = d.calls - 1", "set calls = d.calls", "a refunded call stays in the day's sum"),
            Pair(
                "case when refunded.paid_by = 'call_tokens' then 1 else 0 end",
                "case when refunded.paid_by = 'call_tokens' then 0 else 1 end",
                "a refund changes the day's tokens the wrong way round",
            ),
            Pair(
                "d.credential_id is not distinct from refunded.credential_id",
                "d.credential_id = refunded.credential_id",
                "a refunded call without a credential stays in the day's sum",
            ),
            Pair("set used = m.used - 1", "set used = m.used - 2", "a refund gives two calls back"),
            Pair("balance = b.balance + 1", "balance = b.balance + 2", "a refund gives two tokens back"),
            Pair(
                "case when refunded.paid_by = 'call_tokens' then 1 else 0 end",
                "0",
                "a refunded token stays in the day's sum",
            ),
            Pair(
                "case when refunded.paid_by = 'call_tokens' then 1 else 0 end",
                "1",
                "a refunded call of the allowance takes a token from the day's sum",
            ),
            Pair(
                "      and d.credential_id is not distinct from refunded.credential_id\n",
                "",
                "a refund is taken from the sums of all credentials",
            ),
            Pair(
                "d.day, d.endpoint)\n        = (refunded.user_id, refunded.period, refunded.day, refunded.endpoint)",
                "d.day)\n        = (refunded.user_id, refunded.period, refunded.day)",
                "a refund is taken from the sums of all routes",
            ),
        ),
    ),
    PairTable(
        file="relay/metering/call_tokens.py",
        tests=(
            "tests/relay/metering/test_call_tokens.py",
            "tests/relay/cli",
        ),
        pairs=(
            Pair(
                "set balance = b.balance + excluded.balance",
                "set balance = excluded.balance",
                "a second grant replaces the balance",
            ),
            Pair(
                " where user_id = %(user_id)s for update",
                " where user_id = %(user_id)s",
                "a clawback during a call takes a token twice",
            ),
            Pair("set balance = b.balance - entry.amount", "set balance = b.balance + entry.amount", "a clawback adds"),
            Pair("order by id desc limit %s", "order by id limit %s", "the oldest entries of the ledger come first"),
        ),
    ),
    PairTable(
        file="relay/metering/period.py",
        tests=("tests/relay/metering/test_period.py",),
        pairs=(
            Pair(
                "+ interval '1 month' + {_OFFSET}", "+ interval '30 days' + {_OFFSET}", "each quota month has 30 days"
            ),
            Pair(
                "(date_trunc('month', {_NOW} - {_OFFSET}) + {_OFFSET}) at time zone 'UTC'",
                "(date_trunc('month', {_NOW}) + {_OFFSET}) at time zone 'UTC'",
                "a quota month starts in the future",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/account/usage_report.py",
        tests=(
            "tests/relay/usecases/account",
            "tests/relay/pages/test_usage.py",
        ),
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
