"""The account's owner signs in by the printed link, and lets Home Assistant in on the relay's page."""

from urllib.parse import urljoin, urlsplit

from aiohttp import ClientResponse, ClientSession, CookieJar

from demo.world.check.bench import Bench, UnprovenError, demand
from demo.world.config_flow import FLOW, answer, entries
from demo.world.hass_api import HassApi
from demo.world.link_page import Form, Forms
from demo.world.tries import until

CALLBACK = "/auth/external/callback"
MY = "https://my.home-assistant.io/redirect/oauth"
LOAD_SECONDS = 30.0


async def prove_sign_in(bench: Bench) -> str:
    """The entry goes from its key to an account by the browser's way, and is loaded again."""
    world = bench.world
    hass, url = world.home_assistant.api, bench.gate.url
    link = await world.relay.sign_in_link()
    # A browser of its own; its jar would refuse cookies of bare addresses otherwise.
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        await _press(browser, await browser.get(link), "/sign-in/link/")
        again = await browser.get(link)
        demand(await _form(again, "/sign-in/link/") is None, "a link that is good once", "it is good twice")
        (entry,) = await entries(hass)
        form = await hass.post(FLOW, {"handler": "evconduit", "entry_id": entry["entry_id"]})
        menu = await answer(hass, form, url=url)
        demand("sign_in" in menu.get("menu_options", ()), "a choice to sign in", menu["type"])
        step = await answer(hass, menu, next_step_id="sign_in")
        demand(step["type"] == "external", "the relay's page in the browser", step["type"])
        came_back = await _press(browser, await browser.get(step["url"]), "/oauth/authorize")
        target = came_back.headers.get("Location", "").replace(MY, f"{hass.url}{CALLBACK}")
        demand(urlsplit(target).path == CALLBACK, "a redirect to Home Assistant", came_back.status)
        async with browser.get(target) as closing:
            demand(closing.ok, "Home Assistant to take the answer", closing.status)
    done = await hass.get(f"{FLOW}/{step['flow_id']}")
    demand(done.get("reason") == "reconfigure_successful", "reconfigure_successful", done.get("reason", done["type"]))
    loaded = await until("the entry to be loaded", lambda: _is_loaded(hass), within=LOAD_SECONDS)
    return f"loaded {loaded:.1f} s after the owner agreed"


async def _press(browser: ClientSession, page: ClientResponse, path: str) -> ClientResponse:
    """Press the first button of the form that goes to `path`; the answer, not followed."""
    form = await _form(page, path)
    if form is None:
        raise UnprovenError(f"expected a page with a form for {path}, saw {page.status} {page.url.path}")
    fields = [*form.fields, *[(name, value) for name, value in form.buttons[:1] if name]]
    return await browser.post(urljoin(str(page.url), form.action), data=fields, allow_redirects=False)


async def _form(page: ClientResponse, path: str) -> Form | None:
    reader = Forms()
    reader.feed(await page.text())
    return next((it for it in reader.found if urljoin(str(page.url), it.action).partition(path)[1]), None)


async def _is_loaded(hass: HassApi) -> bool:
    return [entry["state"] for entry in await entries(hass)] == ["loaded"]
