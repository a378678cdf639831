"""Registration: who can create an account, with an invitation or the operator's approval."""

import asyncio
import dataclasses
from urllib.parse import quote

import pytest

from tests.relay.support.cloud_relay import ANNA, fetch_column


async def test_closed_registration_refuses_new_users(cloud, owner):
    relay = await cloud()
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    assert relay.supabase.mails == []
    assert "be created at the moment" in (await browser.get("/register")).text
    assert (await browser.submit("/register", on="/sign-in", email=ANNA, terms="yes")).status_code == 403
    # Supabase may have users that the relay doesn't have.
    relay.supabase.accounts[ANNA] = dataclasses.replace(relay.supabase.provider_account, email=ANNA)
    refused = await relay.sign_in(browser, ANNA)
    assert (refused.status_code, "Registration is closed" in refused.text) == (403, True)
    assert await fetch_column(owner, "select count(*) from users") == [0]
    assert [cookie.name for cookie in browser.cookies.jar if "session" in cookie.name] == []


async def test_invitation_admits_its_number_of_uses(cloud, owner, invite):
    relay, code = await cloud(registration="invitation"), await invite(uses=2)
    for name, typed in (("anna", code.lower().replace("-", " ")), ("bert", code), ("carl", code)):
        browser = await relay.open_browser()
        tried = await browser.submit("/register", email=f"{name}@example.org", code=typed, terms="yes")
        if name == "carl":
            assert (tried.status_code, "code is not valid" in tried.text, code in tried.text) == (422, True, True)
            continue
        landed = await relay.follow_link(browser, relay.supabase.mails[-1].link)
        assert landed.headers["location"] == "/home"
        assert (await browser.get("/home")).status_code == 200  # terms were accepted on the form
    assert await fetch_column(owner, "select used from invitations") == [2]
    assert await fetch_column(owner, "select count(*) from users where invitation_id is not null") == [2]


async def test_last_use_of_an_invitation_is_redeemed_once(cloud, owner, invite):
    relay, code = await cloud(registration="invitation"), await invite()
    browsers = [await relay.open_browser() for _ in range(4)]
    for number, browser in enumerate(browsers):
        await browser.submit("/register", email=f"{number}@example.org", code=code, terms="yes")
    landed = await asyncio.gather(
        *(relay.follow_link(browser, mail.link) for browser, mail in zip(browsers, relay.supabase.mails, strict=True))
    )
    assert sorted(response.headers["location"] for response in landed) == [
        "/home",
        "/register",
        "/register",
        "/register",
    ]
    assert await fetch_column(owner, "select count(*) from users") == [1]


async def test_verified_user_without_invitation_registers_without_signing_in_again(cloud, owner, invite):
    relay = await cloud(registration="invitation", sign_in_providers="google")
    browser = await relay.open_browser()
    redirect = await browser.submit("/sign-in/with/google", on="/sign-in")
    assert (await relay.follow_link(browser, redirect.headers["location"])).headers["location"] == "/register"
    form = await browser.get("/register")
    assert ("octo@example.org" in form.text, 'name="email"' in form.text) == (True, False)
    missing = await browser.submit("/register", code=" ", terms="yes")
    assert (missing.status_code, "Enter your invitation code." in missing.text) == (422, True)
    wrong = await browser.submit("/register", code="0000-0000-0000-0000")
    assert [text in wrong.text for text in ("code is not valid", "0000-0000-0000-0000", "Agree to the terms")] == [
        True
    ] * 3
    registered = await browser.submit("/register", code=await invite(), terms="yes")
    assert registered.headers["location"] == "/home"
    assert (await browser.get("/home")).status_code == 200
    assert await fetch_column(owner, "select email from users") == ["octo@example.org"]


@pytest.mark.parametrize("change", ["revoked_at = now()", "expires_at = now() - interval '1 second'", "used = uses"])
async def test_expired_revoked_or_used_invitation_is_refused(cloud, owner, invite, change):
    relay, code, browser = await cloud(registration="invitation"), await invite(), None
    browser = await relay.open_browser()
    await browser.submit("/register", email=ANNA, code=code, terms="yes")
    await owner.execute(f"update invitations set {change}")
    assert (await relay.follow_link(browser, relay.supabase.mails[0].link)).headers["location"] == "/register"
    assert await fetch_column(owner, "select count(*) from users") == [0]


async def test_new_users_wait_for_approval(cloud, owner):
    relay = await cloud(registration="open", approval=True)
    browser = await relay.open_browser()
    await relay.sign_in(browser, ANNA, by="/register", terms="yes")
    assert (await browser.get("/home")).headers["location"] == "/waiting?next=%2Fhome"
    assert "Waiting for approval" in (await browser.get("/waiting")).text
    token = relay.supabase.sign_token(relay.supabase.accounts[ANNA])
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await browser.get("/api/me", headers=bearer)).status_code == 401
    await owner.execute("update users set approved_at = now()")
    assert (await browser.get("/waiting?next=/home")).headers["location"] == "/home"
    assert (await browser.get("/home")).status_code == 200
    assert (await browser.get("/api/me", headers=bearer)).status_code == 200


async def test_registration_that_interrupts_a_request_for_access_returns_to_it(cloud, owner):
    relay, wanted = await cloud(registration="open", approval=True), "/oauth/authorize?client_id=home-assistant"
    browser, returns = await relay.open_browser(), "After you sign in, you return to its request."
    sign_in = await browser.get(f"/sign-in?next={quote(wanted, safe='')}")
    assert f'href="/register?next={quote(wanted)}"' in sign_in.text
    form = await browser.get(f"/register?next={quote(wanted)}")
    assert f'name="next" value="{wanted}"' in form.text
    invalid = await browser.submit("/register", email="anna", next=wanted)
    sent = await browser.submit("/register", email=ANNA, terms="yes", next=wanted)
    link = await browser.get(f"/auth/callback?token_hash={relay.supabase.mails[-1].token_hash}&type=email")
    assert [returns in page.text for page in (sign_in, form, invalid, sent, link)] == [True] * 5
    assert (await relay.follow_link(browser, relay.supabase.mails[-1].link)).headers["location"] == wanted
    waiting = await browser.get(f"/waiting?next={quote(wanted)}")
    assert returns in waiting.text
    assert f'href="/waiting?next={quote(wanted)}"' in waiting.text
    await owner.execute("update users set approved_at = now()")
    assert (await browser.get(f"/waiting?next={quote(wanted)}")).headers["location"] == wanted


@pytest.mark.parametrize("forged", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_registration_does_not_lead_to_another_site(cloud, forged):
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    await browser.submit("/register", email=ANNA, terms="yes", next=forged)
    assert (await relay.follow_link(browser, relay.supabase.mails[-1].link)).headers["location"] == "/home"
