"""What the relay's requests to Supabase carry, and what it does with links that Supabase made on its own."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from relay.pages.translations import WEB_DIR
from tests.relay.support.cloud_relay import ANNA, SITE
from tests.relay.support.supabase.double import ANON

CLIENT = "2001:db8:0:1::1"


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open", sign_in_providers="github")


def list_headers(supabase, path):
    """Headers of the requests to this path."""
    pairs = zip(supabase.requests, supabase.request_headers, strict=True)
    return [headers for (_, requested), headers in pairs if requested == f"/auth/v1{path}"]


async def test_each_request_of_a_person_names_their_address(relay):
    browser = await relay.open_browser(client=(CLIENT, 1))
    await relay.sign_in(browser, ANNA)
    browser = await relay.open_browser(client=(CLIENT, 1))
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    await relay.follow_link(browser, redirect.headers["location"])
    browser = await relay.open_browser(client=(CLIENT, 1))
    await browser.submit("/sign-in", email="bert@example.org")
    token_hash = relay.supabase.mails[-1].token_hash
    await browser.submit(
        "/auth/callback", f"/auth/callback?token_hash={token_hash}&type=email", token_hash=token_hash, type="email"
    )
    posts = [
        headers.get("sb-forwarded-for")
        for (method, _), headers in zip(relay.supabase.requests, relay.supabase.request_headers, strict=True)
        if method == "POST"
    ]
    assert len(posts) >= 5
    assert set(posts) == {CLIENT}


async def test_people_do_not_share_a_limit_if_the_project_counts_forwarded_addresses(relay):
    relay.supabase.limits_addresses = relay.supabase.counts_forwarded_addresses = True
    for number in range(40):
        browser = await relay.open_browser(client=(f"198.51.100.{number}", 1))
        await browser.submit("/sign-in", email=f"{number}@example.org")
    assert len(relay.supabase.mails) == 40


async def test_published_keys_are_asked_for_with_the_api_key(relay):
    relay.supabase.wants_key_for_jwks = True
    assert (await relay.sign_in(await relay.open_browser(), ANNA)).headers["location"] == "/home"
    assert [headers["apikey"] for headers in list_headers(relay.supabase, "/.well-known/jwks.json")] == [ANON]


# An address that the provider hasn't verified, with Supabase's own email template.


@pytest.fixture
async def confirmation_url(relay):
    """The relay's address to which the link of the confirmation email leads."""
    relay.supabase.provider_verifies_email = False
    browser = await relay.open_browser()
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    page = await relay.follow_link(browser, redirect.headers["location"])
    assert "Confirm your email address first" in page.text
    async with httpx.AsyncClient() as outside:
        return (await outside.get(relay.supabase.mails[0].link)).headers["location"]


async def post_fragment(browser, url):
    """Do what the script of the landing page does."""
    fields = {name: values[0] for name, values in parse_qs(urlsplit(url).fragment).items()}
    page = (await browser.get(url.partition("#")[0].removeprefix(SITE) or "/")).text
    names = set(re.findall(r'name="(\w+)"', page.partition('id="sign-in-return"')[2].partition("</form>")[0]))
    return await browser.submit("/auth/returned", on="/", **{name: fields.get(name, "") for name in names - {"csrf"}})


async def test_confirmation_link_ends_its_session_and_says_what_to_do(relay, confirmation_url):
    assert len(relay.supabase.sessions) == 1
    browser = await relay.open_browser()
    page = await post_fragment(browser, confirmation_url)
    assert (page.status_code, "Your email address is confirmed" in page.text) == (200, True)
    assert relay.supabase.sessions == {}
    assert (await browser.get("/home")).headers["location"].startswith("/sign-in")  # it signs nobody in
    redirect = await browser.submit("/sign-in/with/github", on="/sign-in")
    assert (await relay.follow_link(browser, redirect.headers["location"])).headers["location"] == "/home"


async def test_used_confirmation_link_says_so(relay, confirmation_url):
    async with httpx.AsyncClient() as outside:
        again = (await outside.get(relay.supabase.mails[0].link)).headers["location"]
    page = await post_fragment(await relay.open_browser(), again)
    assert (page.status_code, "This link is no longer valid" in page.text) == (410, True)


async def test_forged_token_reaches_supabase_not_at_all(relay):
    page = await post_fragment(await relay.open_browser(), f"{SITE}/#access_token=forged")
    assert page.status_code == 410
    assert ("POST", "/auth/v1/logout") not in relay.supabase.requests


async def test_script_removes_the_tokens_from_the_address(relay):
    script = (WEB_DIR / "static" / "sign-in-return.js").read_text(encoding="utf-8")
    assert "history.replaceState" in script
    for path in ("/", "/sign-in"):
        page = await (await relay.open_browser()).get(path)
        assert "/static/sign-in-return.js" in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_self_hosted_pages_have_no_such_script(self_hosted_browser):
    for path in ("/", "/sign-in"):
        assert "sign-in-return" not in (await self_hosted_browser.get(path)).text
