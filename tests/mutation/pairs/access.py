"""Who may sign in: sessions, links, invitations, keys, accounts."""

from scripts.lib.mutation.tables import Pair, PairTable

ACCESS = ("tests/relay/usecases/access", "tests/relay/pages/test_sign_in.py", "tests/relay/pages")

PAIRS = (
    PairTable(
        file="relay/identity/web_sessions.py",
        tests=("tests/relay/pages/test_sign_in.py", "tests/relay/pages", "tests/relay/usecases/account"),
        pairs=(
            Pair(
                "where s.token_hash = %(token)s and s.expires_at > now() and u.closed_at is null",
                "where s.token_hash = %(token)s and u.closed_at is null",
                "an expired session still works",
            ),
            Pair(
                "where s.token_hash = %(token)s and s.expires_at > now() and u.closed_at is null",
                "where s.token_hash = %(token)s and s.expires_at > now()",
                "a session of a closed account still works",
            ),
            Pair(
                "where token_hash = %(token)s and expires_at > now() and seen_at",
                "where token_hash = %(token)s and seen_at",
                "an expired session is extended",
            ),
            Pair("expires_at = now() + %(lifetime)s", "expires_at = expires_at", "a visit doesn't extend the session"),
            Pair("timedelta(days=30)", "timedelta(days=31)", "the lifetime of a session"),
            Pair(
                "u.disabled_at is not null as is_disabled",
                "false as is_disabled",
                "a disabled account isn't told that it is disabled",
            ),
        ),
    ),
    PairTable(
        file="relay/identity/sign_in_links.py",
        tests=("tests/relay/pages/test_sign_in.py", "tests/relay/cli", "tests/relay/pages"),
        pairs=(
            Pair(
                "select from sign_in_links where token_hash = %s and expires_at > now()",
                "select from sign_in_links where token_hash = %s",
                "the page of an expired link",
            ),
            Pair(
                "where token_hash = %s and expires_at > now() returning user_id",
                "where token_hash = %s returning user_id",
                "an expired link signs in",
            ),
            Pair("timedelta(minutes=15)", "timedelta(minutes=16)", "the lifetime of a link"),
            Pair(
                "where closed_at is null order by created_at, id limit 1",
                "order by created_at, id limit 1",
                "a closed account as the owner",
            ),
            Pair(
                "order by created_at, id limit 1",
                "order by created_at desc, id limit 1",
                "the newest user as the owner",
            ),
        ),
    ),
    PairTable(
        file="relay/identity/invitations.py",
        tests=("tests/relay/usecases/access/test_register_user.py", "tests/relay/usecases/access", "tests/relay/pages"),
        pairs=(
            Pair(
                "where code_hash = %s and revoked_at is null and expires_at > now() and used < uses",
                "where code_hash = %s and expires_at > now() and used < uses",
                "the form takes a revoked invitation",
            ),
            Pair(
                "where code_hash = %s and revoked_at is null and expires_at > now() and used < uses",
                "where code_hash = %s and revoked_at is null and used < uses",
                "the form takes an expired invitation",
            ),
            Pair(
                "where code_hash = %s and revoked_at is null and expires_at > now() and used < uses",
                "where code_hash = %s and revoked_at is null and expires_at > now() and used <= uses",
                "the form takes a used invitation",
            ),
            Pair(
                "where id = %s and revoked_at is null and expires_at > now() and used < uses returning id",
                "where id = %s and expires_at > now() and used < uses returning id",
                "a revoked invitation registers",
            ),
            Pair(
                "where id = %s and revoked_at is null and expires_at > now() and used < uses returning id",
                "where id = %s and revoked_at is null and used < uses returning id",
                "an expired invitation registers",
            ),
            Pair(
                "where id = %s and revoked_at is null and expires_at > now() and used < uses returning id",
                "where id = %s and revoked_at is null and expires_at > now() and used <= uses returning id",
                "an invitation registers one more",
            ),
            Pair('"O": "0", "I": "1", "L": "1"', '"O": "0", "I": "1"', "a typed L instead of 1"),
        ),
    ),
    PairTable(
        file="relay/identity/users.py",
        tests=(*ACCESS, "tests/relay/usecases/account"),
        pairs=(
            Pair(
                "where supabase_id = %(supabase_id)s and deleted_at is null",
                "where supabase_id = %(supabase_id)s",
                "a person can't register again after the deletion",
                accepted="deleting an account clears supabase_id in the same statement that sets deleted_at",
            ),
            Pair(
                "select id, true from deleted_users", "select id, false from deleted_users", "sign-in during a deletion"
            ),
            Pair(
                "select id, closed_at is not null as is_closed from users",
                "select id, false as is_closed from users",
                "sign-in to a closed account",
            ),
            Pair(
                "case when %(approved)s then now() end",
                "now()",
                "a new account needs no approval",
            ),
            Pair(
                " where id = %s and accepted_terms_at is null", " where id = %s", "terms are accepted again and again"
            ),
            Pair("MAX_EMAIL_LENGTH = 254", "MAX_EMAIL_LENGTH = 255", "the longest email address"),
        ),
    ),
    PairTable(
        file="relay/identity/sign_in_attempts.py",
        tests=("tests/relay/usecases/access/test_sign_in_limits.py", *ACCESS),
        pairs=(
            Pair("< %(by_address)s\n", "<= %(by_address)s\n", "one more start for an address"),
            Pair(
                "(where source_hash = %(source_hash)s) < %(by_source)s",
                "(where source_hash = %(source_hash)s) <= %(by_source)s",
                "one more start from a network",
            ),
            Pair(
                "or source_hash = %(source_hash)s) and created_at > now() - %(window)s",
                "or source_hash = %(source_hash)s)",
                "starts count without an end",
            ),
            Pair("and tries < %(tries)s\n", "and tries <= %(tries)s\n", "one more try of an attempt"),
            Pair(
                "s.created_at > now() - %(window)s) < %(by_source)s",
                "s.created_at > now() - %(window)s) <= %(by_source)s",
                "one more try from a network",
            ),
            Pair(
                "and s.created_at > now() - %(window)s) < %(by_source)s",
                ") < %(by_source)s",
                "tries count without an end",
            ),
            Pair(
                "delete from sign_in_attempts where expires_at < now()",
                "delete from sign_in_attempts",
                "others' attempts end",
            ),
            Pair("timedelta(minutes=15)", "timedelta(minutes=16)", "the window of the limits"),
            Pair("MAX_TRIES = 5", "MAX_TRIES = 6", "the tries of an attempt"),
            Pair("MAX_STARTS_PER_SOURCE = 5, 30", "MAX_STARTS_PER_SOURCE = 6, 30", "the starts for an address"),
            Pair("MAX_STARTS_PER_SOURCE = 5, 30", "MAX_STARTS_PER_SOURCE = 5, 31", "the starts from a network"),
        ),
    ),
    PairTable(
        file="relay/usecases/access/manage_keys.py",
        tests=("tests/relay/pages/test_keys.py", "tests/relay/pages", "tests/relay/cli"),
        pairs=(
            Pair(
                "where user_id = %s and (revoked_at is null or %s)",
                "where user_id = %s and (true or %s)",
                "revoked keys are listed",
            ),
            Pair(
                'where user_id = %s and id = %s and revoked_at is null\n"""\n# Ser',
                'where user_id = %s and id = %s\n"""\n# Ser',
                "the page of a revoked key",
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
            Pair("MAX_KEYS = 50", "MAX_KEYS = 51", "the number of keys"),
        ),
    ),
    PairTable(
        file="relay/usecases/access/list_installations.py",
        tests=("tests/relay/pages/test_installations.py", "tests/relay/pages"),
        pairs=(
            Pair(
                "where c.user_id = %(user_id)s and c.revoked_at is null",
                "where c.user_id = %(user_id)s",
                "revoked credentials are listed as installations",
            ),
            Pair("timedelta(hours=13)", "timedelta(hours=11)", "a client that polls every twelve hours"),
            Pair("coalesce(e.streaming_until > now(), false)", "e.streaming_until is not null", "an expired stream"),
        ),
    ),
    PairTable(
        file="relay/identity/users.py",
        tests=("tests/relay/cli",),
        pairs=(
            Pair("where closed_at is null and (id::text", "where (id::text", "commands find closed accounts"),
            Pair("lower(email) = lower(%(email_or_id)s)", "email = %(email_or_id)s", "upper case in an address"),
        ),
    ),
    PairTable(
        file="relay/usecases/admin/manage_users.py",
        tests=("tests/relay/cli",),
        pairs=(Pair("where id = %s and approved_at is null", "where id = %s", "an account is approved twice"),),
    ),
    PairTable(
        file="relay/usecases/account/delete_account.py",
        tests=("tests/relay/usecases/account",),
        pairs=(
            Pair(
                "where id = %(user_id)s and deleted_at is null and next_try_at <= now()",
                "where id = %(user_id)s and deleted_at is null",
                "two processes delete the same account",
            ),
            Pair(
                "where id = %(user_id)s and deleted_at is null and next_try_at <= now()",
                "where id = %(user_id)s and next_try_at <= now()",
                "a finished deletion starts again",
            ),
            Pair(
                "where deleted_at is null and next_try_at <= now() order by",
                "where deleted_at is null order by",
                "a deletion is retried before its time",
            ),
            Pair("(1, 5, 30, 120, 360)", "(1, 5, 30, 120, 720)", "the delay between the last retries"),
        ),
    ),
    PairTable(
        file="relay/usecases/account/deletion_steps.py",
        tests=("tests/relay/usecases/account",),
        pairs=(
            Pair(
                "where w.user_id = %(user_id)s or w.enode_vehicle_id in",
                "where w.user_id = %(user_id)s and w.enode_vehicle_id in",
                "events of a deleted user stay",
            ),
            Pair("j.status <> 'doing' and exists", "exists", "the job of the deletion deletes itself"),
            Pair(
                "codes as (delete from oauth_codes where user_id = %(user_id)s),\n",
                "",
                "a code of a closed account still works",
                accepted="redeeming a code checks the account, too; the rows are deleted with the account",
            ),
            Pair("sessions as (delete from web_sessions where user_id = %(user_id)s),\n", "", "web sessions stay"),
        ),
    ),
)
