"""What every page and every answer owes a browser, asked of all routes there are; and what the log must never say."""

import logging
import re
from html import unescape

import pytest

from relay.pages.site import ROUTERS
from tests.relay.api_docs.conftest import JWT, KEY
from tests.relay.every_route.test_foreign_ids import FIELDS, OTHERS, filled, with_ids

SHOWN = sorted({route.path for router in ROUTERS for route in router.routes if "GET" in route.methods})
ELSEWHERE = [
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


ENDLESS = "/api/ha/v2/stream"


def everything(routes):
    """All routes, those of included routers too."""
    for route in routes:
        inner = getattr(getattr(route, "original_router", None), "routes", None)
        yield from everything(inner) if inner is not None else [route]


async def pages(client, ids):
    for path in SHOWN:
        yield path, await client.get(filled(path, ids | OTHERS), headers={"Accept": "text/html"})


@pytest.mark.parametrize("who", ["ada", "nobody"])
async def test_every_page_tells_browsers_to_be_careful(ada, ids, who):
    if who == "nobody":
        ada.cookies.clear()
    count = 0
    async for path, answer in pages(ada, ids):
        assert answer.status_code < 500, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "no-referrer", path
        assert answer.headers["cache-control"] == "no-store", path
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", answer.text), path
        for cookie in answer.headers.get_list("set-cookie"):
            assert "httponly" in cookie.lower(), (path, cookie.partition("=")[0])
            assert "samesite=lax" in cookie.lower(), (path, cookie.partition("=")[0])
        count += 1
    assert count > 10


async def test_nothing_that_browsers_are_shown_runs_or_comes_from_elsewhere(app, ada, ids):
    """Not of the pages alone: of every address that a browser can open, the API's reference among them."""
    shown = 0
    for route in everything(app.routes):
        if "GET" not in (getattr(route, "methods", None) or ()) or route.path == ENDLESS:
            continue
        answer = await ada.get(filled(route.path, ids | OTHERS), headers={"Accept": "text/html"})
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        assert "default-src 'none'" in answer.headers["content-security-policy"], route.path
        assert not re.search(r"<script|<style|<iframe|(?:src|href)=.(?:https?:)?//", answer.text), route.path
        shown += 1
    assert shown > 10


async def test_the_reference_tells_of_every_operation(app, ada):
    text = unescape((await ada.get("/api/docs")).text)
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in text


async def test_no_page_believes_what_the_host_header_says(ada, ids):
    for path in SHOWN:
        headers = {"Accept": "text/html", "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        answer = await ada.get(filled(path, ids | OTHERS), headers=headers)
        assert "evil.example" not in answer.text + str(answer.headers), path


@pytest.mark.parametrize("wanted", ELSEWHERE)
async def test_nobody_is_sent_to_a_foreign_page(ada, ids, wanted):
    for path in SHOWN:
        if path == "/oauth/authorize":  # its redirects have a list of their own, and tests
            continue
        answer = await ada.get(filled(path, ids | OTHERS), params={"next": wanted})
        to = answer.headers.get("location", "/")
        assert re.match(r"/(?![/\\])", to), (path, to)
        assert "evil.example" not in to, (path, to)
        assert "set-cookie: x" not in str(answer.headers).lower(), path


async def test_the_log_says_nothing_that_opens_a_door_or_tells_of_a_person(app, ids, ada, caplog, enode):
    caplog.set_level(logging.DEBUG, logger="relay")
    vin = enode.get_vehicle(enode.car_id)["information"]["vin"]
    async for _ in pages(ada, ids):
        pass
    for header in (f"Bearer {KEY}", f"Bearer {JWT}"):
        for method, path, fields in with_ids(app):
            if not path.startswith("/api/") or method == "DELETE":
                continue
            body = {name: FIELDS[name] for name in fields} or None
            await ada.request(method, filled(path, ids), json=body, headers={"Authorization": header})
        await ada.request(
            "PUT",
            "/api/ha/v2/endpoint",
            json={"url": "https://home.example.org/api/webhook/top-secret"},
            headers={"Authorization": header},
        )
        await ada.post("/api/ha/v2/endpoint/test", headers={"Authorization": header})
    secrets = [KEY, JWT, ada.csrf, *ada.cookies.values(), vin, "ada@example.org", "top-secret", "9f86d081884c7d65"]
    said = "\n".join(f"{it.getMessage()} {it.exc_text or ''}" for it in caplog.records if it.name.startswith("relay"))
    assert said.strip(), "it said nothing at all"
    assert [it for it in secrets if it in said] == []
