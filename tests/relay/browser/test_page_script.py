"""What the pages' script adds: times in the browser's time zone, and buttons to copy."""

import pytest

from tests.relay.browser.fixtures import async_fixture
from tests.relay.browser.gallery import create_key
from tests.relay.browser.household import fill_household

ZONE = "Asia/Kolkata"  # half an hour off, and the same all year
STARTED, STARTED_UTC = "2026-11-25T22:10:00+00:00", "25 Nov 2026, 22:10 UTC"


@async_fixture
async def household(account, pool):
    await fill_household(pool, account.user_id)
    async with pool.connection() as connection:
        await connection.execute(
            "update charging_sessions set started_at = %s where energy_source = 'mixed'", [STARTED]
        )
        await connection.execute("update endpoints set failing_since = %s where failures > 0", [STARTED])
    return account.user_id


async def read_time(window):
    return await window.locator(f'time[datetime="{STARTED}"]').first.inner_text()


async def test_times_are_in_the_time_zone_of_the_browser(open_page, household, pool):
    window = await open_page(household, scripts=True, timezone_id=ZONE)
    await window.goto("/charging-sessions")
    assert await read_time(window) == "26 Nov 2026, 03:40 GMT+5:30"
    assert await window.get_by_role("link", name="Delete 26 Nov 2026, 03:40 GMT+5:30").count() == 1
    await window.goto("/installations")
    assert await read_time(window) == "26 Nov 2026, 03:40 GMT+5:30"
    assert "GMT+5:30" in await window.locator("time[title]").first.get_attribute("title")
    async with pool.connection() as connection:
        await connection.execute("update users set language = 'sv-SE'")
    await window.goto("/charging-sessions")
    assert await read_time(window) == "26 nov. 2026 03:40 GMT+5:30"


async def test_times_are_in_utc_without_scripts(open_page, household):
    window = await open_page(household, timezone_id=ZONE)
    await window.goto("/charging-sessions")
    assert await read_time(window) == STARTED_UTC
    await window.goto("/keys")
    await create_key(window, "/keys/made")
    assert await window.get_by_role("button", name="Copy").count() == 0


@pytest.mark.parametrize("has_clipboard_api", [True, False])
async def test_a_new_key_can_be_copied(open_page, household, has_clipboard_api):
    window = await open_page(household, scripts=True, permissions=["clipboard-read", "clipboard-write"])
    if not has_clipboard_api:  # as on a relay at home that has plain HTTP
        await window.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined})")
    await create_key(window, "/keys/made")
    key = await window.get_by_label("Key", exact=True).input_value()
    await window.get_by_role("button", name="Copy", exact=True).press("Enter")
    await window.get_by_role("button", name="Copied", exact=True).wait_for()
    await window.goto("/keys")
    await window.get_by_label("Name").press("ControlOrMeta+v")
    assert await window.get_by_label("Name").input_value() == key
    assert key.startswith("evc_")


async def test_the_command_that_prints_a_sign_in_link_can_be_copied(open_page):
    window = await open_page(scripts=True, permissions=["clipboard-read", "clipboard-write"])
    await window.goto("/sign-in")
    await window.get_by_role("button", name="Copy", exact=True).click()
    await window.get_by_role("button", name="Copied", exact=True).wait_for()
    assert await window.evaluate("navigator.clipboard.readText()") == "evconduit login"
