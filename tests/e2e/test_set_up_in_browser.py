"""A person sets up the integration in Home Assistant's real frontend, from *Add integration* to a live car.

The cloud is the demo's relay, to which the browser is signed in, as after creating an account there. What is counted is
each click and each thing typed, on the pages of Home Assistant, the relay and Enode.
"""

import asyncio
import io
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from demo.world import home_assistant as demo_home_assistant
from demo.world.chromium import find_chromium, launch_chromium
from demo.world.config_flow import list_entries
from demo.world.console import Console
from demo.world.dashboard_screenshot import serialize_tokens
from demo.world.ports import choose_ports
from demo.world.state_folder import open_state_folder
from demo.world.world import DemoWorld, open_demo_world

MAX_CLICKS = 8
SECONDS = 60_000
ADD = "/config/integrations/dashboard/add?domain=evconduit"
"""What the badge *Add integration* in our README opens, through My Home Assistant."""


class Person:
    """Clicks, and counts it."""

    def __init__(self) -> None:
        self.clicks: list[str] = []
        self.typed: list[str] = []

    async def click(self, what: str, target: Locator) -> None:
        await expect(target).to_be_visible(timeout=SECONDS)
        self.clicks.append(what)
        await target.click()


def copy_integration(folder: Path, cloud_url: str) -> Path:
    """Copy the integration with another address of the cloud."""
    target = folder / "evconduit"
    shutil.copytree(demo_home_assistant.INTEGRATION, target, ignore=shutil.ignore_patterns("__pycache__"))
    const = target / "const.py"
    const.write_text(const.read_text().replace("https://backend.evconduit.com", cloud_url))
    assert cloud_url in const.read_text()
    return target


@asynccontextmanager
async def run_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DemoWorld]:
    """Run Enode, the relay with an account without cars, and a Home Assistant without an entry."""
    with open_state_folder(folder / "state", fresh=False) as state, ExitStack() as claims:
        state.prepare(fresh=False)
        requested = dict.fromkeys(("home-assistant", "relay", "simulator"))
        state.update(ports=choose_ports(requested, state.saved.ports, claims))
        async with open_demo_world(state, state.saved.ports, Console(io.StringIO()), asyncio.Event()) as world:
            monkeypatch.setattr(demo_home_assistant, "INTEGRATION", copy_integration(folder, world.relay.url))
            await world.simulator.start(speed=60)
            await world.relay.start()
            await world.relay.create_account()
            await world.start_home_assistant()
            yield world


@asynccontextmanager
async def open_browser(world: DemoWorld, program: str) -> AsyncIterator[BrowserContext]:
    """Open a browser that is signed in to Home Assistant and to the relay."""
    hass = world.home_assistant.api
    async with launch_chromium(program) as chromium:
        context = await chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
        tokens = json.dumps(serialize_tokens(hass))
        await context.add_init_script(
            f"if (location.origin === {json.dumps(hass.url)}) localStorage.setItem('hassTokens', {tokens});"
        )
        page = await context.new_page()
        await page.goto(await world.relay.create_sign_in_link())
        await page.locator("form").get_by_role("button").first.click()
        await page.wait_for_url(f"{world.relay.url}/**")
        await page.close()
        yield context


async def link_car_on_enodes_page(person: Person, page: Page) -> None:
    await person.click("Tesla", page.get_by_role("button", name="Tesla"))
    await person.click("Allow and continue", page.get_by_role("button", name="Allow and continue"))
    await person.click("Sign in", page.get_by_role("button", name="Sign in"))


@pytest.mark.timeout(600)
async def test_set_up_from_add_integration_to_a_live_car_takes_few_clicks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    if (program := find_chromium()) is None:
        pytest.skip("Chromium is not installed")
    person = Person()
    async with run_world(tmp_path, monkeypatch) as world, open_browser(world, program) as context:
        page = await context.new_page()
        person.clicks.append("badge Add integration")
        await page.goto(f"{world.home_assistant.api.url}{ADD}")
        try:
            await walk(person, context, page)
            await wait_for_live_car(world)
            await expect(page.get_by_text("is linked")).to_be_visible(timeout=SECONDS)
        except BaseException:
            await page.screenshot(path=tmp_path / "failed.png")
            raise
    report = f"{len(person.clicks)} clicks ({', '.join(person.clicks)}), {len(person.typed)} things typed"
    with capsys.disabled():
        sys.stdout.write(f"\nfrom Add integration to a live car: {report}\n")
    assert len(person.clicks) <= MAX_CLICKS
    assert person.typed == []


async def walk(person: Person, context: BrowserContext, page: Page) -> None:
    await person.click("OK", page.get_by_role("button", name="OK"))
    async with context.expect_page(timeout=SECONDS) as opened:
        await person.click("EVConduit cloud", page.get_by_text("EVConduit cloud").first)
    consent = await opened.value
    async with context.expect_page(timeout=SECONDS) as opened:
        await person.click("Allow", consent.get_by_role("button", name="Allow", exact=True))
    link = await opened.value
    await person.click("Continue", link.locator("form").get_by_role("button").first)
    await link_car_on_enodes_page(person, link)


async def wait_for_live_car(world: DemoWorld) -> None:
    """Wait until Home Assistant has a car with a battery level."""
    hass = world.home_assistant.api
    async with asyncio.timeout(60):
        while True:
            states = {row["entity_id"]: row["state"] for row in await hass.get("states")}
            levels = [state for id_, state in states.items() if id_.endswith("_battery_level")]
            if levels and all(level.replace(".", "").isdigit() for level in levels):
                break
            await asyncio.sleep(0.2)
    (entry,) = await list_entries(hass)
    assert entry["state"] == "loaded"
