import dataclasses
import re

import pytest

from tests.relay.support.own_scripts import remove_own_scripts


@pytest.mark.parametrize("path", ["/", "/link-callback", "/sign-in", "/sign-in/link/evl_nonsense"])
async def test_public_page_is_complete_and_loads_nothing_external(browser, path):
    page = await browser.get(path)
    assert page.status_code == (410 if "nonsense" in path else 200)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", remove_own_scripts(page.text))
    linked = re.findall(r'(?:href|src|action)="([^"]+)"', page.text)
    assert linked
    assert all(link.startswith(("/", "#")) for link in linked)
    for asset in [link for link in linked if link.startswith("/static/")]:
        assert (await browser.get(asset)).status_code == 200


@pytest.mark.parametrize(
    ("query", "heading", "polls"),
    [
        ("", "Your car is linked", [1]),
        ("?error=cancelledByUser", "No car was linked", []),
        ("?error=backendError&error_message=<b>x</b>", "The car could not be linked", []),
    ],
)
async def test_link_callback_shows_the_outcome_without_enode_s_message(browser, poll_requests, query, heading, polls):
    page = await browser.get("/link-callback" + query)
    assert f"<h1>{heading}</h1>" in page.text
    assert "<b>x</b>" not in page.text
    assert poll_requests == polls


@pytest.fixture
def poll_requests(app):
    """One element for each request to poll Enode soon."""
    requests = []
    app.state.runtime = dataclasses.replace(app.state.runtime, request_poll=lambda: requests.append(1))
    return requests


@pytest.mark.parametrize(
    ("accept_language", "heading"),
    [
        ("de-AT,en;q=0.5", "Dein Elektroauto, live in Home Assistant"),
        ("fr, sv;q=0.3, en;q=0.2", "Din elbil, live i Home Assistant"),
        ("fr", "Your electric car, live in Home Assistant"),
        ("de;q=0, ;;;q=x,*", "Your electric car, live in Home Assistant"),
    ],
)
async def test_page_is_in_the_language_that_the_browser_prefers(browser, accept_language, heading):
    page = await browser.get("/", headers={"Accept-Language": accept_language})
    assert f"<h1>{heading}</h1>" in page.text
