"""Problem responses (RFC 9457) that keep FastAPI's `detail` member, for every route and every exception."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from relay.kit.logs import get_error_location
from relay.kit.problems import TITLES, TYPE_PREFIX, Problem

log = logging.getLogger(__name__)

SLUGS_BY_STATUS = {401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}

INTERNAL_ERROR_DETAIL = "The cause is in the relay's log. If it happens again, contact the relay's operator."

PROBLEM_CONTENT_TYPE = "application/problem+json"

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "A problem (RFC 9457): what happened, and usually what to do. Some types have more members.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [TYPE_PREFIX + slug for slug in TITLES]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
"""For the OpenAPI document."""

OPENAPI_RESPONSES: dict[int | str, dict[str, Any]] = {"default": {"description": "A problem (RFC 9457)."}}
"""For routes: keeps FastAPI from adding its own validation error. relay/openapi replaces it with the route's errors."""


def render_problem(problem: Problem) -> Response:
    """Render the problem as `application/problem+json`."""
    return JSONResponse(problem.build_body(), problem.status, headers=problem.headers, media_type=PROBLEM_CONTENT_TYPE)


type RenderPage = Callable[[Request, Problem], Response | None]
"""Renders a problem as a web page for a browser; returns None for requests of other clients."""


def install_handlers(
    app: FastAPI,
    *,
    headers: Mapping[str, str] | None = None,
    default_headers: Mapping[str, str] | None = None,
    render_page: RenderPage | None = None,
) -> None:
    """Answer every exception of `app` with a problem.

    `headers`, and those of `default_headers` that a page doesn't set, are added to the 500 of an unexpected exception,
    which is sent from outside all middleware.
    """
    handlers = _ExceptionHandlers(headers, default_headers or {}, render_page)
    app.add_exception_handler(Problem, handlers.handle_problem)
    app.add_exception_handler(HTTPException, handlers.handle_http_error)
    app.add_exception_handler(RequestValidationError, handlers.handle_validation_error)
    app.add_exception_handler(ClientDisconnect, handlers.handle_disconnect)
    app.add_exception_handler(psycopg.Error, handlers.handle_database_error)
    app.add_exception_handler(psycopg.OperationalError, handlers.handle_database_unavailable)
    app.add_exception_handler(PoolTimeout, handlers.handle_database_unavailable)
    app.add_exception_handler(Exception, handlers.handle_unexpected_error)


class _ExceptionHandlers:
    """Turns exceptions into responses. Starlette selects a handler by class, which its signature can't express."""

    def __init__(
        self, headers: Mapping[str, str] | None, default_headers: Mapping[str, str], render_page: RenderPage | None
    ) -> None:
        self._headers = headers
        self._default_headers = default_headers
        self._render_page = render_page

    async def handle_problem(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - selected by class, see above
        return self._respond(request, error)

    async def handle_http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - selected by class, see above
        slug = SLUGS_BY_STATUS.get(error.status_code, "invalid-request")
        return self._respond(request, Problem(error.status_code, slug, str(error.detail), headers=error.headers))

    async def handle_validation_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - selected by class, see above
        # Never the input itself: it may be a secret that was typed into the wrong field.
        errors = [{"loc": list(entry["loc"]), "msg": entry["msg"]} for entry in error.errors()]
        fields = ", ".join(".".join(map(str, entry["loc"])) for entry in errors)
        detail = f"Invalid fields: {fields}. Correct them and send the request again."
        return self._respond(request, Problem(422, "invalid-request", detail, errors=errors))

    async def handle_disconnect(self, request: Request, _error: Exception) -> Response:
        # Nobody receives this response. Without it, every connection that ends early would log an unexpected error.
        return self._respond(request, Problem(400, "invalid-request", "The connection closed before the body's end."))

    async def handle_database_unavailable(self, request: Request, error: Exception) -> Response:
        log.warning("database unavailable error=%s", type(error).__name__)
        problem = Problem(503, "unavailable", "The database doesn't respond. Try again.", headers={"Retry-After": "5"})
        return self._respond(request, problem)

    async def handle_database_error(self, request: Request, error: Exception) -> Response:
        # Only type and location: the message may quote a row. Handled here, the error isn't raised on to the server,
        # which would log its message.
        log.error("database statement failed error=%s at=%s", type(error).__name__, get_error_location(error))
        return self._respond(request, Problem(500, "internal", INTERNAL_ERROR_DETAIL))

    async def handle_unexpected_error(self, request: Request, error: Exception) -> Response:
        log.error("unexpected error type=%s", type(error).__name__, exc_info=error)
        response = self._respond(request, Problem(500, "internal", INTERNAL_ERROR_DETAIL, headers=self._headers))
        for name, value in self._default_headers.items():
            response.headers.setdefault(name, value)
        return response

    def _respond(self, request: Request, problem: Problem) -> Response:
        page = self._render_page(request, problem) if self._render_page is not None else None
        return page or render_problem(problem)
