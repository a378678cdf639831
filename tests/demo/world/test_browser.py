import shutil
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from demo.world.browser import open_browser
from demo.world.browser.chromium_browser import open_chromium
from demo.world.browser.forms_browser import open_forms_browser
from demo.world.errors import ComponentError
from demo.world.ports import HOST
from scripts.lib.programs import CHROMIUM

QUESTION_PAGE = """<!doctype html>
<header><form method="post" action="/sign-out"><button type="submit">Leave</button></form></header>
<h1>Let &#8220;<em>Home</em>&#8221; in?</h1>
<form method="post" action="/answer">
  <input type="hidden" name="csrf" value="known">
  <button name="decision" value="approve">Yes</button>
  <button name="decision" value="deny">No</button>
</form>
<form method="post" action="/away"><button type="submit">Away</button></form>"""
# What Home Assistant's own callback answers.
SELF_CLOSING_PAGE = "<script>window.close()</script>"


@pytest.fixture
async def site():
    """A site that asks a question; what it was told, and the ways on that it was asked for."""
    told, asked = [], []

    async def ask(_request):
        answer = web.Response(text=QUESTION_PAGE, content_type="text/html")
        answer.set_cookie("session", "mine", httponly=True, samesite="Lax")
        return answer

    async def take(request):
        told.append({**await request.post(), **request.cookies})
        raise web.HTTPSeeOther("/on")

    async def go_on(request):
        raise web.HTTPFound(f"/end?{request.path}")

    async def leave(request):
        raise web.HTTPSeeOther(f"http://localhost:{request.url.port}/end")

    async def end(request):
        asked.append(str(request.url))
        return web.Response(text=SELF_CLOSING_PAGE, content_type="text/html")

    app = web.Application()
    app.add_routes([web.get("/ask", ask), web.post("/answer", take), web.post("/away", leave)])
    app.add_routes([web.get("/on", go_on), web.get("/end", end)])
    async with TestServer(app, host=HOST) as server:
        yield SimpleNamespace(url=str(server.make_url("")).rstrip("/"), told=told, asked=asked)


@pytest.fixture
def program() -> str:
    found = next((found for name in CHROMIUM.names if (found := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{CHROMIUM.title} is not installed; {CHROMIUM.install_hint}")
    return found


@pytest.fixture(params=["forms", "chromium"])
async def browser(request):
    opened = open_forms_browser() if request.param == "forms" else open_chromium(request.getfixturevalue("program"))
    async with opened as browser:
        yield browser


async def test_a_page_is_read_and_its_first_button_pressed(browser, site):
    place = await browser.open(f"{site.url}/ask")
    assert (place.url, place.status) == (f"{site.url}/ask", 200)
    assert await browser.get_heading() == "Let “Home” in?"
    assert await browser.has_form("/answer")
    assert not await browser.has_form("/other")
    place = await browser.submit_form("/answer")
    assert (place.url, place.status) == (f"{site.url}/end?/on", 200)
    assert site.told == [{"csrf": "known", "decision": "approve", "session": "mine"}]


async def test_a_form_that_is_not_there_is_told(browser, site):
    await browser.open(f"{site.url}/nowhere")
    with pytest.raises(ComponentError, match="expected a page with a form for /answer, saw 404 /nowhere"):
        await browser.submit_form("/answer")


async def test_it_is_not_led_away_from_this_machine(browser, site):
    await browser.open(f"{site.url}/ask")
    with pytest.raises(ComponentError, match=r"expected to stay on this machine|ERR_NAME_NOT_RESOLVED"):
        await browser.submit_form("/away")
    assert site.asked == []


async def test_chromium_is_held_to_the_policy_of_the_page_with_the_form(program, site):
    async def ask(_request):
        policy = {"Content-Security-Policy": "form-action 'self'"}
        return web.Response(text=QUESTION_PAGE, content_type="text/html", headers=policy)

    async def take(_request):
        raise web.HTTPSeeOther(f"{site.url}/end")

    app = web.Application()
    app.add_routes([web.get("/ask", ask), web.post("/answer", take)])
    async with TestServer(app, host=HOST) as strict, open_chromium(program) as browser:
        await browser.open(str(strict.make_url("/ask")))
        with pytest.raises(ComponentError, match=r"the browser failed: .*ERR_ABORTED"):
            await browser.submit_form("/answer")
    assert site.asked == []


async def test_a_browser_that_does_not_start_is_told(tmp_path):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexit 7\n", "utf-8")
    program.chmod(0o755)
    with pytest.raises(ComponentError, match="the browser failed: "):
        async with open_chromium(str(program)):
            pass


async def test_without_a_chromium_forms_do_it_and_it_says_so(monkeypatch):
    monkeypatch.setattr(open_browser, "find_chromium", lambda: None)
    async with open_browser.open_browser() as browser:
        assert browser.description == "by forms, no Chromium found"


async def test_a_chromium_that_is_found_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(open_browser, "find_chromium", lambda: str(tmp_path / "chromium"))
    with pytest.raises(ComponentError, match="the browser failed: "):
        async with open_browser.open_browser():
            pass
