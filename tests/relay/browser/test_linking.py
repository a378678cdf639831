"""A person links a car, on our pages and on those of the simulated Enode, and unlinks it, in a real browser."""

import pytest
from axe_playwright_python.async_playwright import Axe

from relay.app import create_app
from relay.server import listen
from relay.settings import Settings
from tests.relay.browser.test_every_page import OUT
from tests.relay.serving import serving


@pytest.fixture
async def relay(tmp_path, database_url, enode):
    """A relay that works too, and asks Enode for news."""
    listening = listen("127.0.0.1", 0)
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
    async with serving(create_app(settings, database_url), listening) as url:
        yield url


@pytest.fixture
async def nobody(account, pool):
    """An account without a car."""
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles")
    return account.user_id


async def heading(window) -> str:
    return await window.locator("h1").inner_text()


@pytest.mark.parametrize("scripts", [False, True])
async def test_a_car_is_linked_and_unlinked(open_page, nobody, enode, scripts):
    window = await open_page(nobody, scripts=scripts)

    async def look():
        """Nobody is shut out of this page of ours, and nothing sticks out of it."""
        if scripts:
            found = await Axe().run(window)
            assert found.violations_count == 0, found.generate_report()
            assert await window.evaluate(OUT) == []

    await window.goto("/home")
    await window.get_by_role("link", name="Link a car").first.click()
    await look()
    await window.get_by_label("Brand").select_option("TESLA")
    await window.get_by_role("button", name="Next").click()
    assert "a@example.org" in await window.locator("main").inner_text()
    await look()
    await window.get_by_role("button", name="Continue to Tesla").click()
    await window.wait_for_url(f"{enode.url}/link/*")
    await window.locator('button[value="consent"]').click()
    await window.locator('input[name="car"]').first.check()
    await window.locator("button.primary").click()
    await window.wait_for_url("**/link-callback?link=*")
    assert await heading(window) == "Your car is linked"
    assert await window.get_by_role("link", name="To your cars").is_visible()
    await look()
    for _ in range(50):
        await window.goto("/home")
        if await window.locator("article.car").count():
            break
    await window.get_by_role("link", name="Unlink").first.click()
    assert await heading(window) == "Unlink these cars?"
    await look()
    await window.get_by_role("button", name="Unlink").click()
    await window.wait_for_url("**/home")
    assert await window.locator("article.car").count() == 0


async def test_the_way_back_leads_to_a_page_that_makes_sense(open_page, nobody, enode):
    window = await open_page(nobody)
    await window.goto("/link")
    await window.get_by_role("button", name="Next").click()
    ours = window.url
    await window.get_by_role("button", name="Continue and choose the brand").click()
    await window.wait_for_url(f"{enode.url}/link/*")
    await window.goto(ours)
    assert await heading(window) == "This link was used already"
