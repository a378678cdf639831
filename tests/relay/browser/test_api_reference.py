"""The API reference in a browser: try an operation with a key, by keyboard, in both colour schemes.

The relay is below a path of its public address, so the script has to take all addresses from its page.
"""

import re

from relay.app import create_app
from relay.server import open_listening_socket
from relay.settings import Settings
from tests.relay.browser.accessibility import find_violations_in_schemes
from tests.relay.browser.fixtures import async_fixture
from tests.relay.browser.test_every_page import EXCESS_WIDTH, OVERFLOWING, WIDTHS
from tests.relay.support.serving import serve_app

PREFIX = "/evc"
OPERATION = re.compile("GET.*Get the account")
OTHER_OPERATION = re.compile("POST.*Start or stop charging")


@async_fixture
async def relay(tmp_path, database_url):
    """The origin of a relay that a reverse proxy serves below PREFIX."""
    listening = open_listening_socket("127.0.0.1", 0)
    public_url = f"http://127.0.0.1:{listening.getsockname()[1]}{PREFIX}"
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32, public_url=public_url)
    app = create_app(settings, database_url, with_worker=False)

    async def proxy(scope, receive, send):
        if scope["type"] == "http":
            path = scope["path"].removeprefix(PREFIX)
            assert path != scope["path"], f"{path} is not below the path"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await app(scope, receive, send)

    async with serve_app(proxy, listening, lifespan="on") as url:
        yield url


async def open_reference(open_page, messages, **options):
    window = await open_page(scripts=True, viewport={"width": 1180, "height": 900}, reduced_motion="reduce", **options)
    window.on("console", lambda message: messages.append(message.text))
    window.on("pageerror", lambda error: messages.append(str(error)))
    await window.goto(f"{PREFIX}/api/docs")
    await window.get_by_role("button", name=OPERATION).first.wait_for()
    return window


async def test_an_operation_can_be_tried_with_a_key_by_keyboard(open_page, account):
    key = account.header.removeprefix("Bearer ")
    messages, requests = [], []
    window = await open_reference(open_page, messages)
    await window.context.add_cookies([{"name": "evconduit_session", "value": "x", "url": window.url}])
    window.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - Playwright accepts no builtin
    await window.get_by_role("button", name="Authorize").first.press("Enter")
    await window.get_by_label("auth-bearer-value").fill(key)
    await window.get_by_label("auth-bearer-value").press("Enter")
    await window.get_by_role("button", name="Close").last.press("Enter")
    await window.get_by_role("button", name=OPERATION).first.press("Enter")
    await window.get_by_role("button", name="Try it out").press("Enter")
    await window.get_by_role("button", name="Execute").press("Enter")
    response = window.locator(".live-responses-table .microlight")
    await response.first.wait_for()
    assert str(account.user_id) in await response.first.inner_text()
    [request] = requests
    assert request.url.endswith(f"{PREFIX}/api/ha/v2/account")
    sent = await request.all_headers()
    assert (sent["authorization"], "cookie" in sent) == (account.header, False)
    assert messages == []
    await window.reload()
    assert key not in str(await window.context.storage_state())


async def test_an_open_operation_has_no_accessibility_violations_and_fits_the_window(open_page):
    window = await open_reference(open_page, [])
    await window.get_by_role("button", name=OTHER_OPERATION).first.click()
    await window.get_by_role("button", name="Try it out").click()
    assert await find_violations_in_schemes(window) == {}
    await window.get_by_role("button", name="Authorize").first.click()
    assert await find_violations_in_schemes(window) == {}
    await window.get_by_role("button", name="Close").last.click()
    for width in WIDTHS:
        await window.set_viewport_size({"width": width, "height": 740})
        assert (await window.evaluate(OVERFLOWING))[:3] == [], width
        assert await window.evaluate(EXCESS_WIDTH) <= 0, width


async def test_the_reference_lists_the_operations_without_scripts(open_page):
    window = await open_page()
    await window.goto(f"{PREFIX}/api/docs")
    assert await window.get_by_role("listitem").filter(has_text="/api/ha/v2/account Get the account").is_visible()
