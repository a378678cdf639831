"""Security of all pages and responses: headers, redirects, foreign hosts, and secrets in the log."""

import logging
import re
from html import unescape

import pytest

from relay.pages import site
from relay.pages.site import ROUTERS
from tests.relay.api_docs.conftest import JWT, KEY
from tests.relay.every_route.routes import (
    BODY_VALUES,
    STREAM_PATH,
    UNOWNED_PATH_VALUES,
    fill_path,
    list_routes_with_ids,
)
from tests.relay.support.own_scripts import remove_own_scripts

PAGE_PATHS = sorted({route.path for router in ROUTERS for route in router.routes if "GET" in route.methods})
EXPECTED_API_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
FOREIGN_URLS = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "///evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "/%0d%0aSet-Cookie:x=y",
]


def list_all_routes(routes):
    """All routes, those of included routers too."""
    for route in routes:
        included = getattr(getattr(route, "original_router", None), "routes", None)
        yield from list_all_routes(included) if included is not None else [route]


async def get_pages(client, ids):
    for path in PAGE_PATHS:
        yield path, await client.get(fill_path(path, ids | UNOWNED_PATH_VALUES), headers={"Accept": "text/html"})


@pytest.mark.parametrize("visitor", ["signed in", "signed out"])
async def test_every_page_has_strict_security_headers(ada, ids, visitor):
    if visitor == "signed out":
        ada.cookies.clear()
    count = 0
    async for path, response in get_pages(ada, ids):
        assert response.status_code < 500, path
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert ("script-src 'self';" in policy) == ("<script src=" in response.text), path
        assert response.headers["x-content-type-options"] == "nosniff", path
        assert response.headers["referrer-policy"] == "no-referrer", path
        assert response.headers["cache-control"] == "no-store", path
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", remove_own_scripts(response.text)), path
        for cookie in response.headers.get_list("set-cookie"):
            assert "httponly" in cookie.lower(), (path, cookie.partition("=")[0])
            assert "samesite=lax" in cookie.lower(), (path, cookie.partition("=")[0])
        count += 1
    assert count > 10


async def test_every_answer_of_the_api_has_security_headers(app, ids, ada):
    """Errors too. No browser may cache, frame or reinterpret what an API answers."""
    checked = set()
    for header in (f"Bearer {KEY}", "Bearer unknown"):
        for route in list_all_routes(app.routes):
            path = fill_path(route.path, ids | UNOWNED_PATH_VALUES)
            if not hasattr(route, "methods") or route.path == STREAM_PATH or site.is_page_path(path):
                continue
            for method in route.methods - {"DELETE"}:
                response = await ada.request(method, path, headers={"Authorization": header})
                for name, value in EXPECTED_API_HEADERS.items():
                    assert response.headers.get_list(name) == [value], (method, path, name)
                checked.add(response.status_code)
    assert {200, 401, 404, 422} <= checked


async def test_no_html_runs_inline_scripts_or_loads_anything_from_another_site(app, ada, ids):
    """For every address that a browser can open, the API reference included."""
    checked = 0
    for route in list_all_routes(app.routes):
        if "GET" not in (getattr(route, "methods", None) or ()) or route.path == STREAM_PATH:
            continue
        response = await ada.get(fill_path(route.path, ids | UNOWNED_PATH_VALUES), headers={"Accept": "text/html"})
        if not response.headers.get("content-type", "").startswith("text/html"):
            continue
        assert "default-src 'none'" in response.headers["content-security-policy"], route.path
        text = remove_own_scripts(response.text)
        assert not re.search(r"<script|<style|<iframe|(?:src|href)=.(?:https?:)?//", text), route.path
        checked += 1
    assert checked > 10


async def test_the_api_reference_has_every_operation(app, ada):
    text = unescape((await ada.get("/api/docs")).text)
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in text


async def test_no_page_uses_the_host_header(ada, ids):
    for path in PAGE_PATHS:
        headers = {"Accept": "text/html", "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        response = await ada.get(fill_path(path, ids | UNOWNED_PATH_VALUES), headers=headers)
        assert "evil.example" not in response.text + str(response.headers), path


@pytest.mark.parametrize("next_url", FOREIGN_URLS)
async def test_no_page_redirects_to_another_site(ada, ids, next_url):
    for path in PAGE_PATHS:
        if path == "/oauth/authorize":  # its redirects have an allowlist and tests of their own
            continue
        response = await ada.get(fill_path(path, ids | UNOWNED_PATH_VALUES), params={"next": next_url})
        location = response.headers.get("location", "/")
        assert re.match(r"/(?![/\\])", location), (path, location)
        assert "evil.example" not in location, (path, location)
        assert "set-cookie: x" not in str(response.headers).lower(), path


async def test_the_log_contains_no_secret_and_no_personal_data(app, ids, ada, caplog, enode):
    caplog.set_level(logging.DEBUG, logger="relay")
    vin = enode.get_vehicle(enode.car_id)["information"]["vin"]
    async for _ in get_pages(ada, ids):
        pass
    for header in (f"Bearer {KEY}", f"Bearer {JWT}"):
        for method, path, fields in list_routes_with_ids(app):
            if not path.startswith("/api/") or method == "DELETE":
                continue
            body = {name: BODY_VALUES[name] for name in fields} or None
            await ada.request(method, fill_path(path, ids), json=body, headers={"Authorization": header})
        await ada.request(
            "PUT",
            "/api/ha/v2/endpoint",
            json={"url": "https://home.example.org/api/webhook/top-secret"},
            headers={"Authorization": header},
        )
        await ada.post("/api/ha/v2/endpoint/test", headers={"Authorization": header})
    secrets = [KEY, JWT, ada.csrf, *ada.cookies.values(), vin, "ada@example.org", "top-secret", "9f86d081884c7d65"]
    records = [record for record in caplog.records if record.name.startswith("relay")]
    logged = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in records)
    assert logged.strip(), "nothing was logged, so the test proves nothing"
    assert [secret for secret in secrets if secret in logged] == []
