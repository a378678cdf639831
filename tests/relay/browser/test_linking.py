"""A user links and unlinks a car in a real browser, on the relay's pages and those of the simulated Enode."""

import pytest

from relay.app import create_app
from relay.server import open_listening_socket
from relay.settings import Settings
from tests.relay.browser.accessibility import find_violations
from tests.relay.browser.fixtures import async_fixture
from tests.relay.browser.test_every_page import OVERFLOWING
from tests.relay.support.serving import serve_relay


@async_fixture
async def relay(tmp_path, database_url, enode):
    """A relay that also runs the background jobs, so that it polls Enode."""
    listening = open_listening_socket("127.0.0.1", 0)
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        public_url=f"http://127.0.0.1:{listening.getsockname()[1]}",
        enode_client_id=enode.settings.client_id,
        enode_client_secret=enode.settings.client_secret,
        enode_base_url=enode.url,
        enode_auth_url=f"{enode.url}/oauth2/token",
    )
    async with serve_relay(create_app(settings, database_url), listening) as url:
        yield url


@async_fixture
async def user_without_car(account, pool):
    """The id of a user without a car."""
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles")
    return account.user_id


async def read_heading(window) -> str:
    return await window.locator("h1").inner_text()


@pytest.mark.parametrize("scripts", [False, True])
async def test_user_links_and_unlinks_a_car(open_page, user_without_car, enode, scripts):
    window = await open_page(user_without_car, scripts=scripts)

    async def check_page():
        """The page has no accessibility violations, and nothing overflows the window."""
        if scripts:
            assert await find_violations(window) == []
            assert await window.evaluate(OVERFLOWING) == []

    await window.goto("/home")
    await window.get_by_role("link", name="Link a car").first.click()
    await check_page()
    await window.get_by_label("Brand").select_option("TESLA")
    await window.get_by_role("button", name="Next").click()
    assert "a@example.org" in await window.locator("main").inner_text()
    await check_page()
    await window.get_by_role("button", name="Continue to Tesla").click()
    await window.wait_for_url(f"{enode.url}/link/*")
    await window.locator('button[value="consent"]').click()
    await window.locator('input[name="car"]').first.check()
    await window.locator("button.primary").click()
    await window.wait_for_url("**/link-callback?link=*")
    assert await read_heading(window) == "Your car is linked"
    assert await window.get_by_role("link", name="Go to your cars").is_visible()
    await check_page()
    for _ in range(50):
        await window.goto("/home")
        if await window.locator("article.car").count():
            break
    await window.get_by_role("link", name="Unlink").first.click()
    assert await read_heading(window) == "Unlink these cars?"
    await check_page()
    await window.get_by_role("button", name="Unlink").click()
    await window.wait_for_url("**/home")
    assert await window.locator("article.car").count() == 0


async def test_going_back_from_enode_shows_that_the_link_is_used(open_page, user_without_car, enode):
    window = await open_page(user_without_car)
    await window.goto("/link")
    await window.get_by_role("button", name="Next").click()
    link_page = window.url
    await window.get_by_role("button", name="Continue to choose the brand").click()
    await window.wait_for_url(f"{enode.url}/link/*")
    await window.goto(link_page)
    assert await read_heading(window) == "This link has already been used"
