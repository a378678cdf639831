"""Signing in where many people are, in a real browser: by mail, by a provider, with an invitation. Without scripts."""

import pytest
from axe_playwright_python.async_playwright import Axe
from psycopg import AsyncConnection

from relay.usecases.access.sign_in_outcome import STATUS_BY_ERROR_CODE

ANNA = "anna@example.org"


@pytest.fixture
def relay(cloud):
    return cloud.url


async def test_from_the_form_to_the_cars(open_page, cloud, database_url):
    window = await open_page()
    await window.goto("/keys")
    await window.get_by_label("E-mail address").fill("anna")
    await window.get_by_role("button", name="Send me a link").click()
    field = window.get_by_label("E-mail address")
    assert (await field.input_value(), await field.get_attribute("aria-invalid")) == ("anna", "true")
    await field.fill(ANNA)
    await window.get_by_role("button", name="Send me a link").click()
    assert await window.get_by_role("heading", name="Look into your mail").is_visible()
    await window.goto(cloud.supabase.mails[0].link)
    assert await window.get_by_role("heading", name="Almost there").is_visible()
    assert await window.get_by_role("button", name="Menu").count() == 0  # it would lead nowhere yet
    assert await window.get_by_role("button", name="Sign out").is_visible()
    async with await AsyncConnection.connect(database_url, autocommit=True) as operator:
        await operator.execute("update evconduit.users set approved_at = now()")
    await window.get_by_role("link", name="Look again").click()
    await window.get_by_role("button", name="I agree").click()
    assert window.url == f"{cloud.url}/home"


async def test_the_way_to_a_provider_and_back_is_let_through_by_our_own_policy(open_page, cloud):
    window = await open_page()
    await window.goto("/sign-in")
    await window.get_by_role("button", name="Sign in with GitHub").click()
    await window.wait_for_url("**/waiting**")
    assert await window.get_by_text("octo@example.org").first.is_visible()


async def test_a_link_that_waits_for_a_press(open_page, cloud):
    window = await open_page()
    await window.goto("/register")
    await window.get_by_label("E-mail address").fill(ANNA)
    await window.get_by_label("I agree to the terms").check()
    await window.get_by_role("button", name="Send me a link").click()
    telephone = await open_page()
    await telephone.goto(f"/auth/callback?token_hash={cloud.supabase.mails[0].token_hash}&type=email")
    assert await telephone.get_by_text("You did not begin to sign in here").is_visible()
    await telephone.get_by_role("button", name="Sign in").click()
    assert await telephone.get_by_role("heading", name="Almost there").is_visible()


@pytest.mark.parametrize(("language", "scheme"), [("en-US", "light"), ("de-DE", "dark"), ("sv-SE", "light")])
async def test_nobody_is_shut_out_and_nothing_sticks_out(open_page, cloud, language, scheme):
    window = await open_page(scripts=True, color_scheme=scheme, locale=language)

    async def look(where):
        found = await Axe().run(window)
        wide = await window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (where, [it["id"] for it in found.response["violations"]], max(wide, 0)) == (where, [], 0)

    ended = [f"/auth/callback?{it}" for it in ("code=x", *(f"error_code={why}" for why in STATUS_BY_ERROR_CODE))]
    for path in ("/sign-in", "/register", "/terms", "/auth/callback?token_hash=x&type=email", *ended):
        await window.goto(path)
        await look(path)
    await window.goto("/register")
    await window.locator("main button").click()
    await look("/register, filled in wrongly")
    await window.goto("/sign-in")
    await window.locator("#email").fill(ANNA)
    await window.locator("main button").first.click()
    await look("the mail is sent")
    await window.goto(cloud.supabase.mails[0].link)
    await look("/waiting")
