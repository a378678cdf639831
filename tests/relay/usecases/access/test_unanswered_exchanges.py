"""A code or link whose exchange got no answer: Supabase has used it up, and the next page says so."""

import pytest

from tests.relay.support.cloud_relay import ANNA, fetch_column
from tests.relay.support.supabase.double import SigningKey
from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open")


async def press(relay, browser, mail):
    path = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    return await browser.submit("/auth/callback", on=path, token_hash=mail.token_hash, type="email")


async def test_code_used_up_by_an_unanswered_exchange_is_called_so(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    callback_url = await relay.supabase.resolve_link(relay.supabase.mails[0].link)
    relay.supabase.unanswered_paths.add("/token")
    assert (await browser.get(callback_url)).status_code == 503
    relay.supabase.unanswered_paths.clear()
    again = await browser.get(callback_url)
    assert (again.status_code, "This link has been used up" in again.text) == (410, True)


async def test_link_used_up_by_an_unanswered_exchange_is_called_so_in_any_browser(relay, owner):
    await (await relay.open_browser()).submit("/sign-in", email=ANNA)
    relay.supabase.unanswered_paths.add("/verify")
    assert (await press(relay, await relay.open_browser(), relay.supabase.mails[0])).status_code == 503
    relay.supabase.unanswered_paths.clear()
    again = await press(relay, await relay.open_browser(), relay.supabase.mails[0])
    assert (again.status_code, "This link has been used up" in again.text) == (410, True)
    stored = await fetch_column(owner, "select a::text from sign_in_attempts a")
    assert relay.supabase.mails[0].token_hash not in str(stored)


async def test_link_that_was_not_used_up_works_after_the_outage(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.is_down = True
    assert (await press(relay, browser, relay.supabase.mails[0])).status_code == 503
    relay.supabase.is_down = False
    keys = relay.app.state.runtime.supabase_sign_in.supabase.signing_keys
    keys._fetch_started_at = float("-inf")
    assert (await press(relay, browser, relay.supabase.mails[0])).headers["location"] == "/home"


async def test_link_is_not_used_up_while_the_keys_cannot_be_fetched(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.rate_limited_paths.add("/.well-known/jwks.json")
    assert (await press(relay, browser, relay.supabase.mails[0])).status_code == 503
    assert ("POST", "/auth/v1/verify") not in relay.supabase.requests


async def test_link_whose_token_could_not_be_verified_is_called_used_up(relay):
    await relay.sign_in(await relay.open_browser(), ANNA)  # fetches the keys
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.signing_key = SigningKey()
    relay.supabase.rate_limited_paths.add("/.well-known/jwks.json")
    assert (await press(relay, browser, relay.supabase.mails[-1])).status_code == 503
    assert "This link has been used up" in (await press(relay, browser, relay.supabase.mails[-1])).text


async def test_other_links_are_still_called_invalid(relay):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.unanswered_paths.add("/verify")
    await press(relay, browser, relay.supabase.mails[0])
    relay.supabase.unanswered_paths.clear()
    page = await browser.submit(
        "/auth/callback", on="/auth/callback?token_hash=x&type=email", token_hash="x", type="email"
    )
    assert "This link is no longer valid" in page.text
