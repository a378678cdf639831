"""Sign-in on a cloud relay in a real browser without JavaScript: by email and with a provider."""

import pytest
from psycopg import AsyncConnection

from relay.usecases.access.sign_in_outcome import STATUS_BY_ERROR_CODE
from tests.relay.browser.accessibility import find_violations

ANNA = "anna@example.org"


@pytest.fixture
def relay(cloud):
    return cloud.url


async def test_new_user_signs_in_by_email_and_waits_for_approval(open_page, cloud, database_url):
    window = await open_page()
    await window.goto("/keys")
    await window.get_by_label("Email address").fill("anna")
    await window.get_by_role("button", name="Send link").click()
    field = window.get_by_label("Email address")
    assert (await field.input_value(), await field.get_attribute("aria-invalid")) == ("anna", "true")
    await field.fill(ANNA)
    await window.get_by_role("button", name="Send link").click()
    assert await window.get_by_role("heading", name="Check your email").is_visible()
    await window.goto(cloud.supabase.mails[0].link)
    assert await window.get_by_role("heading", name="Waiting for approval").is_visible()
    assert await window.get_by_role("button", name="Menu").count() == 0  # its pages are not available yet
    assert await window.get_by_role("button", name="Sign out").is_visible()
    async with await AsyncConnection.connect(database_url, autocommit=True) as operator:
        await operator.execute("update evconduit.users set approved_at = now()")
    await window.get_by_role("link", name="Check again").click()
    await window.get_by_role("button", name="I agree").click()
    assert window.url == f"{cloud.url}/keys"  # which was requested before signing in


async def test_content_security_policy_allows_the_redirects_to_a_provider_and_back(open_page, cloud):
    window = await open_page()
    await window.goto("/sign-in")
    await window.get_by_role("button", name="Sign in with GitHub").click()
    await window.wait_for_url("**/waiting**")
    assert await window.get_by_text("octo@example.org").first.is_visible()


async def test_link_opened_on_another_device_asks_for_confirmation(open_page, cloud):
    window = await open_page()
    await window.goto("/register")
    await window.get_by_label("Email address").fill(ANNA)
    await window.get_by_label("I agree to the terms").check()
    await window.get_by_role("button", name="Send link").click()
    phone = await open_page()
    await phone.goto(f"/auth/callback?token_hash={cloud.supabase.mails[0].token_hash}&type=email")
    assert await phone.get_by_text("This sign-in was not started in this browser").is_visible()
    await phone.get_by_role("button", name="Sign in").click()
    assert await phone.get_by_role("heading", name="Waiting for approval").is_visible()


@pytest.mark.parametrize(("language", "scheme"), [("en-US", "light"), ("de-DE", "dark"), ("sv-SE", "light")])
async def test_sign_in_pages_have_no_accessibility_violations_and_fit_the_window(open_page, cloud, language, scheme):
    window = await open_page(scripts=True, color_scheme=scheme, locale=language)

    async def check_page(where):
        violations = await find_violations(window)
        excess = await window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (where, violations, max(excess, 0)) == (where, [], 0)

    ended = [f"/auth/callback?{query}" for query in ("code=x", *(f"error_code={why}" for why in STATUS_BY_ERROR_CODE))]
    for path in ("/sign-in", "/register", "/terms", "/auth/callback?token_hash=x&type=email", *ended):
        await window.goto(path)
        await check_page(path)
    await window.goto("/register")
    await window.locator("main button").click()
    await check_page("/register, filled in wrongly")
    await window.goto("/sign-in")
    await window.locator("#email").fill(ANNA)
    await window.locator("main button").first.click()
    await check_page("the mail is sent")
    await window.goto(cloud.supabase.mails[0].link)
    await check_page("/waiting")


async def test_confirmation_link_with_tokens_in_the_fragment_says_what_to_do(open_page, cloud):
    cloud.supabase.provider_verifies_email = False
    window = await open_page(scripts=True)
    await window.goto("/sign-in")
    await window.get_by_role("button", name="Sign in with GitHub").click()
    await window.get_by_role("heading", name="Confirm your email address first").wait_for()
    await window.goto(cloud.supabase.mails[0].link)
    await window.get_by_role("heading", name="Your email address is confirmed").wait_for()
    assert (window.url, cloud.supabase.sessions) == (f"{cloud.url}/auth/returned", {})
    await window.get_by_role("link", name="Back to sign-in").click()
    await window.get_by_role("button", name="Sign in with GitHub").click()
    await window.wait_for_url("**/waiting**")
