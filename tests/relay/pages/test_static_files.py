"""Static files: every answer below /static has the security headers, on every way to the relay."""

import httpx
import pytest

from relay.app import create_app
from relay.kit.ingress import SUPERVISOR_ADDRESS

PATHS = ["/static/style.css", "/static/mark.svg", "/static/missing.css", "/static/", "/static/../app.py"]
INGRESS_PORT = 8399
INGRESS_HEADERS = {"X-Remote-User-Id": "0" * 32, "X-Ingress-Path": "/api/hassio_ingress/a"}


def assert_headers(response):
    headers = response.headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_every_answer_below_static_has_the_security_headers(browser, path, method):
    response = await browser.request(method, path)
    if response.url.path.startswith("/static/"):
        assert_headers(response)
    if path.endswith(("style.css", "mark.svg")) and method != "POST":
        assert response.status_code == 200
        assert "no-store" not in response.headers.get("cache-control", "")


async def test_an_unchanged_file_is_answered_with_the_security_headers(browser):
    first = await browser.get("/static/style.css")
    again = await browser.get("/static/style.css", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert_headers(again)


@pytest.mark.parametrize(
    ("public_url", "is_strict"),
    [("https://relay.example.org", True), ("https://relay.example.org/evc", True), ("http://127.0.0.1:8300", False)],
)
async def test_answers_ask_for_https_only_where_the_relay_is_reached_by_https(
    settings, database_url, public_url, is_strict
):
    app = create_app(settings.model_copy(update={"public_url": public_url}), database_url, with_worker=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay") as client,
    ):
        response = await client.get("/static/style.css")
        assert response.status_code == 200
        assert_headers(response)
        answer_of_the_api = await client.get("/api/user/export")
        for headers in (response.headers, answer_of_the_api.headers):
            assert ("strict-transport-security" in headers) is is_strict


async def test_static_files_behind_ingress_have_the_security_headers(settings, database_url):
    app = create_app(settings.model_copy(update={"ingress_port": INGRESS_PORT}), database_url, with_worker=False)
    transport = httpx.ASGITransport(app, client=(SUPERVISOR_ADDRESS, 5000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=f"http://relay:{INGRESS_PORT}") as client,
    ):
        response = await client.get("/static/style.css", headers=INGRESS_HEADERS)
        assert response.status_code == 200
        assert_headers(response)


@pytest.mark.parametrize("path", ["/static/style.css", "/static/swagger-ui/swagger-ui-bundle.js"])
async def test_static_files_are_not_opened_again_for_each_client(browser, path, monkeypatch):
    first = await browser.get(path)

    def refuse(*_args, **_options):
        raise AssertionError("a slow client would keep the file open")

    monkeypatch.setattr("anyio.open_file", refuse)
    again = await browser.get(path)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert int(again.headers["content-length"]) == len(first.content)
