"""What people do on the pages, from the first press to the last, in a browser that runs no script."""

import re

import httpx
import pytest

from relay.identity.sign_in_links import create_sign_in_link
from relay.kit.database import connect_as_relay
from tests.relay.browser.household import move_in


@pytest.fixture
async def household(account, pool):
    await move_in(pool, account.user_id)
    return account


async def api_answer(relay: str, key: str) -> int:
    async with httpx.AsyncClient(base_url=relay) as client:
        return (await client.get("/api/ha/v2/account", headers={"Authorization": f"Bearer {key}"})).status_code


async def test_a_key_is_made_used_and_revoked(open_page, household, relay):
    window = await open_page(household.user_id)
    await window.goto("/keys")
    await window.get_by_label("Name").fill("Terminal")
    await window.get_by_label("Control").uncheck()
    await window.get_by_role("button", name="Create key").click()
    key = await window.get_by_label("Key", exact=True).input_value()
    assert re.fullmatch(r"evc_[\w-]{43}", key)
    assert await window.get_by_label("Key", exact=True).evaluate("it => it.scrollHeight <= it.clientHeight")
    assert await api_answer(relay, key) == 200
    await window.get_by_role("link", name="I have copied it").click()
    await window.get_by_role("link", name="Revoke Terminal").click()
    await window.get_by_role("button", name="Revoke").click()
    assert await window.get_by_role("status").inner_text() == "The key is revoked."
    assert await window.get_by_text("Terminal").count() == 0
    assert await api_answer(relay, key) == 401


async def test_a_mistake_in_a_form_is_shown_at_its_field(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/keys")
    await window.get_by_label("Read", exact=True).uncheck()
    await window.get_by_label("Control", exact=True).uncheck()
    await window.get_by_label("Name").fill("Terminal")
    await window.get_by_role("button", name="Create key").click()
    assert await window.get_by_text("Tick at least one").is_visible()
    assert await window.get_by_label("Name").input_value() == "Terminal"


async def test_an_installation_is_let_out(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/installations")
    await window.get_by_role("link", name="Disconnect Home").click()
    assert await window.get_by_role("heading", name="Disconnect “Home”?").is_visible()
    await window.get_by_role("link", name="Cancel").click()
    await window.get_by_role("link", name="Disconnect Home").click()
    await window.get_by_role("button", name="Disconnect").click()
    assert await window.get_by_role("status").inner_text() == "It is disconnected."
    assert await window.get_by_role("heading", name="Home", exact=True).count() == 0


async def test_the_month_is_seen(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/usage")
    assert await window.get_by_role("img", name="Calls of each day of this month").is_visible()
    rows = window.get_by_role("table", name="By day").get_by_role("row")
    assert await rows.count() == 0
    await window.get_by_text("Show the figures").click()
    assert await rows.count() == 21
    assert await window.get_by_role("row", name=re.compile("Home · Home Assistant")).is_visible()


async def test_the_profile_speaks_the_language_that_was_chosen(open_page, household):
    window = await open_page(household.user_id)
    await window.goto("/profile")
    await window.get_by_label("Language").select_option("Svenska")
    await window.get_by_role("button", name="Save").click()
    assert await window.get_by_role("status").inner_text() == "Sparat."
    assert await window.locator("html").get_attribute("lang") == "sv"


async def test_signed_in_by_link_and_out_again(open_page, relay, database_url):
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


async def test_the_account_is_deleted(open_page, household, pool):
    window = await open_page(household.user_id)
    await window.goto("/profile")
    await window.get_by_role("link", name="Delete …").click()
    await window.get_by_label("Type “delete” to confirm").fill("never")
    await window.get_by_role("button", name="Delete everything").click()
    assert await window.get_by_text("Type the word exactly as it stands there.").is_visible()
    await window.get_by_label("Type “delete” to confirm").fill("delete")
    await window.get_by_role("button", name="Delete everything").click()
    assert await window.get_by_role("status").inner_text() == "The account is being deleted."
    await window.goto("/home")
    assert "/sign-in" in window.url
