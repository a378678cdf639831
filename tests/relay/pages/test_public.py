import re
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from relay.pages import public


@pytest.fixture
def looks():
    """How often somebody was asked to look at Enode soon."""
    return []


@pytest.fixture
async def browser(looks):
    app = FastAPI()
    app.state.runtime = SimpleNamespace(look_soon=lambda: looks.append(1))
    public.install(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/link-callback"])
async def test_pages_are_whole_and_load_nothing_from_elsewhere(browser, path):
    page = await browser.get(path)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    linked = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert linked
    assert all(it.startswith("/") for it in linked)
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
