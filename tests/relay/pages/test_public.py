import dataclasses
import re

import pytest


@pytest.mark.parametrize("path", ["/", "/link-callback", "/sign-in", "/sign-in/link/evl_nonsense"])
async def test_pages_are_whole_and_load_nothing_from_elsewhere(browser, path):
    page = await browser.get(path)
    assert page.status_code == (410 if "nonsense" in path else 200)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", page.text)
    linked = re.findall(r'(?:href|src|action)="([^"]+)"', page.text)
    assert linked
    assert all(it.startswith(("/", "#")) for it in linked)
    for asset in [it for it in linked if it.startswith("/static/")]:
        assert (await browser.get(asset)).status_code == 200


@pytest.mark.parametrize(
    ("query", "heading", "looked"),
    [
        ("", "Your car is linked", [1]),
        ("?error=cancelledByUser", "Nothing was linked", []),
        ("?error=backendError&error_message=<b>x</b>", "The car could not be linked", []),
    ],
)
async def test_the_page_after_linking_says_how_it_ended_in_our_own_words(browser, looks, query, heading, looked):
    page = await browser.get("/link-callback" + query)
    assert f"<h1>{heading}</h1>" in page.text
    assert "<b>x</b>" not in page.text
    assert looks == looked


@pytest.fixture
def looks(app):
    """How often somebody was asked to look at Enode soon."""
    asked = []
    app.state.runtime = dataclasses.replace(app.state.runtime, request_poll=lambda: asked.append(1))
    return asked


@pytest.mark.parametrize(
    ("wanted", "heading"),
    [
        ("de-AT,en;q=0.5", "Dein Elektroauto, live in Home Assistant"),
        ("fr, sv;q=0.3, en;q=0.2", "Din elbil, live i Home Assistant"),
        ("fr", "Your electric car, live in Home Assistant"),
        ("de;q=0, ;;;q=x,*", "Your electric car, live in Home Assistant"),
    ],
)
async def test_pages_speak_the_language_that_the_browser_wants_most(browser, wanted, heading):
    page = await browser.get("/", headers={"Accept-Language": wanted})
    assert f"<h1>{heading}</h1>" in page.text
