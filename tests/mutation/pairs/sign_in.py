"""Sign-in: sessions, links, attempts."""

from scripts.lib.mutation.tables import Pair, PairTable

ACCESS = ("tests/relay/usecases/access", "tests/relay/pages/test_sign_in.py", "tests/relay/pages")

PAIRS = (
    PairTable(
        file="relay/identity/web_sessions.py",
        tests=(
            "tests/relay/identity/test_sessions_and_links.py",
            "tests/relay/pages/test_sign_in.py",
            "tests/relay/pages",
            "tests/relay/usecases/account",
        ),
        pairs=(
            Pair(
                "where s.token_hash = %(token)s and s.expires_at > now() and s.created_at",
                "where s.token_hash = %(token)s and s.created_at",
                "an expired session still works",
            ),
            Pair("      and u.closed_at is null\n", "", "a session of a closed account still works"),
            Pair(
                " and s.created_at > now() - {format_interval(MAX_AGE)}\n",
                "\n",
                "a session from before the limit works for longer than 90 days",
            ),
            Pair(
                "least(now() + %(lifetime)s, created_at + {format_interval(MAX_AGE)})",
                "now() + %(lifetime)s",
                "a visit extends a session beyond 90 days",
            ),
            Pair("MAX_AGE = timedelta(days=90)", "MAX_AGE = timedelta(days=92)", "a session works for over 90 days"),
            Pair(
                "\nFRESH_FOR = timedelta(minutes=15)",
                "\nFRESH_FOR = timedelta(minutes=17)",
                "a sign-in counts as recent for longer than 15 minutes",
            ),
            Pair(
                "LINK_FRESH_FOR = timedelta(minutes=60)",
                "LINK_FRESH_FOR = timedelta(minutes=62)",
                "an owner's sign-in counts as recent for longer than 60 minutes",
            ),
            Pair(
                "where token_hash = %(token)s and expires_at > now() and {is_before",
                "where token_hash = %(token)s and {is_before",
                "an expired session is extended",
            ),
            Pair(
                "expires_at = least(now() + %(lifetime)s,",
                "expires_at = least(expires_at,",
                "a visit doesn't extend the session",
            ),
            Pair("timedelta(days=30)", "timedelta(days=31)", "a session works for longer than 30 days"),
            Pair(
                "u.disabled_at is not null as is_disabled",
                "false as is_disabled",
                "a disabled account isn't told that it is disabled",
            ),
            Pair("interval '1 hour'", "interval '2 hours'", "a session is extended too rarely"),
        ),
    ),
    PairTable(
        file="relay/identity/sign_in_links.py",
        tests=(
            "tests/relay/identity/test_sessions_and_links.py",
            "tests/relay/pages/test_sign_in.py",
            "tests/relay/cli",
            "tests/relay/pages",
        ),
        pairs=(
            Pair(
                "select from sign_in_links where token_hash = %s and expires_at > now()",
                "select from sign_in_links where token_hash = %s",
                "the page of an expired link still opens",
            ),
            Pair(
                "where token_hash = %s and expires_at > now() returning user_id",
                "where token_hash = %s returning user_id",
                "an expired link signs in",
            ),
            Pair("timedelta(minutes=15)", "timedelta(minutes=16)", "a link works for longer than 15 minutes"),
            Pair(
                "where closed_at is null order by created_at, id limit 1",
                "order by created_at, id limit 1",
                "a closed account becomes the owner",
            ),
            Pair(
                "order by created_at, id limit 1",
                "order by created_at desc, id limit 1",
                "the newest user becomes the owner",
            ),
            Pair(
                "delete from sign_in_links where expires_at < now()",
                "delete from sign_in_links where false",
                "expired links stay in the database",
            ),
            Pair("values ('admin'", "values ('user'", "the owner has no permission to operate the relay"),
        ),
    ),
    PairTable(
        file="relay/identity/sign_in_attempts.py",
        tests=(
            "tests/relay/identity/test_sign_in_attempts.py",
            "tests/relay/test_promised_limits.py",
            "tests/relay/usecases/access/test_sign_in.py",
            "tests/relay/usecases/access/test_sign_in_limits.py",
            *ACCESS,
        ),
        pairs=(
            Pair("< %(by_address)s\n", "<= %(by_address)s\n", "one start too many for an address"),
            Pair("and count(*) < %(by_source)s", "and count(*) <= %(by_source)s", "one start too many from a network"),
            Pair(
                'where source_hash = %(source_hash)s and {is_recent("created_at", "%(window)s")}',
                "where source_hash = %(source_hash)s",
                "starts count without an end",
            ),
            Pair(
                'from sign_in_attempts where source_hash = %(source_hash)s and {is_recent("created_at"',
                'from sign_in_attempts where {is_recent("created_at"',
                "a stranger's starts lock the owner of an address out",
            ),
            Pair(
                "where unanswered_hash = %s and expires_at > now()",
                "where expires_at > now()",
                "each invalid link is called used up",
            ),
            Pair("and tries < %(tries)s\n", "and tries <= %(tries)s\n", "an attempt has one try too many"),
            Pair(
                '"%(window)s")}) < %(by_source)s',
                '"%(window)s")}) <= %(by_source)s',
                "one try too many from a network",
            ),
            Pair(
                'and {is_recent("s.created_at", "%(window)s")}) < %(by_source)s',
                ") < %(by_source)s",
                "tries count without an end",
            ),
            Pair(
                "delete from sign_in_attempts where expires_at < now()",
                "delete from sign_in_attempts",
                "a new attempt deletes all others",
            ),
            Pair("timedelta(minutes=15)", "timedelta(minutes=16)", "the limits count for more than 15 minutes"),
            Pair("MAX_TRIES = 5", "MAX_TRIES = 6", "an attempt has six tries instead of five"),
            Pair(
                "MAX_STARTS_PER_SOURCE = 5, 30",
                "MAX_STARTS_PER_SOURCE = 6, 30",
                "an address has six starts instead of five",
            ),
            Pair(
                "MAX_STARTS_PER_SOURCE = 5, 30",
                "MAX_STARTS_PER_SOURCE = 5, 31",
                "a network has 31 starts instead of 30",
            ),
            Pair(
                "where token_hash = %s and expires_at > now() and next_path <> ''",
                "where token_hash = %s and next_path <> ''",
                "an expired attempt still signs in",
            ),
            Pair("tries = tries + 1", "tries = tries + 2", "each try counts twice"),
            Pair("coalesce(sum(s.tries), 0)", "sum(s.tries)", "no attempt has a first try"),
            Pair(
                "LIFETIME = timedelta(hours=1)",
                "LIFETIME = timedelta(hours=2)",
                "an attempt works for longer than an hour",
            ),
            Pair(
                "and expires_at > now() and next_path <> ''\n)",
                "and next_path <> ''\n)",
                "an attempt that has expired hands on its verifiers",
            ),
            Pair(
                "where token_hash = %(before)s and address_hash = %(address_hash)s and",
                "where token_hash = %(before)s and",
                "an attempt for another address hands on its verifiers",
            ),
            Pair("where s.source_hash = a.source_hash and", "where", "tries from all networks count together"),
            Pair(
                'and {is_recent("s.created_at", "%(window)s")}',
                "and %(window)s is not null",
                "tries count for longer than the window",
            ),
        ),
    ),
    PairTable(
        file="relay/identity/sign_in_emails.py",
        tests=(
            "tests/relay/usecases/access/test_link_protection.py",
            "tests/relay/usecases/access/test_operator_mistakes.py",
        ),
        pairs=(
            Pair("<= %(replacements)s", "< %(replacements)s", "a link is replaced twice only"),
            Pair("<= %(replacements)s", "<= 1 + %(replacements)s", "a link is replaced four times"),
            Pair("and not ({_HAS_HELD_TOO_LONG})", "", "a stranger's requests in a row shut new networks out"),
            Pair("PROTECTION = timedelta(minutes=10)", "PROTECTION = timedelta(minutes=9)", "a link is open too early"),
            Pair("PROTECTION = timedelta(minutes=10)", "PROTECTION = timedelta(minutes=11)", "a link is open too late"),
            Pair(
                "and ((not exists (select from outstanding)\n        or a.source_hash = ",
                "and ((true or a.source_hash = ",
                "a stranger makes a link invalid",
            ),
            Pair(
                "order by o.mail_requested_at desc limit 1",
                "order by o.mail_requested_at limit 1",
                "a stranger's earlier link lets the stranger replace the owner's",
            ),
            Pair(
                "where n.address_hash = a.address_hash and n.source_hash = a.source_hash",
                "where n.source_hash = a.source_hash",
                "a sign-in to another address makes a network known",
            ),
            Pair(
                'and {is_recent("n.signed_in_at", "%(memory)s")}))',
                "))",
                "a network is known indefinitely",
                accepted="the hourly pruning deletes older rows",
            ),
            Pair("timedelta(days=90)", "timedelta(days=92)", "a network is known for too long"),
            Pair(
                "QUOTA_PERIOD = timedelta(hours=1)",
                "QUOTA_PERIOD = timedelta(hours=2)",
                "a quota is announced too long",
            ),
            Pair("where mail_quota_exhausted_at is not null", "where false", "a quota is announced after sent emails"),
            Pair(
                'sign_in_attempts set mail_requested_at = null where token_hash = %s"',
                'sign_in_attempts set mail_requested_at = null where false and token_hash = %s"',
                "an unsent email protects a link",
            ),
        ),
    ),
    PairTable(
        file="relay/identity/supabase_identities.py",
        tests=("tests/relay/usecases/access/test_bans_and_deletions.py",),
        pairs=(
            Pair(
                "sessions as (delete from web_sessions where user_id in (select id from blocked))",
                "sessions as (select)",
                "a banned user stays signed in",
            ),
            Pair(
                "disabled_at = coalesce(disabled_at, now())\n",
                "disabled_at = disabled_at\n",
                "keys of a banned user still work",
            ),
            Pair(
                "disabled_by_supabase = disabled_by_supabase or disabled_at is null",
                "disabled_by_supabase = true",
                "the end of a ban enables an account that the operator disabled",
            ),
            Pair(
                "where lower(email) = lower(%(email)s) and supabase_id is not null",
                "where email = %(email)s and supabase_id is not null",
                "a former user in other letters gets a second account",
                accepted="Supabase stores addresses in lower case",
            ),
            Pair(
                "where id = %s and claim_supabase_id is not null",
                "where id = %s",
                "an account is reconnected to nobody",
            ),
        ),
    ),
    PairTable(
        file="relay/pages/cookies.py",
        tests=("tests/relay/pages/test_browser_state.py",),
        pairs=(
            Pair(
                "FLASH_COOKIE_SECONDS = 60",
                "FLASH_COOKIE_SECONDS = 61",
                "a message of the page before is shown for too long",
            ),
            Pair(
                'SESSION_COOKIE = "evconduit_session"',
                'SESSION_COOKIE = "evconduit_sessions"',
                "all users are signed out by an update",
            ),
            Pair("find_ingress_user_id(request) is None and", "True and", "a cookie claims a host that others share"),
        ),
    ),
    PairTable(
        file="relay/pages/csrf.py",
        tests=("tests/relay/pages/test_browser_state.py",),
        pairs=(
            Pair(
                "VISIT_COOKIE_SECONDS = 24 * 3600",
                "VISIT_COOKIE_SECONDS = 25 * 3600",
                "an abandoned visit is kept too long",
            ),
            Pair(
                'f"form {kind} {value}"',
                'f"form {value}"',
                "a token is valid in another kind of session",
            ),
        ),
    ),
)
