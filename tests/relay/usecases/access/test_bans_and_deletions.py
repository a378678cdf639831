"""Users who are banned or deleted at Supabase lose their access; former users aren't given a second account."""

import asyncio
import dataclasses
from uuid import uuid4

import pytest

from relay.gateways.supabase import SupabaseError, SupabaseMisconfigured
from relay.gateways.supabase import admin as supabase_admin
from relay.identity.api_keys import INSERT_API_KEY, build_api_key_row
from relay.identity.credentials import generate_api_key
from relay.settings import Settings
from relay.usecases.access import compare_identities as compare_module
from relay.usecases.access.compare_identities import compare_identities
from relay.usecases.admin.manage_users import disable_user, reconnect_user
from relay.worker import build_leader_loops
from tests.relay.support.cloud_relay import ANNA, fetch_column
from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS, SupabaseAccount

BERT = "bert@example.org"


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open", sign_in_providers="github")


@pytest.fixture
async def anna(relay, owner):
    """A signed-in browser with an API key."""
    browser = await relay.open_browser()
    await relay.sign_in(browser, ANNA)
    (user_id,) = await fetch_column(owner, "select id from users where email = %s", ANNA)
    key = generate_api_key()
    await owner.execute(INSERT_API_KEY, build_api_key_row(user_id, key, name="HA", scopes=["read"]))
    return dataclasses.make_dataclass("Anna", ["browser", "user_id", "header"])(
        browser, user_id, {"Authorization": f"Bearer {key}"}
    )


async def get_statuses(anna):
    """Statuses of a page that wants a session, and of a call with the key."""
    page = await anna.browser.get("/home")
    call = await anna.browser.get("/api/ha/v2/account", headers=anna.header)
    return page.headers.get("location", "").partition("?")[0], call.status_code


async def compare(relay):
    return await compare_identities(relay.app.state.runtime)


async def test_ban_ends_sessions_and_keys_until_it_ends(relay, anna):
    await relay.sign_in(await relay.open_browser(), BERT)
    assert await compare(relay) == 0
    assert await get_statuses(anna) == ("/terms", 200)
    relay.supabase.accounts[ANNA].is_banned = True
    assert await compare(relay) == 1
    assert await get_statuses(anna) == ("/sign-in", 403)
    assert await compare(relay) == 0
    relay.supabase.accounts[ANNA].is_banned = False
    assert await compare(relay) == 1
    assert await get_statuses(anna) == ("/sign-in", 200)


async def test_ban_ends_the_open_streams_of_that_user_at_once(relay, anna):
    hub = relay.app.state.runtime.hub
    with hub.open_listener(anna.user_id, uuid4()) as stream, hub.open_listener(uuid4(), uuid4()) as other:
        relay.supabase.accounts[ANNA].is_banned = True
        assert await compare(relay) == 1
        other.end()
        async with asyncio.timeout(5):
            assert b"revoked" in await stream.receive()
            assert b"revoked" not in await other.receive()


async def test_ban_that_is_over_ends_no_access(relay, anna):
    relay.supabase.accounts[ANNA].former_ban_until = "2026-01-01T00:00:00Z"
    assert await compare(relay) == 0
    assert await get_statuses(anna) == ("/terms", 200)


async def test_deletion_ends_sessions_and_keys(relay, anna, owner):
    relay.supabase.delete_account(relay.supabase.accounts[ANNA])
    assert await compare(relay) == 1
    assert await get_statuses(anna) == ("/sign-in", 403)
    assert await fetch_column(owner, "select supabase_state from users") == ["deleted"]


async def test_account_that_the_operator_disabled_stays_disabled_after_a_ban(relay, anna, owner):
    runtime = relay.app.state.runtime
    async with runtime.pool.connection() as connection:
        await disable_user(connection, anna.user_id, lambda _user_id: None)
    for is_banned in (True, False):
        relay.supabase.accounts[ANNA].is_banned = is_banned
        assert await compare(relay) == 1
    assert (await get_statuses(anna))[1] == 403


async def test_users_are_read_page_by_page(relay, anna, owner, monkeypatch):
    monkeypatch.setattr(supabase_admin, "USERS_PER_PAGE", 2)
    for number in range(5):
        account = SupabaseAccount(f"{number}@example.org")
        relay.supabase.accounts[account.email] = account
    relay.supabase.accounts[ANNA].is_banned = True
    assert await compare(relay) == 1
    assert relay.supabase.count_requests("/admin/users") == 3
    assert not any("/admin/users/" in path for _, path in relay.supabase.requests)


async def test_user_missing_from_the_list_is_asked_for_before_access_ends(relay, anna, monkeypatch):
    async def list_nobody(_admin):
        yield {}

    monkeypatch.setattr(supabase_admin.SupabaseAdmin, "list_identity_states", list_nobody)
    assert await compare(relay) == 0
    assert await get_statuses(anna) == ("/terms", 200)


async def test_unreachable_or_foreign_project_ends_no_access(relay, anna, owner):
    relay.supabase.is_down = True
    with pytest.raises(SupabaseError):
        await compare(relay)
    relay.supabase.is_down = False
    for number in range(4):
        await relay.sign_in(await relay.open_browser(), f"{number}@example.org")
    relay.supabase.accounts = {}  # as in another project, which has none of the five
    with pytest.raises(SupabaseMisconfigured, match="SUPABASE_URL"):
        await compare(relay)
    assert await get_statuses(anna) == ("/terms", 200)


async def test_leader_compares_in_cloud_mode_and_survives_failures(relay, anna, monkeypatch, caplog):
    assert (compare_module.RETRY_INTERVAL_SECONDS, compare_module.COMPARE_INTERVAL_SECONDS) == (300, 1800)
    monkeypatch.setattr(compare_module, "RETRY_INTERVAL_SECONDS", 0.01)
    process = dataclasses.make_dataclass("Process", ["settings", "runtime"])(Settings(), relay.app.state.runtime)
    loop = build_leader_loops(process)["supabase identities"]
    relay.supabase.is_down = True
    relay.supabase.accounts[ANNA].is_banned = True
    task = asyncio.create_task(loop())
    async with asyncio.timeout(30):
        while "not compared" not in caplog.text:
            await asyncio.sleep(0.01)
        relay.supabase.is_down = False
        while "supabase identity changed" not in caplog.text:
            await asyncio.sleep(0.01)
    task.cancel()
    assert await get_statuses(anna) == ("/sign-in", 403)


# At sign-in: a token that Supabase issued says nothing about what happened since.


async def finish_after(relay, change):
    """Open the link of ANNA's next email, and apply `change` to her account before the code is exchanged."""
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    callback_url = await relay.supabase.resolve_link(relay.supabase.mails[-1].link)
    change(relay.supabase.accounts[ANNA])
    return await browser.get(callback_url)


async def test_user_banned_after_the_link_is_refused_and_loses_other_sessions(relay, anna):
    page = await finish_after(relay, lambda account: setattr(account, "is_banned", True))
    assert (page.status_code, "This account is locked" in page.text) == (403, True)
    assert await get_statuses(anna) == ("/sign-in", 403)


async def test_user_deleted_after_the_exchange_is_refused(relay, anna, monkeypatch):
    create_session = relay.supabase.create_session

    def delete_after_session(account, *arguments, **options):
        session = create_session(account, *arguments, **options)
        relay.supabase.delete_account(account)
        return session

    monkeypatch.setattr(relay.supabase, "create_session", delete_after_session)
    assert (await finish_after(relay, lambda _account: None)).status_code == 410
    assert await get_statuses(anna) == ("/sign-in", 403)


async def test_sign_in_after_a_ban_enables_the_account_before_the_next_comparison(relay, anna):
    relay.supabase.accounts[ANNA].is_banned = True
    await compare(relay)
    relay.supabase.accounts[ANNA].is_banned = False
    assert (await finish_after(relay, lambda _account: None)).status_code == 303
    assert (await get_statuses(anna))[1] == 200


# A former user signs in again.


async def test_former_user_is_not_given_a_second_account(relay, anna, owner, caplog):
    relay.supabase.delete_account(relay.supabase.accounts[ANNA])
    page = await relay.sign_in(await relay.open_browser(), ANNA.upper())
    assert (page.status_code, "has to reconnect your account" in page.text) == (403, True)
    assert await fetch_column(owner, "select count(*) from users") == [1]
    assert f"evconduit user reconnect --user {anna.user_id}" in caplog.text
    assert ANNA not in caplog.text
    assert await get_statuses(anna) == ("/sign-in", 403)  # at once
    async with relay.app.state.runtime.pool.connection() as connection:
        assert await reconnect_user(connection, anna.user_id)
        assert not await reconnect_user(connection, anna.user_id)
    browser = await relay.open_browser()
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    assert (await relay.sign_in(browser, ANNA)).status_code == 303
    assert await fetch_column(owner, "select id from users") == [anna.user_id]
    assert await fetch_column(owner, "select supabase_id::text from users") == [relay.supabase.accounts[ANNA].id]
    assert (await get_statuses(anna))[1] == 200


async def test_former_user_is_recognized_when_signing_in_with_a_provider(relay, anna, owner):
    relay.supabase.delete_account(relay.supabase.accounts[ANNA])
    relay.supabase.provider_account = SupabaseAccount(ANNA)
    browser = await relay.open_browser()
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    assert (await relay.follow_link(browser, redirect.headers["location"])).status_code == 403
    assert await fetch_column(owner, "select count(*) from users") == [1]


async def test_new_holder_of_an_address_gets_an_account_of_their_own(relay, anna, owner):
    """Anna has changed her address at Supabase, and somebody else has her old one now."""
    account = relay.supabase.accounts.pop(ANNA)
    account.email = "anna@new.example"
    relay.supabase.accounts[account.email] = account
    assert (await relay.sign_in(await relay.open_browser(), ANNA)).status_code == 303
    assert await fetch_column(owner, "select count(*) from users") == [2]


async def test_no_second_account_while_supabase_cannot_tell_about_the_first(relay, anna, owner):
    relay.supabase.rate_limited_paths.add(f"/admin/users/{relay.supabase.accounts[ANNA].id}")
    relay.supabase.delete_account(relay.supabase.accounts[ANNA])
    assert (await relay.sign_in(await relay.open_browser(), ANNA)).status_code == 503
    assert await fetch_column(owner, "select count(*) from users") == [1]


async def test_account_deleted_here_is_created_anew(relay, anna, owner):
    await owner.execute("delete from users")
    relay.supabase.delete_account(relay.supabase.accounts[ANNA])
    assert (await relay.sign_in(await relay.open_browser(), ANNA)).status_code == 303
