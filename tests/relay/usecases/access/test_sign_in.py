"""Signing in to a relay in cloud mode, from the form to the session, through the Supabase client and the double."""

import asyncio
import dataclasses
import html
import logging
import re

import httpx
import pytest

from relay.usecases.account.delete_account import request_deletion, resume_deletion
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.cloud_relay import ANNA, fetch_column
from tests.relay.support.serving import serve_relay
from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS


async def test_sign_in_is_logged_with_the_account(cloud, owner, caplog):
    caplog.set_level(logging.INFO, logger="relay")
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    assert "signed_in" not in caplog.text
    await relay.follow_link(browser, relay.supabase.mails[0].link)
    [(user_id,)] = await (await owner.execute("select id from users")).fetchall()
    lines = [record.getMessage() for record in caplog.records if "signed_in" in record.getMessage()]
    assert lines == [f"security event=signed_in method=supabase account={user_id}"]


async def test_emailed_link_signs_in_and_leads_through_the_terms(cloud, owner):
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    assert (await browser.get("/keys")).headers["location"] == "/sign-in?next=%2Fkeys"
    sent = await browser.submit("/sign-in", on="/sign-in?next=%2Fkeys", email=f" {ANNA} ", next="/keys")
    assert "Check your email" in sent.text
    landed = await relay.follow_link(browser, relay.supabase.mails[0].link)
    assert (landed.status_code, landed.headers["location"]) == (303, "/keys")
    assert (await browser.get("/keys")).headers["location"] == "/terms?next=%2Fkeys"
    agreed = await browser.submit("/terms", on="/terms?next=%2Fkeys", next="/keys")
    assert agreed.headers["location"] == "/keys"
    assert (await browser.get("/keys")).status_code == 200
    assert "I agree" not in (await browser.get("/terms")).text
    cursor = await owner.execute(
        "select email, role, plan, supabase_id::text, accepted_terms_at is not null from users"
    )
    assert await cursor.fetchall() == [(ANNA, "user", "free", relay.supabase.accounts[ANNA].id, True)]


async def test_no_tokens_or_sessions_of_supabase_are_kept(cloud, owner):
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    await relay.sign_in(browser, ANNA)
    assert relay.supabase.sessions == {}  # ended at Supabase as well
    rows = [str(row) for row in await (await owner.execute("select * from sign_in_attempts")).fetchall()]
    assert len(rows) == 1
    assert not re.search(r"eyJ|@example|verifier", rows[0])
    assert await fetch_column(owner, "select code_verifier from sign_in_attempts") == [None]
    assert [cookie.name for cookie in browser.cookies.jar if "attempt" in cookie.name] == []


async def test_returning_user_gets_the_same_account_with_a_changed_email(cloud, owner):
    relay = await cloud(registration="open")
    for _ in range(2):
        await relay.sign_in(await relay.open_browser(), ANNA)
        relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    supabase_account = relay.supabase.accounts[ANNA]
    supabase_account.email = "anna@new.example"
    relay.supabase.accounts = {supabase_account.email: supabase_account}
    await relay.sign_in(await relay.open_browser(), supabase_account.email)
    assert await fetch_column(owner, "select email from users") == ["anna@new.example"]
    assert await fetch_column(owner, "select count(*) from web_sessions where began_by = 'supabase'") == [3]


async def test_mail_scanner_cannot_sign_in_with_the_link(cloud, owner):
    relay = await cloud(registration="open")
    browser, scanner = await relay.open_browser(), await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    page = await relay.follow_link(scanner, relay.supabase.mails[0].link)
    assert (page.status_code, "Open the link in the browser where you requested it" in page.text) == (400, True)
    assert await fetch_column(owner, "select count(*) from users") == [0]
    # Supabase has used up the link all the same. The manual says how to write email templates that avoid it.
    repeated = await relay.follow_link(browser, relay.supabase.mails[0].link)
    assert (repeated.status_code, "no longer valid" in repeated.text) == (410, True)


async def test_token_hash_link_waits_for_a_button_press(cloud, owner):
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    mail = relay.supabase.mails[0]
    callback_path = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    for scanner in (await relay.open_browser(), browser):
        assert (await scanner.get(callback_path)).status_code == 200
    assert await fetch_column(owner, "select count(*) from users") == [0]
    assert "was not started in this browser" not in (await browser.get(callback_path)).text
    pressed = await browser.submit("/auth/callback", on=callback_path, token_hash=mail.token_hash, type="email")
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/home")
    assert (
        await browser.submit("/auth/callback", on=callback_path, token_hash=mail.token_hash, type="email")
    ).status_code == 410


async def test_token_hash_link_works_on_another_device_with_a_warning(cloud, owner):
    relay = await cloud(registration="open")
    await (await relay.open_browser()).submit("/sign-in", email=ANNA)
    mail, phone = relay.supabase.mails[0], await relay.open_browser()
    callback_path = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    assert "was not started in this browser" in (await phone.get(callback_path)).text
    pressed = await phone.submit("/auth/callback", on=callback_path, token_hash=mail.token_hash, type="email")
    assert pressed.headers["location"] == "/home"


async def test_code_works_only_in_the_browser_that_requested_it(cloud, owner):
    relay = await cloud(registration="open")
    victim, thief = await relay.open_browser(), await relay.open_browser()
    await thief.submit("/sign-in", email="thief@example.org")
    callback_url = await relay.supabase.resolve_link(relay.supabase.mails[0].link)
    # A browser that has begun its own sign-in can't be signed in with another user's code (login CSRF).
    await victim.submit("/sign-in", email=ANNA)
    assert (await victim.get(callback_url)).status_code == 410
    landed = await relay.follow_link(victim, relay.supabase.mails[1].link)
    assert landed.headers["location"] == "/home"
    assert await fetch_column(owner, "select email from users") == [ANNA]


async def test_provider_signs_in(cloud, owner):
    relay = await cloud(registration="open", sign_in_providers="github")
    browser = await relay.open_browser()
    page = await browser.get("/sign-in")
    assert ("with GitHub" in page.text, "with Google" in page.text) == (True, False)
    allowed = re.search(r"form-action ([^;]+);", page.headers["content-security-policy"])[1]
    assert allowed == f"'self' {relay.supabase.url} https://github.com"
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in", next="/usage")
    landed = await relay.follow_link(browser, redirect.headers["location"])
    assert landed.headers["location"] == "/usage"
    assert await fetch_column(owner, "select name from users") == ["Octo Cat"]
    assert (await browser.submit("/sign-in/with/google", on="/terms")).status_code == 404


async def test_cancelled_and_failed_provider_sign_ins_show_the_reason(cloud):
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    cancelled = await browser.get("/auth/callback?error=access_denied&error_description=<b>x</b>")
    assert ("You are not signed in" in cancelled.text, "<b>x" in cancelled.text) == (True, False)
    failed = await browser.get("/auth/callback?error=server_error&error_code=unexpected_failure")
    assert (failed.status_code, "Sign-in failed" in failed.text) == (502, True)
    assert (await browser.get("/auth/callback?error=access_denied&error_code=otp_expired")).status_code == 410
    assert (await browser.get("/auth/callback?token_hash=x&type=recovery")).status_code == 410
    assert (await browser.get("/auth/callback")).headers["location"] == "/sign-in"


async def test_account_being_deleted_cannot_sign_in(cloud, owner):
    relay = await cloud(registration="open")
    await relay.sign_in(await relay.open_browser(), ANNA)
    await owner.execute("update users set closed_at = now()")
    refused = await relay.sign_in(await relay.open_browser(), ANNA)
    assert (refused.status_code, "being deleted" in refused.text) == (403, True)


async def test_sign_out_everywhere_ends_all_sessions(cloud, owner):
    relay = await cloud(registration="open")
    browsers = [await relay.open_browser() for _ in range(2)]
    for browser in browsers:
        await relay.sign_in(browser, ANNA)
    await browsers[0].submit("/terms")
    await browsers[0].submit("/profile/sign-out-everywhere", on="/profile")
    assert [(await browser.get("/home")).headers["location"] for browser in browsers] == ["/sign-in?next=%2Fhome"] * 2


async def test_no_new_account_until_the_supabase_user_is_deleted(cloud, owner):
    relay = await cloud(registration="open")
    await relay.sign_in(await relay.open_browser(), ANNA)
    runtime, supabase_account = relay.app.state.runtime, relay.supabase.accounts[ANNA]
    (user_id,) = await fetch_column(owner, "select id from users")
    await request_deletion(runtime, user_id)
    relay.supabase.is_down = True
    assert not await resume_deletion(runtime, user_id)
    relay.supabase.is_down = False
    assert await fetch_column(owner, "select count(*) from users") == [0]
    refused = await relay.sign_in(await relay.open_browser(), ANNA)
    assert (refused.status_code, "being deleted" in refused.text) == (403, True)
    await owner.execute("update deleted_users set next_try_at = now()")
    assert await resume_deletion(runtime, user_id)
    assert relay.supabase.accounts == {}
    await relay.sign_in(await relay.open_browser(), ANNA)
    assert await fetch_column(owner, "select supabase_id::text <> %s from users", supabase_account.id) == [True]


async def test_unfinished_sign_in_expires_and_is_deleted(cloud, owner, pool):
    relay = await cloud(registration="invitation", sign_in_providers="google")
    browser = await relay.open_browser()
    redirect = await browser.submit("/sign-in/with/google", on="/sign-in")
    await relay.follow_link(browser, redirect.headers["location"])
    assert await fetch_column(owner, "select email from sign_in_attempts") == ["octo@example.org"]
    await owner.execute("update sign_in_attempts set expires_at = now() - interval '1 second'")
    assert "octo@example.org" not in (await browser.get("/register")).text
    async with pool.connection() as connection:
        await prune_old_rows(connection, Retention())
    assert await fetch_column(owner, "select count(*) from sign_in_attempts") == [0]


# Privacy and abuse.


async def test_response_does_not_reveal_whether_an_address_is_known(cloud):
    relay = await cloud(registration="invitation")
    relay.supabase.accounts[ANNA] = dataclasses.replace(relay.supabase.provider_account, email=ANNA)
    answers = []
    for email in (ANNA, "nobody@example.org"):
        answer = await (await relay.open_browser()).submit("/sign-in", email=email)
        headers = {
            name: value for name, value in answer.headers.items() if name not in {"set-cookie", "content-length"}
        }
        answers.append((answer.status_code, headers, answer.text.replace(email, "…")))
    without_forms = [(status, headers, re.sub(r'value="\w{64}"', "", text)) for status, headers, text in answers]
    assert without_forms[0] == without_forms[1]
    assert [mail.to for mail in relay.supabase.mails] == [ANNA]


async def test_response_is_sent_before_supabase_is_called(cloud):
    relay = await cloud(registration="open")
    relay.supabase.hold = asyncio.Event()
    async with serve_relay(relay.app) as url, httpx.AsyncClient(base_url=url) as browser:
        csrf = re.search(r'name="csrf" value="(\w+)"', (await browser.get("/sign-in")).text)[1]
        answer = await browser.post("/sign-in", data={"csrf": csrf, "email": ANNA})
        assert (answer.status_code, relay.supabase.mails) == (200, [])
        relay.supabase.hold.set()
        async with asyncio.timeout(10):
            while not relay.supabase.mails:
                await asyncio.sleep(0.01)


async def test_sign_ins_per_address_and_per_client_are_limited(cloud):
    relay = await cloud(registration="open")
    for _ in range(5):
        browser = await relay.open_browser(client=("192.0.2.1", 1))
        assert (await browser.submit("/sign-in", email=ANNA.upper())).status_code == 200
    stopped = await (await relay.open_browser(client=("192.0.2.1", 2))).submit("/sign-in", email=ANNA)
    assert (stopped.status_code, stopped.headers["retry-after"]) == (429, "900")
    # Supabase emails an address at most once a minute, so five requests send one email.
    assert (relay.supabase.count_requests("/otp"), len(relay.supabase.mails)) == (5, 1)
    assert (await (await relay.open_browser(client=("192.0.2.2", 1))).submit("/sign-in", email=ANNA)).status_code == 200
    statuses = []
    for number in range(31):
        browser = await relay.open_browser(client=(f"2001:db8::{number:x}", 1))
        statuses.append((await browser.submit("/sign-in", email=f"{number}@example.org")).status_code)
    assert statuses == [200] * 30 + [429]
    elsewhere = await relay.open_browser(client=("2001:db8:0:1::1", 1))
    assert (await elsewhere.submit("/sign-in", email="x@example.org")).status_code == 200


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "anna",
        "a b@example.org",
        "anna@example",
        "a@" + "b" * 260 + ".org",
        "a\nb@c.de",
        "änna@example.org",
        "a@exämple.org",
        '"a"@b.org',
    ],
)
async def test_invalid_email_is_shown_again_with_an_error(cloud, typed):
    relay = await cloud(registration="open")
    answer = await (await relay.open_browser()).submit("/sign-in", email=typed, next="//evil.example")
    assert (answer.status_code, "Enter a valid email address" in answer.text) == (422, True)
    assert 'name="next" value="/home"' in answer.text
    assert 'id="email-error"' in answer.text
    assert typed == "" or f'value="{html.escape(typed)}"' in answer.text.replace("&#34;", "&quot;")
    assert relay.supabase.mails == []


async def test_forms_with_a_wrong_csrf_token_are_refused(cloud):
    relay = await cloud(registration="open", sign_in_providers="github")
    browser = await relay.open_browser()
    for path in ("/sign-in", "/sign-in/with/github", "/auth/callback", "/register", "/terms"):
        assert (await browser.post(path, data={"email": ANNA, "csrf": "0" * 64})).status_code == 403
    assert relay.supabase.requests == []


async def test_supabase_outage_returns_503_and_logs_no_secrets(cloud, caplog):
    caplog.set_level(logging.DEBUG, logger="relay")
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    callback_url = await relay.supabase.resolve_link(relay.supabase.mails[0].link)
    relay.supabase.is_down = True
    unavailable = await browser.get(callback_url)
    assert (unavailable.status_code, unavailable.headers["retry-after"]) == (503, "10")
    assert (await browser.submit("/sign-in", email=ANNA)).status_code == 200  # the same response as always
    relay.supabase.is_down = False
    messages = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("relay"))
    assert "Supabase, exchange a code" in messages
    assert not any(secret in messages for secret in ("@", callback_url.rpartition("=")[2]))


async def test_self_hosted_relay_has_no_supabase_pages(self_hosted_browser):
    for path in ("/auth/callback?code=x", "/register", "/terms"):
        assert (await self_hosted_browser.get(path)).status_code == 404
