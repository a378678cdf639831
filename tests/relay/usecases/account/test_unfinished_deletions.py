"""The operator is told of accounts whose deletion waits, and why."""

import pytest

from relay.doctor import run_checks
from relay.settings import Settings

ASK = "insert into deleted_users (id, requested_at, attempts, failure, next_try_at, deleted_at) values "
OLD = "gen_random_uuid(), now() - interval '3 days'"
NEW = "gen_random_uuid(), now()"
FAILED = f"({OLD}, 4, 'enode: this relay has no access to Enode, where the cars are', now() + interval '2 hours', null)"

CASES = {
    "nobody": ("", True, ("no account waits",)),
    "all done": (f"({OLD}, 1, null, now(), now())", True, ("no account waits",)),
    "one under way": (f"({NEW}, 1, null, now() + interval '9 minutes', null)", True, ("1 account",)),
    "one that failed": (FAILED, False, ("1 account", "enode: this relay has no access to Enode", "next attempt")),
    "two, of which one failed": (f"{FAILED}, ({NEW}, 0, null, now(), null)", False, ("2 accounts", "no access")),
    "nobody is at it": (f"({OLD}, 0, null, now() - interval '3 days', null)", False, ("1 account", "worker")),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_doctor_tells_of_deletions_that_wait(tmp_path, database_url, pool, case):
    rows, fine, words = CASES[case]
    if rows:
        async with pool.connection() as connection:
            await connection.execute(ASK + rows)
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    (found,) = [it for it in await run_checks(settings) if it.name == "deletions"]
    assert found.is_ok is fine
    for word in words:
        assert word in found.message


async def test_without_a_database_the_doctor_says_so(tmp_path):
    settings = Settings(data=tmp_path, database_url="postgresql://127.0.0.1:1/nothing", secret_key="k" * 32)
    (found,) = [it for it in await run_checks(settings) if it.name == "deletions"]
    assert (found.is_ok, "without a database" in found.message) == (False, True)
