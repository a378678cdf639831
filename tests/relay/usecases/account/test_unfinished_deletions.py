"""The doctor's check of pending account deletions."""

import pytest

from relay.doctor import run_checks
from relay.settings import Settings

INSERT = "insert into deleted_users (id, requested_at, attempts, failure, next_try_at, deleted_at) values "
OLD = "gen_random_uuid(), now() - interval '3 days'"
NEW = "gen_random_uuid(), now()"
FAILURE = "enode: this relay has no access to Enode, where vehicles are linked"
FAILED = f"({OLD}, 4, '{FAILURE}', now() + interval '2 hours', null)"

CASES = {
    "none": ("", True, ("no account waits",)),
    "all finished": (f"({OLD}, 1, null, now(), now())", True, ("no account waits",)),
    "one in progress": (f"({NEW}, 1, null, now() + interval '9 minutes', null)", True, ("1 account",)),
    "one failed": (FAILED, False, ("1 account", "enode: this relay has no access to Enode", "next attempt")),
    "two, one failed": (f"{FAILED}, ({NEW}, 0, null, now(), null)", False, ("2 accounts", "no access")),
    "no worker resumes it": (f"({OLD}, 0, null, now() - interval '3 days', null)", False, ("1 account", "worker")),
}


@pytest.mark.parametrize("case", CASES)
async def test_doctor_reports_pending_deletions(tmp_path, database_url, pool, case):
    rows, is_ok, fragments = CASES[case]
    if rows:
        async with pool.connection() as connection:
            await connection.execute(INSERT + rows)
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    (check,) = [check for check in await run_checks(settings) if check.name == "deletions"]
    assert check.is_ok is is_ok
    for fragment in fragments:
        assert fragment in check.message


async def test_doctor_checks_deletions_only_with_a_database(tmp_path):
    settings = Settings(data=tmp_path, database_url="postgresql://127.0.0.1:1/nothing", secret_key="k" * 32)
    (check,) = [check for check in await run_checks(settings) if check.name == "deletions"]
    assert check.is_skipped
