"""Refusals and rate limits of Supabase: what users see, what is logged, and what is retried."""

import logging

import httpx
import pytest

from relay.usecases.account.delete_account import request_deletion, resume_deletion
from tests.relay.support.cloud_relay import ANNA
from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS, FLOW_LIFETIME_SECONDS, SupabaseAccount


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open", sign_in_providers="github")


# Requesting a link twice, for example because the email is late.


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
async def test_repeated_request_sends_no_second_email_and_the_first_link_works(relay, known):
    if known:
        await relay.sign_in(await relay.open_browser(), ANNA)
        relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    browser = await relay.open_browser()
    for _ in range(3):
        assert (
            await browser.submit("/sign-in", on="/sign-in?next=%2Fkeys", email=ANNA, next="/keys")
        ).status_code == 200
    assert len(relay.supabase.mails) == (2 if known else 1)
    landed = await relay.follow_link(browser, relay.supabase.mails[-1].link)
    assert (landed.status_code, landed.headers["location"]) == (303, "/keys")


async def test_link_of_a_later_email_works_after_another_request(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    await browser.submit("/register", email=ANNA, terms="yes")
    await browser.submit("/sign-in", email=ANNA)
    assert len(relay.supabase.mails) == 2
    landed = await relay.follow_link(browser, relay.supabase.mails[1].link)
    assert landed.headers["location"] == "/home"


async def test_verifiers_are_not_reused_for_another_address(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    callback_url = await relay.supabase.resolve_link(relay.supabase.mails[0].link)
    await browser.submit("/sign-in", email="bert@example.org")
    assert (await browser.get(callback_url)).status_code == 410


async def test_earlier_verifiers_are_deleted_after_sign_in(relay, owner):
    browser = await relay.open_browser()
    for _ in range(2):
        await browser.submit("/sign-in", email=ANNA)
    await relay.follow_link(browser, relay.supabase.mails[0].link)
    cursor = await owner.execute(
        "select sum(cardinality(earlier_verifiers)) from sign_in_attempts where next_path = ''"
    )
    assert await cursor.fetchall() == [(0,)]


# Rate limits.


async def test_rate_limit_of_supabase_returns_429_and_the_link_stays_valid(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    callback_url = await relay.supabase.resolve_link(relay.supabase.mails[0].link)
    relay.supabase.rate_limited_paths.add("/token")
    busy = await browser.get(callback_url)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "60")
    assert "is not responding" not in busy.text
    relay.supabase.rate_limited_paths.clear()
    assert (await browser.get(callback_url)).headers["location"] == "/home"


async def test_rate_limited_button_press_returns_429_and_can_be_repeated(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    token_hash = relay.supabase.mails[0].token_hash
    form = {"on": f"/auth/callback?token_hash={token_hash}&type=email", "token_hash": token_hash, "type": "email"}
    relay.supabase.rate_limited_paths.add("/verify")
    assert (await browser.submit("/auth/callback", **form)).status_code == 429
    relay.supabase.rate_limited_paths.clear()
    assert (await browser.submit("/auth/callback", **form)).headers["location"] == "/home"


# Refusals.


async def test_banned_user_is_refused_by_every_sign_in_method(relay):
    relay.supabase.accounts[ANNA] = account = SupabaseAccount(ANNA, is_confirmed=True)
    relay.supabase.provider_account.is_banned = True
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    account.is_banned = True
    mail = relay.supabase.mails[0]
    by_link = await relay.follow_link(browser, mail.link)
    callback_path = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    by_press = await browser.submit("/auth/callback", on=callback_path, token_hash=mail.token_hash, type="email")
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    by_provider = await relay.follow_link(browser, redirect.headers["location"])
    for page in (by_link, by_press, by_provider):
        assert (page.status_code, "This account is locked" in page.text) == (403, True)


async def test_unverified_provider_address_must_be_confirmed_by_email(relay):
    relay.supabase.provider_verifies_email = False
    browser = await relay.open_browser()
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    page = await relay.follow_link(browser, redirect.headers["location"])
    assert (page.status_code, "Confirm your email address first" in page.text) == (403, True)
    await relay.supabase.resolve_link(relay.supabase.mails[0].link)
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    assert (await relay.follow_link(browser, redirect.headers["location"])).headers["location"] == "/home"


async def test_expired_provider_sign_in_ends_on_the_error_page(relay):
    browser = await relay.open_browser()
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    async with httpx.AsyncClient() as outside:
        provider = (await outside.get(redirect.headers["location"])).headers["location"]
        callback_url = (await outside.get(provider)).headers["location"]
    relay.supabase.advance_time(FLOW_LIFETIME_SECONDS + 1)
    front = await relay.follow_link(browser, callback_url)
    assert front.headers["location"].startswith("/auth/callback?")
    page = await browser.get(front.headers["location"])
    assert "Sign-in failed" in page.text
    assert (await browser.get("/?error=x")).status_code == 303
    assert (await browser.get("/")).status_code == 200


async def test_code_of_a_new_user_expires_five_minutes_after_the_request(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.advance_time(FLOW_LIFETIME_SECONDS + 1)
    expired = await relay.follow_link(browser, relay.supabase.mails[0].link)
    assert (expired.status_code, "no longer valid" in expired.text) == (410, True)
    await browser.submit("/sign-in", email=ANNA)  # confirmed by the first link
    relay.supabase.advance_time(FLOW_LIFETIME_SECONDS + 1)
    assert (await relay.follow_link(browser, relay.supabase.mails[1].link)).headers["location"] == "/home"


# Logs and retries.


@pytest.mark.parametrize(
    ("setting", "code", "level"),
    [
        ({"allowed_addresses": set()}, "email_address_not_authorized", "WARNING"),
        ({"allows_signups": False}, "signup_disabled", "WARNING"),
        ({"emails_left": 0}, "email quota exhausted", "ERROR"),
        ({"requires_captcha": True}, "captcha_failed", "WARNING"),
        ({"allows_email_sign_in": False}, "email_provider_disabled", "WARNING"),
        ({"mail_server": "down"}, "HTTP 500", "WARNING"),
        ({"mail_server": "slow"}, "AuthRetryableError", "WARNING"),
        ({"rate_limited_paths": {"/otp"}}, "too many requests", "WARNING"),
    ],
    ids=str,
)
async def test_unsent_link_is_logged_as_warning_for_project_problems(relay, caplog, setting, code, level):
    caplog.set_level(logging.INFO, logger="relay")
    for name, value in setting.items():
        setattr(relay.supabase, name, value)
    sent = await (await relay.open_browser()).submit("/sign-in", email=ANNA)
    assert "Check your email" in sent.text
    (record,) = [record for record in caplog.records if "sign-in link not sent" in record.getMessage()]
    assert (record.levelname, code in record.getMessage(), "@" in record.getMessage()) == (level, True, False)


async def test_unsent_link_to_unknown_address_is_logged_as_info(cloud, caplog):
    caplog.set_level(logging.INFO, logger="relay")
    await (await (await cloud()).open_browser()).submit("/sign-in", email=ANNA)
    (record,) = [record for record in caplog.records if "sign-in link not sent" in record.getMessage()]
    assert (record.levelname, "otp_disabled" in record.getMessage()) == ("INFO", True)


async def test_user_deletion_is_retried_after_a_rate_limit(relay, owner):
    await relay.sign_in(await relay.open_browser(), ANNA)
    runtime = relay.app.state.runtime
    ((user_id, supabase_id),) = await (await owner.execute("select id, supabase_id from users")).fetchall()
    await request_deletion(runtime, user_id)
    relay.supabase.rate_limited_paths.add(f"/admin/users/{supabase_id}")
    assert not await resume_deletion(runtime, user_id)
    relay.supabase.rate_limited_paths.clear()
    await owner.execute("update deleted_users set next_try_at = now()")
    assert await resume_deletion(runtime, user_id)
    assert relay.supabase.accounts == {}
