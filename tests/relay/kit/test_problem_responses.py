"""Responses to exceptions: type, title, status and headers of the problem, and the log entries."""

import httpx
import psycopg
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from psycopg_pool import PoolTimeout
from starlette.requests import ClientDisconnect

from relay.kit.problem_responses import INTERNAL_ERROR_DETAIL, install_handlers, render_problem
from relay.kit.problems import TITLES, Problem


async def get(raised, path="/", method="GET", **options):
    app = FastAPI()
    install_handlers(app, headers={"X-Added": "yes"}, **options)

    @app.get("/")
    async def fail(number: int = 1):
        raise raised

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("raised", "status", "slug", "detail"),
    [
        (Problem(418, "not-broken", "It is not."), 418, "not-broken", "It is not."),
        (HTTPException(401, "x"), 401, "unauthorized", "x"),
        (HTTPException(403, "x"), 403, "forbidden", "x"),
        (HTTPException(404, "x"), 404, "not-found", "x"),
        (HTTPException(405, "x"), 405, "method-not-allowed", "x"),
        (HTTPException(413, "x"), 413, "too-large", "x"),
        (HTTPException(400, "x"), 400, "invalid-request", "x"),
        (ClientDisconnect(), 400, "invalid-request", "The connection closed before the body's end."),
        (psycopg.OperationalError("secret"), 503, "unavailable", "The database doesn't respond. Try again."),
        (PoolTimeout("secret"), 503, "unavailable", "The database doesn't respond. Try again."),
        (psycopg.errors.UniqueViolation("secret"), 500, "internal", INTERNAL_ERROR_DETAIL),
        (KeyError("secret"), 500, "internal", INTERNAL_ERROR_DETAIL),
    ],
)
async def test_every_exception_becomes_a_problem(raised, status, slug, detail):
    response = await get(raised)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": f"urn:evconduit:problem:{slug}",
        "title": TITLES[slug],
        "status": status,
        "detail": detail,
    }
    assert response.headers.get("retry-after") == ("5" if status == 503 else None)
    assert response.headers.get("x-added") == ("yes" if isinstance(raised, KeyError) else None)


async def test_default_headers_are_added_to_an_unexpected_error_unless_its_page_sets_them():
    defaults = {"X-Default": "from the defaults"}
    assert (await get(KeyError("x"), default_headers=defaults)).headers["x-default"] == "from the defaults"
    page = PlainTextResponse("a page", headers={"X-Default": "from the page"})
    response = await get(KeyError("x"), default_headers=defaults, render_page=lambda _request, _problem: page)
    assert response.headers["x-default"] == "from the page"


async def test_headers_and_members_of_a_problem_are_sent():
    response = await get(Problem(429, "quota-exhausted", "x", headers={"Retry-After": "7"}, used=3))
    assert response.headers["retry-after"] == "7"
    assert response.json()["used"] == 3
    assert (await get(HTTPException(401, "x", headers={"WWW-Authenticate": "Bearer"}))).headers[
        "www-authenticate"
    ] == "Bearer"


async def test_unknown_path_and_wrong_method_are_problems():
    assert (await get(None, "/x")).json()["type"] == "urn:evconduit:problem:not-found"
    response = await get(None, method="DELETE")
    assert (response.status_code, response.json()["type"]) == (405, "urn:evconduit:problem:method-not-allowed")


async def test_invalid_field_is_named_but_not_quoted():
    response = await get(None, "/?number=secret")
    assert (response.status_code, response.json()["type"]) == (422, "urn:evconduit:problem:invalid-request")
    assert response.json()["detail"] == "Invalid fields: query.number. Correct them and send the request again."
    [error] = response.json()["errors"]
    assert error.keys() == {"loc", "msg"}
    assert error["loc"] == ["query", "number"]
    assert "secret" not in response.text


async def test_browsers_get_a_page_and_others_the_problem():
    rendered = []

    def render_page(request, problem):
        rendered.append(problem.slug)
        return PlainTextResponse("a page", 418) if problem.slug == "forbidden" else None

    page = await get(Problem(403, "forbidden", "x"), render_page=render_page)
    assert (page.status_code, page.text) == (418, "a page")
    assert (await get(Problem(404, "not-found", "x"), render_page=render_page)).status_code == 404
    assert rendered == ["forbidden", "not-found"]


def test_slug_without_a_title_is_its_own_title():
    assert b'"title":"new-slug"' in render_problem(Problem(400, "new-slug", "x")).body


@pytest.mark.parametrize("raise_app_exceptions", [False, True])
async def test_neither_response_nor_log_quotes_the_row_of_a_database_error(pool, caplog, raise_app_exceptions):
    """The error's message contains the row, so VINs and positions. Raised on, it would be in the server's own log."""
    app = FastAPI()
    install_handlers(app)

    @app.get("/")
    async def fail() -> None:
        async with pool.connection() as connection:
            await connection.execute("select %s::int", ["5YJ3E7EB1KF000001"])

    transport = httpx.ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
    async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
        response = await client.get("/")
    assert response.status_code == 500
    assert response.json()["type"] == "urn:evconduit:problem:internal"
    assert "5YJ3E7EB1KF000001" not in response.text + caplog.text
    assert psycopg.errors.InvalidTextRepresentation.__name__ in caplog.text
    assert "test_problem_responses.py:" in caplog.text
