"""What holds for every page in a browser: nobody is shut out, nothing sticks out."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.relay.browser.household import move_in

OUTSIDE = ["/", "/sign-in", "/sign-in/link/evl_nonsense", "/link-callback", "/link/none", "/nowhere"]
INSIDE = [
    "/home",
    "/installations",
    "/keys",
    "/usage",
    "/profile",
    "/keys/{key}/revoke",
    "/installations/{key}/disconnect",
    "/profile/delete",
    "/vehicles/{car}/unlink",
    "/vehicles/choose",
]
UNPICTURED = ["/sign-in/link/evl_nonsense", "/link/none", "/link-callback?error=x"]
"""What a page shows elsewhere than in its picture; those are looked at in test_gallery.py."""
WIDTHS = [360, 768, 1280]
LANGUAGES = ["en-US", "de-DE", "sv-SE"]

# Everything that can be reached with Tab in one round, by name.
FOCUSED = "(document.activeElement.innerText || document.activeElement.name || document.activeElement.id || '').trim()"
SHOULD = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')]
    .filter(it => it.checkVisibility()).length"""
OUT = """() => [...document.querySelectorAll('main *, header *')].filter(it => it.checkVisibility()
    && it.getBoundingClientRect().right > innerWidth + 1 && !it.closest('.unseen, .hero-picture'))
    .map(it => it.outerHTML)"""


@pytest.fixture
async def household(account, pool) -> dict[str, Any]:
    await move_in(pool, account.user_id)
    async with pool.connection() as connection:
        key = await (await connection.execute("select id from api_keys order by name")).fetchone()
        car = await (await connection.execute("select id from vehicles order by created_at")).fetchone()
    return {"user": account.user_id, "key": key[0], "car": car[0]}


@pytest.fixture
def visit(open_page, household):
    """The pages of a side, one after the other in one window."""

    async def visit(**wanted):
        for paths, user in ((OUTSIDE, None), (INSIDE, household["user"])):
            window = await open_page(user, **wanted)
            for path in paths:
                answer = await window.goto(path.format_map(household))
                assert answer.status < 500 or path == "/link", path  # Enode, which has the brands, is not there
                yield path, window

    return visit


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(open_page, scheme):
    wrong = {}
    window = await open_page(scripts=True, color_scheme=scheme)
    for path in UNPICTURED:
        await window.goto(path)
        found = await Axe().run(window)
        if found.violations_count:
            wrong[path] = [
                (it["id"], [node["html"][:120] for node in it["nodes"]]) for it in found.response["violations"]
            ]
    assert wrong == {}


async def test_axe_finds_nothing_with_the_menu_open(open_page, household):
    window = await open_page(household["user"], scripts=True)
    await window.goto("/home")
    await window.get_by_role("button", name="Menu").click()
    assert await window.get_by_role("link", name="Usage").is_visible()
    found = await Axe().run(window)
    assert [(it["id"], it["nodes"][0]["html"]) for it in found.response["violations"]] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_nothing_sticks_out(visit, pool, width, language):
    async with pool.connection() as connection:
        await connection.execute("update users set language = %s", [language])
    wrong = {}
    async for path, window in visit(scripts=True, viewport={"width": width, "height": 740}, locale=language):
        wide = await window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        out = await window.evaluate(OUT)
        if wide > 0 or out:
            wrong[path] = (wide, out[:3])
    assert wrong == {}


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_keyboard_reaches_everything(visit, width):
    wrong = {}
    async for path, window in visit(scripts=True, viewport={"width": width, "height": 740}):
        wanted = await window.evaluate(SHOULD)
        reached = []
        for _ in range(wanted):
            await window.keyboard.press("Tab")
            reached.append(await window.evaluate("document.activeElement.tagName + " + FOCUSED))
        outlined = await window.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if any(it.startswith("BODY") for it in reached) or outlined == "none":
            wrong[path] = (wanted, reached, outlined)
    assert wrong == {}


async def test_the_menu_opens_and_closes_without_a_script_and_by_keyboard(open_page, household):
    window = await open_page(household["user"])
    await window.goto("/home")
    link = window.get_by_role("link", name="API keys")
    assert not await link.is_visible()
    await window.get_by_role("button", name="Menu").focus()
    await window.keyboard.press("Enter")
    assert await link.is_visible()
    await window.keyboard.press("Escape")
    assert not await link.is_visible()


async def test_no_page_asks_for_what_the_policy_forbids(open_page, household):
    said = []
    window = await open_page(household["user"], scripts=True)
    window.on("console", lambda message: said.append(message.text))
    # Going on to the next page before a picture has come is no refusal.
    window.on("requestfailed", lambda it: said.append(it.url) if it.failure != "net::ERR_ABORTED" else None)
    for path in INSIDE:
        await window.goto(path.format_map(household))
    assert said == []
