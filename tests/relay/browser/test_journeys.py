"""Complete journeys through the pages, in a browser with JavaScript switched off."""

import re

import httpx

from relay.identity.credentials import API_KEY_PATTERN
from relay.identity.sign_in_links import create_sign_in_link
from relay.kit.database import connect_as_relay
from tests.relay.browser.fixtures import async_fixture
from tests.relay.browser.household import fill_household


@async_fixture
async def household(account, pool):
    await fill_household(pool, account.user_id)
    return account


async def get_api_status(relay: str, key: str) -> int:
    async with httpx.AsyncClient(base_url=relay) as client:
        return (await client.get("/api/ha/v2/account", headers={"Authorization": f"Bearer {key}"})).status_code


async def test_user_creates_uses_and_revokes_a_key(open_page, household, relay):
    window = await open_page(household.user_id)
    await window.goto("/keys")
    await window.get_by_label("Name").fill("Terminal")
    await window.get_by_label("Control").uncheck()
    await window.get_by_role("button", name="Create key").click()
    key = await window.get_by_label("Key", exact=True).input_value()
    assert re.fullmatch(API_KEY_PATTERN, key)
    assert await window.get_by_label("Key", exact=True).evaluate("it => it.scrollHeight <= it.clientHeight")
    assert await get_api_status(relay, key) == 200
    await window.get_by_role("link", name="I've copied the key").click()
    await window.get_by_role("link", name="Revoke Terminal").click()
    await window.get_by_role("button", name="Revoke").click()
    assert await window.get_by_role("status").inner_text() == "The key is revoked."
    assert await window.get_by_text("Terminal").count() == 0
    assert await get_api_status(relay, key) == 401


async def test_invalid_form_shows_its_errors_and_keeps_the_input(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/keys")
    await window.get_by_label("Read", exact=True).uncheck()
    await window.get_by_label("Control", exact=True).uncheck()
    await window.get_by_label("Name").fill("Terminal")
    await window.get_by_role("button", name="Create key").click()
    assert await window.get_by_text("Choose at least one permission").is_visible()
    assert await window.get_by_label("Name").input_value() == "Terminal"


async def test_user_disconnects_an_installation(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/installations")
    await window.get_by_role("link", name="Disconnect Home").click()
    assert await window.get_by_role("heading", name="Disconnect “Home”?").is_visible()
    await window.get_by_role("link", name="Cancel").click()
    await window.get_by_role("link", name="Disconnect Home").click()
    await window.get_by_role("button", name="Disconnect").click()
    assert await window.get_by_role("status").inner_text() == "The installation is disconnected."
    assert await window.get_by_role("heading", name="Home", exact=True).count() == 0


async def test_user_sees_the_usage_of_the_month(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/usage")
    assert await window.get_by_role("img", name="Calls on each day of this month").is_visible()
    rows = window.get_by_role("table", name="Calls by day").get_by_role("row")
    assert await rows.count() == 0
    await window.get_by_text("Show figures").click()
    assert await rows.count() == 21
    assert await window.get_by_role("row", name=re.compile("Home · Home Assistant")).is_visible()


async def test_user_corrects_deletes_and_restores_a_charging_session(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/charging-sessions")
    row = window.locator("tr", has_text="from power and battery level")
    await row.get_by_role("link", name="Correct").click()
    await window.get_by_label("Energy in kWh").fill("a lot")
    await window.get_by_role("button", name="Save").click()
    assert await window.get_by_text("Enter a number without units").is_visible()
    await window.get_by_label("Energy in kWh").fill("19.5")
    await window.get_by_role("button", name="Save").click()
    assert await window.get_by_role("status").inner_text() == "The energy is corrected."
    row = window.locator("tr", has_text="calculated: 18.03")
    assert await row.get_by_text("19.50").is_visible()
    await row.get_by_role("button", name="Undo").click()
    await window.locator("tr", has_text="from battery level").get_by_role("link", name="Delete").click()
    await window.get_by_role("button", name="Delete").click()
    assert await window.locator("summary").inner_text() == "2 deleted sessions"
    await window.locator("details tr", has_text="28.40").get_by_role("button", name="Restore").click()
    assert await window.get_by_role("status").inner_text() == "The session is restored."
    assert await window.locator("summary").inner_text() == "1 deleted session"


async def test_user_changes_the_language(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/profile")
    await window.get_by_label("Language").select_option("Svenska")
    await window.get_by_role("button", name="Save").click()
    assert await window.get_by_role("status").inner_text() == "Sparat."
    assert await window.locator("html").get_attribute("lang") == "sv"


async def test_owner_signs_in_by_link_and_signs_out(open_page, relay, database_url):
    async with connect_as_relay(database_url) as connection:
        token = await create_sign_in_link(connection, None)
    window = await open_page()
    await window.goto("/usage")
    assert "/sign-in" in window.url
    await window.goto(f"/sign-in/link/{token}")
    await window.get_by_role("button", name="Sign in").click()
    assert window.url == f"{relay}/usage"
    assert await window.get_by_role("heading", name="Usage", exact=True).is_visible()
    await window.get_by_role("button", name="Menu").click()
    await window.get_by_role("button", name="Sign out").click()
    await window.goto("/home")
    assert "/sign-in" in window.url


async def test_user_deletes_the_account(open_page, household, pool):
    window = await open_page(household.user_id)
    await window.goto("/profile")
    await window.get_by_role("link", name="Delete account").click()
    await window.get_by_label("Type “delete” to confirm").fill("never")
    await window.get_by_role("button", name="Delete account").click()
    assert await window.get_by_text("Type the word exactly as shown.").is_visible()
    await window.get_by_label("Type “delete” to confirm").fill("delete")
    await window.get_by_role("button", name="Delete account").click()
    assert await window.get_by_role("status").inner_text() == "The account is being deleted."
    await window.goto("/home")
    assert "/sign-in" in window.url
