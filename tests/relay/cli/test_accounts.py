"""Commands about accounts, keys, invitations and call tokens."""

import json

import psycopg
import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["user", "add", "nobody"], "'nobody' is not an email address"),
        (["user", "add", "me@home"], "'me@home' is not an email address"),
        (["user", "add", "me@example.org, you@example.org"], "is not an email address"),
        (["user", "add", "me@example.org", "--language", "my own"], "'my own' is not a language tag"),
        (["key", "create", "--user", "nobody@example.org"], "create one with `evconduit user add`"),
        (["key", "create", "--user", "x", "--scope", "everything"], "unknown scope everything"),
        (["vehicle", "link", "--user", "x@example.org"], "no account 'x@example.org'"),
    ],
)
def test_mistake_is_reported_in_one_line_with_a_remedy(operator, arguments, message):
    result = operator.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_outdated_database_is_refused_until_it_is_migrated(operator, postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database fresh")
    url = psycopg.conninfo.make_conninfo(postgres, dbname="fresh")
    refused = operator.run("user", "add", "me@example.org", DATABASE_URL=url)
    assert (refused.returncode, "run `evconduit migrate`" in refused.stderr) == (2, True)
    assert operator.run("migrate", DATABASE_URL=url).returncode == 0
    assert operator.run("user", "add", "me@example.org", DATABASE_URL=url).returncode == 0


def test_account_is_reconnected_only_to_somebody_who_claims_it(operator, database_url):
    environment = {"DATABASE_URL": database_url}
    user_id = operator.run("user", "add", "me@example.org", **environment).stdout.strip()
    refused = operator.run("user", "reconnect", "--user", user_id, **environment)
    assert (refused.returncode, "nobody has signed in" in refused.stderr) == (2, True)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update evconduit.users set claim_supabase_id = gen_random_uuid(), claimed_at = now()")
    done = operator.run("user", "reconnect", "--user", "me@example.org", **environment)
    assert (done.returncode, "reconnected" in done.stderr) == (0, True)


CLOUD = {
    "EVCONDUIT_MODE": "cloud",
    "EVCONDUIT_SECRET_KEY": "k" * 32,
    "SUPABASE_URL": "https://x.example",
    "SUPABASE_ANON_KEY": "a",
    "SUPABASE_SERVICE_ROLE_KEY": "s",
}


def test_database_refuses_another_mode_than_its_first(operator, database_url):
    assert operator.run("user", "add", "me@example.org", **CLOUD).returncode == 0
    other = operator.run("user", "add", "me@example.org", DATABASE_URL=database_url)
    assert other.returncode == 2
    assert "EVCONDUIT_MODE is self-hosted, but this database was set up as cloud" in other.stderr


def test_address_shared_by_two_accounts_is_refused_with_their_ids(operator):
    ids = {operator.run("user", "add", "us@example.org", **CLOUD).stdout.strip() for _ in range(2)}
    assert len(ids) == 2
    result = operator.run("key", "create", "--user", "us@example.org", **CLOUD)
    assert result.returncode == 2
    assert all(user_id in result.stderr for user_id in ids)


def test_keys_are_listed_by_prefix_and_revoked_one_by_one(operator):
    user = operator.run_checked("user", "add", "me@example.org")
    first, second = (
        operator.run_checked("key", "create", "--user", user, "--name", name) for name in ("Home", "Script")
    )
    listed = operator.run_checked("key", "list", "--user", user)
    assert [line.split()[0] for line in listed.splitlines()] == [f"{first[:12]}…", f"{second[:12]}…"]
    assert first not in listed
    operator.run_checked("key", "revoke", first[:12], "--user", user)
    assert [line.split()[1] for line in operator.run_checked("key", "list", "--user", user).splitlines()] == [
        "revoked",
        "active",
    ]
    repeated = operator.run("key", "revoke", first[:12], "--user", user)
    assert (repeated.returncode, "0 active keys start with" in repeated.stderr) == (2, True)


@pytest.mark.parametrize("redis_url", ["redis://127.0.0.1:hush-hush", "redis://127.0.0.1:1"])
def test_key_is_revoked_although_running_relays_cannot_be_notified(operator, redis_url):
    user = operator.run_checked("user", "add", "me@example.org")
    key = operator.run_checked("key", "create", "--user", user)
    result = operator.run("key", "revoke", key[:12], "--user", user, REDIS_URL=redis_url)
    assert result.returncode == 0
    assert "Open streams end within 25 seconds" in result.stderr
    assert "hush" not in result.stderr
    assert "revoked" in operator.run_checked("key", "list", "--user", user)


def test_call_tokens_are_granted_once_per_reference_and_listed(operator):
    operator.run_checked("user", "add", "a@example.org")
    user_option = ("--user", "a@example.org")
    assert operator.run_checked("tokens", "show", *user_option) == "0"
    assert operator.run_checked("tokens", "grant", "500", *user_option, "--reference", "ticket 7") == "500"
    repeated = operator.run("tokens", "grant", "500", *user_option, "--reference", "ticket 7")
    assert (repeated.returncode, repeated.stdout) == (2, "")
    assert "call tokens were granted for 'ticket 7' before" in repeated.stderr
    assert operator.run_checked("tokens", "grant", "20", *user_option) == "520"
    balance = operator.run("tokens", "show", *user_option)
    assert balance.stdout.strip() == "520"
    assert ["grant 20" in line for line in balance.stderr.splitlines()] == [True, False]
    assert "grant 500  operator ticket 7" in balance.stderr
    assert operator.run("tokens", "grant", "0", *user_option).returncode == 2


@pytest.mark.parametrize("command", [[], ["user"], ["key"], ["vehicle"], ["database"], ["serve", "--help"]])
def test_command_without_arguments_prints_its_usage(operator, command):
    result = operator.run(*command)
    assert "Usage:" in result.stdout + result.stderr


def test_invitations_are_created_listed_and_revoked(operator):
    code = operator.run_checked("invite", "create", "--uses", "3", "--note", "the club")
    assert [len(part) for part in code.split("-")] == [4, 4, 4, 4]
    listed = operator.run_checked("invite", "list")
    assert listed.startswith(f"{code[:4]}-…  expires ")
    assert listed.endswith("used 0 of 3  the club")
    assert code not in listed
    assert operator.run("invite", "revoke", "0").returncode == 2
    assert operator.run("invite", "revoke", code[:4]).returncode == 0
    assert "revoked" in operator.run_checked("invite", "list")


def test_account_is_approved_and_gets_role_and_plan(operator):
    operator.run_checked("user", "add", "me@example.org")
    assert "approved already" in operator.run("user", "approve", "--user", "me@example.org").stderr
    assert operator.run("user", "role", "--user", "me@example.org", "admin").returncode == 0
    assert "unknown role" in operator.run("user", "role", "--user", "me@example.org", "king").stderr
    assert operator.run("user", "plan", "--user", "me@example.org", "basic").returncode == 0
    assert "unknown plan" in operator.run("user", "plan", "--user", "me@example.org", "gold").stderr


def test_account_is_exported_and_deleted(operator):
    user_id = operator.run_checked("user", "add", "me@example.org", "--name", "Me")
    key = operator.run_checked("key", "create", "--user", user_id)
    document = json.loads(operator.run_checked("user", "export", "--user", "me@example.org"))
    assert (document["account"][0]["id"], len(document["api_keys"])) == (user_id, 1)
    assert key not in json.dumps(document)
    refused = operator.run("user", "delete", "--user", user_id, stdin="me@example.org\n")
    assert (refused.returncode, "nothing was deleted" in refused.stderr) == (2, True)
    operator.run_checked("user", "export", "--user", user_id)
    operator.run_checked("user", "delete", "--user", user_id, "--yes")
    assert operator.run("user", "export", "--user", user_id).returncode == 2
