"""Every page in a browser: accessibility, layout at several widths, keyboard use, and the security policy."""

from typing import Any

import pytest

from tests.relay.browser.accessibility import find_violations, find_violations_in_schemes
from tests.relay.browser.fixtures import async_fixture
from tests.relay.browser.household import fill_household

SIGNED_OUT_PATHS = ["/", "/sign-in", "/sign-in/link/evl_nonsense", "/link-callback", "/link/none", "/nowhere"]
SIGNED_IN_PATHS = [
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
    "/charging-sessions",
    "/charging-sessions?vehicle={car}",
    "/charging-sessions/{session}/correct",
    "/charging-sessions/{session}/delete",
]
PATHS_WITHOUT_SCREENSHOT = ["/sign-in/link/evl_nonsense", "/link/none", "/link-callback?error=x"]
"""States of pages that no screenshot shows. test_gallery.py checks those with a screenshot."""
WIDTHS = [360, 768, 1280]
LANGUAGES = ["en-US", "de-DE", "sv-SE"]

# JavaScript: a name for the focused element.
FOCUSED_NAME = (
    "(document.activeElement.innerText || document.activeElement.name || document.activeElement.id || '').trim()"
)
FOCUSABLE_COUNT = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')]
    .filter(it => it.checkVisibility()).length"""
EXCESS_WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OVERFLOWING = """() => [...document.querySelectorAll('main *, header *')].filter(it => it.checkVisibility()
    && it.getBoundingClientRect().right > innerWidth + 1 && !it.closest('.visually-hidden, .hero-preview'))
    .map(it => it.outerHTML)"""


@async_fixture
async def household(account, pool) -> dict[str, Any]:
    await fill_household(pool, account.user_id)
    async with pool.connection() as connection:
        key = await (await connection.execute("select id from api_keys order by name")).fetchone()
        car = await (await connection.execute("select id from vehicles order by created_at")).fetchone()
        session = await (
            await connection.execute("select id from charging_sessions where energy_source = 'mixed'")
        ).fetchone()
    return {"user": account.user_id, "key": key[0], "car": car[0], "session": session[0]}


@pytest.fixture
def visit(open_page, household):
    """A function that yields all pages, the signed-out ones in one window and the signed-in ones in another."""

    async def visit_all(**options):
        for paths, user in ((SIGNED_OUT_PATHS, None), (SIGNED_IN_PATHS, household["user"])):
            window = await open_page(user, **options)
            for path in paths:
                answer = await window.goto(path.format_map(household))
                assert answer.status < 500 or path == "/link", path  # the list of brands needs Enode, which is missing
                yield path, window

    return visit_all


async def test_page_states_without_screenshot_have_no_accessibility_violations(open_page):
    failures = {}
    window = await open_page(scripts=True, reduced_motion="reduce")
    for path in PATHS_WITHOUT_SCREENSHOT:
        await window.goto(path)
        if violations := await find_violations_in_schemes(window):
            failures[path] = violations
    assert failures == {}


async def test_open_menu_has_no_accessibility_violations(open_page, household):
    window = await open_page(household["user"], scripts=True)
    await window.goto("/home")
    await window.get_by_role("button", name="Menu").click()
    assert await window.get_by_role("link", name="Charging sessions").is_visible()
    assert await find_violations(window) == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_nothing_overflows_the_window(visit, pool, language):
    async with pool.connection() as connection:
        await connection.execute("update users set language = %s", [language])
    failures = {}
    async for path, window in visit(scripts=True, locale=language):
        for width in WIDTHS:
            await window.set_viewport_size({"width": width, "height": 740})
            excess = await window.evaluate(EXCESS_WIDTH)
            overflowing = await window.evaluate(OVERFLOWING)
            if excess > 0 or overflowing:
                failures[path, width] = (excess, overflowing[:3])
    assert failures == {}


@pytest.mark.parametrize("width", [360, 1280])
async def test_keyboard_reaches_every_control(visit, width):
    failures = {}
    async for path, window in visit(scripts=True, viewport={"width": width, "height": 740}):
        count = await window.evaluate(FOCUSABLE_COUNT)
        reached = []
        for _ in range(count):
            await window.keyboard.press("Tab")
            reached.append(await window.evaluate("document.activeElement.tagName + " + FOCUSED_NAME))
        outlined = await window.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if any(element.startswith("BODY") for element in reached) or outlined == "none":
            failures[path] = (count, reached, outlined)
    assert failures == {}


async def test_menu_opens_and_closes_by_keyboard_without_javascript(open_page, household):
    window = await open_page(household["user"])
    await window.goto("/home")
    link = window.get_by_role("link", name="API keys")
    assert not await link.is_visible()
    await window.get_by_role("button", name="Menu").focus()
    await window.keyboard.press("Enter")
    assert await link.is_visible()
    await window.keyboard.press("Escape")
    assert not await link.is_visible()


async def test_no_page_violates_its_content_security_policy(open_page, household):
    messages = []
    window = await open_page(household["user"], scripts=True)
    window.on("console", lambda message: messages.append(message.text))
    # A request is aborted if the next page opens before it ends. That isn't a refusal.
    window.on(
        "requestfailed", lambda request: messages.append(request.url) if request.failure != "net::ERR_ABORTED" else None
    )
    for path in SIGNED_IN_PATHS:
        await window.goto(path.format_map(household))
    assert messages == []
