"""The account's owner signs in by the printed link, and lets Home Assistant in on the relay's page."""

from urllib.parse import urlsplit

from demo.world.browser.browser import Browser
from demo.world.browser.opening import open_browser
from demo.world.check.bench import Bench, demand
from demo.world.config_flow import FLOW, answer, entries
from demo.world.hass_api import HassApi, Json
from demo.world.tries import until

LINK, CONSENT, CALLBACK = "/sign-in/link/", "/oauth/authorize", "/auth/external/callback"
LOAD_SECONDS = 30.0


async def prove_sign_in(bench: Bench) -> str:
    """The entry goes from its key to an account by the browser's way, and is loaded again."""
    hass, link = bench.world.home_assistant.api, await bench.world.relay.sign_in_link()
    async with open_browser() as browser:
        await _enter(browser, link)
        step = await _begin(hass, bench.gate.url)
        await _let_in(browser, hass, step["url"])
        way = browser.way
    done = await hass.get(f"{FLOW}/{step['flow_id']}")
    demand(done.get("reason") == "reconfigure_successful", "reconfigure_successful", done.get("reason", done["type"]))
    loaded = await until("the entry to be loaded", lambda: _is_loaded(hass), within=LOAD_SECONDS)
    return f"{way}; loaded {loaded:.1f} s after the owner agreed"


async def _enter(browser: Browser, link: str) -> None:
    """Sign in by a link that is good once."""
    await browser.open(link)
    await browser.press(LINK)
    await browser.open(link)
    demand(not await browser.offers(LINK), "a link that is good once", "it is good twice")


async def _begin(hass: HassApi, url: str) -> Json:
    """Home Assistant's side, up to where it sends its user's browser to the relay's page."""
    (entry,) = await entries(hass)
    form = await hass.post(FLOW, {"handler": "evconduit", "entry_id": entry["entry_id"]})
    menu = await answer(hass, form, url=url)
    demand("sign_in" in menu.get("menu_options", ()), "a choice to sign in", menu["type"])
    step = await answer(hass, menu, next_step_id="sign_in")
    demand(step["type"] == "external", "the relay's page in the browser", step["type"])
    return step


async def _let_in(browser: Browser, hass: HassApi, url: str) -> None:
    """Agree to what the relay's page asks, and be back at Home Assistant."""
    name = (await hass.get("config"))["location_name"]
    await browser.open(url)
    heading = await browser.heading()
    demand(f"“{name}”" in heading, f"to be asked about “{name}”", heading)
    place = await browser.press(CONSENT)
    came_to = urlsplit(place.url)._replace(query="").geturl()
    back = f"{hass.url}{CALLBACK}"
    demand((came_to, place.status) == (back, 200), f"{back} to take the answer", f"{place.status} from {came_to}")


async def _is_loaded(hass: HassApi) -> bool:
    return [entry["state"] for entry in await entries(hass)] == ["loaded"]
