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
<h1>Allow &#8220;<em>Home</em>&#8221;?</h1>
<form method="post" action="/answer">
  <input type="hidden" name="csrf" value="known">
  <button name="decision" value="approve">Yes</button>
  <button name="decision" value="deny">No</button>
</form>
<form method="post" action="/away"><button type="submit">Away</button></form>"""
# As the response of Home Assistant's callback.
SELF_CLOSING_PAGE = "<script>window.close()</script>"


@pytest.fixture
async def site():
    """A site with a form; records the submitted values and the requests of its last page."""
    submitted, requested = [], []

    async def show_question(_request):
        answer = web.Response(text=QUESTION_PAGE, content_type="text/html")
        answer.set_cookie("session", "mine", httponly=True, samesite="Lax")
        return answer

    async def record_answer(request):
        submitted.append({**await request.post(), **request.cookies})
        raise web.HTTPSeeOther("/on")

    async def redirect_to_end(request):
        raise web.HTTPFound(f"/end?{request.path}")

    async def redirect_to_other_host(request):
        raise web.HTTPSeeOther(f"http://localhost:{request.url.port}/end")

    async def show_end(request):
        requested.append(str(request.url))
        return web.Response(text=SELF_CLOSING_PAGE, content_type="text/html")

    app = web.Application()
    app.add_routes(
        [web.get("/ask", show_question), web.post("/answer", record_answer), web.post("/away", redirect_to_other_host)]
    )
    app.add_routes([web.get("/on", redirect_to_end), web.get("/end", show_end)])
    async with TestServer(app, host=HOST) as server:
        yield SimpleNamespace(url=str(server.make_url("")).rstrip("/"), submitted=submitted, requested=requested)


@pytest.fixture
def program() -> str:
    path = next((path for name in CHROMIUM.names if (path := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"{CHROMIUM.title} is not installed; {CHROMIUM.install_hint}")
    return path


@pytest.fixture(params=["forms", "chromium"])
async def browser(request):
    opened = open_forms_browser() if request.param == "forms" else open_chromium(request.getfixturevalue("program"))
    async with opened as browser:
        yield browser


async def test_form_is_submitted_with_its_first_button(browser, site):
    page = await browser.open(f"{site.url}/ask")
    assert (page.url, page.status) == (f"{site.url}/ask", 200)
    assert await browser.get_heading() == "Allow “Home”?"
    assert await browser.has_form("/answer")
    assert not await browser.has_form("/other")
    page = await browser.submit_form("/answer")
    assert (page.url, page.status) == (f"{site.url}/end?/on", 200)
    assert site.submitted == [{"csrf": "known", "decision": "approve", "session": "mine"}]


async def test_missing_form_raises_an_error(browser, site):
    await browser.open(f"{site.url}/nowhere")
    with pytest.raises(ComponentError, match="expected a page with a form for /answer, saw 404 /nowhere"):
        await browser.submit_form("/answer")


async def test_redirect_to_another_host_is_blocked(browser, site):
    await browser.open(f"{site.url}/ask")
    with pytest.raises(ComponentError, match=r"expected to stay on this machine|ERR_NAME_NOT_RESOLVED"):
        await browser.submit_form("/away")
    assert site.requested == []


async def test_chromium_enforces_the_form_action_policy(program, site):
    async def show_question(_request):
        policy = {"Content-Security-Policy": "form-action 'self'"}
        return web.Response(text=QUESTION_PAGE, content_type="text/html", headers=policy)

    async def record_answer(_request):
        raise web.HTTPSeeOther(f"{site.url}/end")

    app = web.Application()
    app.add_routes([web.get("/ask", show_question), web.post("/answer", record_answer)])
    async with TestServer(app, host=HOST) as strict, open_chromium(program) as browser:
        await browser.open(str(strict.make_url("/ask")))
        with pytest.raises(ComponentError, match=r"the browser failed: .*ERR_ABORTED"):
            await browser.submit_form("/answer")
    assert site.requested == []


async def test_browser_that_does_not_start_raises_an_error(tmp_path):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexit 7\n", "utf-8")
    program.chmod(0o755)
    with pytest.raises(ComponentError, match="the browser failed: "):
        async with open_chromium(str(program)):
            pass


async def test_forms_browser_is_used_without_chromium(monkeypatch):
    monkeypatch.setattr(open_browser, "find_chromium", lambda: None)
    async with open_browser.open_browser() as browser:
        assert browser.description == "without a browser, no Chromium found"


async def test_installed_chromium_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(open_browser, "find_chromium", lambda: str(tmp_path / "chromium"))
    with pytest.raises(ComponentError, match="the browser failed: "):
        async with open_browser.open_browser():
            pass
