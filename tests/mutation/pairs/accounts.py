"""Accounts: invitations, registration, approval, deletion."""

from scripts.lib.mutation.tables import Pair, PairTable

ACCESS = ("tests/relay/usecases/access", "tests/relay/pages/test_sign_in.py", "tests/relay/pages")

PAIRS = (
    PairTable(
        file="relay/identity/invitations.py",
        tests=(
            "tests/relay/identity/test_sessions_and_links.py",
            "tests/relay/usecases/access/test_register_user.py",
            "tests/relay/usecases/access",
            "tests/relay/pages",
        ),
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
                "an invitation registers one user too many",
            ),
            Pair('"O": "0", "I": "1", "L": "1"', '"O": "0", "I": "1"', "a code with L instead of 1 is refused"),
            Pair(
                "where id = %s and revoked_at is null and expires_at > now() and used < uses",
                "where id = %s and revoked_at is null and expires_at > now()",
                "a used invitation registers once more",
            ),
            Pair(
                'where id = %s and revoked_at is null"',
                'where id = %s"',
                "an invitation that was revoked is revoked again",
            ),
            Pair("used = used + 1", "used = used + 2", "each registration uses up two places of an invitation"),
        ),
    ),
    PairTable(
        file="relay/identity/users.py",
        tests=(
            "tests/relay/identity/test_sessions_and_links.py",
            "tests/relay/identity/test_users.py",
            "tests/relay/usecases/access/test_sign_in.py",
            *ACCESS,
            "tests/relay/usecases/account",
            "tests/relay/cli",
        ),
        pairs=(
            Pair(
                "where supabase_id = %(supabase_id)s and deleted_at is null",
                "where supabase_id = %(supabase_id)s",
                "a person can't register again after the deletion",
                accepted="deleting an account clears supabase_id in the same statement that sets deleted_at",
            ),
            Pair(
                "select id, true from deleted_users",
                "select id, false from deleted_users",
                "a user signs in during the deletion of the account",
            ),
            Pair(
                "select id, closed_at is not null as is_closed from users",
                "select id, false as is_closed from users",
                "a user signs in to a closed account",
            ),
            Pair(
                "case when %(approved)s then now() end",
                "now()",
                "a new account needs no approval",
            ),
            Pair(
                " where id = %s and accepted_terms_at is null", " where id = %s", "terms are accepted again and again"
            ),
            Pair("MAX_EMAIL_LENGTH = 254", "MAX_EMAIL_LENGTH = 255", "an email address that is too long is accepted"),
            Pair("where closed_at is null and (id::text", "where (id::text", "commands find closed accounts"),
            Pair(
                "lower(email) = lower(%(email_or_id)s)",
                "email = %(email_or_id)s",
                "an address in upper case isn't found",
            ),
            Pair("{{1,64}}@", "{{1,65}}@", "an email address whose name is too long is accepted"),
            Pair("{0,61}", "{0,62}", "an email address whose domain has too long a label is accepted"),
            Pair("and email is distinct from %(email)s", "and false", "a changed email address isn't stored"),
            Pair("case when %(accepts_terms)s then now() end", "now()", "each new account has accepted the terms"),
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
                "where id = %(user_id)s and deleted_at is null and {_IS_DUE}",
                "where id = %(user_id)s and deleted_at is null",
                "two processes delete the same account",
            ),
            Pair(
                "where id = %(user_id)s and deleted_at is null and {_IS_DUE}",
                "where id = %(user_id)s and {_IS_DUE}",
                "a finished deletion starts again",
            ),
            Pair(
                "where deleted_at is null and {_IS_DUE} order by",
                "where deleted_at is null order by",
                "a deletion is retried before its time",
            ),
            Pair("(1, 5, 30, 120, 360)", "(1, 5, 30, 120, 720)", "the last retries of a deletion come too late"),
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
            Pair(
                "sessions as (delete from web_sessions where user_id = %(user_id)s),\n",
                "",
                "web sessions of a deleted user stay",
            ),
        ),
    ),
)
