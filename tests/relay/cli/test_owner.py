"""A self-hosted relay has one account, its owner's, whether a sign-in link or `evconduit user add` creates it."""

import asyncio

import psycopg
import pytest

from relay.identity.sign_in_links import create_sign_in_link, list_owners, name_owner, redeem_sign_in_link
from relay.kit.database import connect_as_relay
from tests.relay.cli.test_accounts import CLOUD


async def redeem_owner_link(connection):
    async with connection.transaction():
        link = await create_sign_in_link(connection, None)
        return str(await redeem_sign_in_link(connection, link, language="de-DE"))


def use_printed_link(database_url):
    """Open the link that `serve` prints at its first start, and press its button."""

    async def redeem():
        async with connect_as_relay(database_url) as connection:
            return await redeem_owner_link(connection)

    return asyncio.run(redeem())


def fetch_accounts(database_url):
    with psycopg.connect(database_url) as connection:
        return connection.execute("select id::text, email, name, language, role from evconduit.users").fetchall()


def test_user_add_names_the_owner_that_the_printed_link_created(operator, database_url):
    owner_id = use_printed_link(database_url)
    assert operator.run_checked("user", "add", "me@example.org", "--name", "Me") == owner_id
    assert fetch_accounts(database_url) == [(owner_id, "me@example.org", "Me", "de-DE", "admin")]
    assert "/sign-in/link/evl_" in operator.run_checked("login")


def test_printed_link_signs_in_the_account_that_user_add_created(operator, database_url):
    added = operator.run_checked("user", "add", "me@example.org", "--language", "sv")
    assert use_printed_link(database_url) == added
    assert fetch_accounts(database_url) == [(added, "me@example.org", "", "sv-SE", "admin")]


def test_second_account_is_refused_with_the_commands_for_what_was_meant(operator):
    owner_id = operator.run_checked("user", "add", "me@example.org")
    assert operator.run_checked("user", "add", "ME@example.org") == owner_id
    refused = operator.run("user", "add", "other@example.org")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    for part in ("ME@example.org", owner_id, "`evconduit login`", "`evconduit user email other@example.org`"):
        assert part in refused.stderr
    operator.run_checked("user", "email", "other@example.org")
    assert operator.run_checked("user", "add", "other@example.org") == owner_id
    assert len(operator.run_checked("user", "list").splitlines()) == 1


def test_address_that_is_malformed_is_not_stored(operator):
    operator.run_checked("user", "add", "me@example.org")
    assert "is not an email address" in operator.run("user", "email", "nobody").stderr
    assert "me@example.org" in operator.run_checked("user", "list")


def test_address_of_a_user_of_supabase_is_not_changed(operator):
    operator.run("user", "add", "me@example.org", **CLOUD)
    refused = operator.run("user", "email", "other@example.org", "--user", "me@example.org", **CLOUD)
    assert (refused.returncode, "the address comes from Supabase" in refused.stderr) == (2, True)


def test_accounts_of_an_earlier_release_are_listed_and_get_no_new_address(operator, database_url):
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into evconduit.users (email, name, created_at) "
            "values (null, 'A', now() - interval '1 day'), ('b@example.org', 'B\n\x1b[1m', now())"
        )
    refused = operator.run("user", "add", "b@example.org")
    assert (refused.returncode, "`evconduit user list` shows them" in refused.stderr) == (2, True)
    for command in (("login",), ("key", "create")):
        refused = operator.run(*command)
        assert (refused.returncode, "several accounts: choose one with --user" in refused.stderr) == (2, True)
    lines = operator.run_checked("user", "list").splitlines()
    assert ["no email address  user" in lines[0], "b@example.org  user" in lines[1]] == [True, True]
    assert [line.split("  ")[-1] for line in lines] == ["A", "B [1m"]


def test_commands_without_an_account_mean_the_owner(operator):
    missing = operator.run("key", "create")
    assert (missing.returncode, "there is no account yet" in missing.stderr) == (2, True)
    assert "No accounts" in operator.run("user", "list").stderr
    operator.run_checked("user", "add", "me@example.org")
    key = operator.run_checked("key", "create")
    assert operator.run_checked("key", "list").startswith(key[:12])
    assert operator.run_checked("tokens", "show") == "0"
    assert operator.run("user", "plan", "basic").returncode == 0
    assert "  basic  0 cars  since" in operator.run_checked("user", "list")


def test_commands_in_cloud_mode_need_an_account(operator):
    for number in range(2):
        operator.run("user", "add", f"{number}@example.org", **CLOUD)
    refused = operator.run("key", "create", **CLOUD)
    assert (refused.returncode, "choose one with --user" in refused.stderr) == (2, True)
    assert len(operator.run("user", "list", **CLOUD).stdout.splitlines()) == 2
    assert len(operator.run("user", "list", "--limit", "1", **CLOUD).stdout.splitlines()) == 1


@pytest.mark.parametrize("attempts", [4])
async def test_link_and_user_add_at_the_same_time_create_one_account(pool, attempts):
    async def press_link():
        async with pool.connection() as connection:
            return await redeem_owner_link(connection)

    async def name(number):
        async with pool.connection() as connection:
            return await name_owner(connection, email=f"{number}@example.org", name=None, language=None)

    results = await asyncio.gather(
        *(press_link() for _ in range(attempts)), *(name(number) for number in range(attempts))
    )
    async with pool.connection() as connection:
        [owner] = await list_owners(connection)
    assert {result if isinstance(result, str) else str(result[0].id) for result in results} == {str(owner.id)}
    assert {result[0].email for result in results[attempts:]} == {owner.email}
