"""Errors as RFC 9457 problem details that keep FastAPI's `detail` member, for every route and every cause."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from relay.kit.logs import get_error_location

log = logging.getLogger(__name__)

TYPE_PREFIX = "urn:evconduit:problem:"

# What a caller reads first; the detail says the rest. Slugs are part of the API.
TITLES = {
    "unauthorized": "The credential is missing, unknown or revoked.",
    "forbidden": "The credential may not do this.",
    "account-disabled": "The account is switched off.",
    "foreign-form": "The form is too old, or not from this site.",
    "not-found": "There is nothing of yours here.",
    "method-not-allowed": "This address answers to another method.",
    "invalid-request": "The request has a mistake.",
    "too-large": "The request is too large.",
    "plan-required": "The plan does not include this.",
    "quota-exhausted": "The account's calls are used up.",
    "too-many-requests": "This is asked too often.",
    "not-broken": "The car's link is not broken.",
    "vehicle-limit": "The plan has no room for this.",
    "confirm-required": "This wants to be confirmed.",
    "not-sent": "Enode has not taken the command yet.",
    "too-many-streams": "There are too many open streams.",
    "too-many-tests": "There was a test just now.",
    "no-webhook": "There is nothing to deliver to.",
    "endpoint-refused": "Nothing can be delivered to this address.",
    "command-refused": "The car's maker refused the command.",
    "enode-unavailable": "Enode cannot be reached.",
    "unavailable": "The relay cannot answer just now.",
    "internal": "The relay made a mistake.",
}
SLUGS_BY_STATUS = {401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}

OPENAPI_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457): what went wrong, and often what to do. Members are added for some types.",
        "content": {
            "application/problem+json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string", "enum": [TYPE_PREFIX + slug for slug in TITLES]},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""For the OpenAPI document: every answer that a route does not name itself."""


class Problem(Exception):  # noqa: N818 - RFC 9457's own word for it
    """An answer that is not what was asked for. `members` are added to the body, so they must be safe to show."""

    def __init__(
        self, status: int, slug: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def render_problem(problem: Problem) -> Response:
    """The problem as programs read it."""
    body = {
        "type": TYPE_PREFIX + problem.slug,
        "title": TITLES.get(problem.slug, problem.slug),
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    return JSONResponse(body, problem.status, headers=problem.headers, media_type="application/problem+json")


type RenderPage = Callable[[Request, Problem], Response | None]
"""The problem as a page, for a browser that wanted one; None where programs ask."""


def install_handlers(
    app: FastAPI, *, headers: Mapping[str, str] | None = None, render_page: RenderPage | None = None
) -> None:
    """Answer every error of `app` as a problem; `headers` are for a 500, which leaves outside all middleware."""

    def respond(request: Request, problem: Problem) -> Response:
        shown = render_page(request, problem) if render_page is not None else None
        return shown or render_problem(problem)

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - Starlette calls by class; its signature cannot say so
        return respond(request, error)

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - as above
        slug = SLUGS_BY_STATUS.get(error.status_code, "invalid-request")
        return respond(request, Problem(error.status_code, slug, str(error.detail), headers=error.headers))

    async def on_validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        # Never the input itself: it may hold a secret typed into the wrong field.
        errors = [{"loc": list(it["loc"]), "msg": it["msg"]} for it in error.errors()]
        where = ", ".join(".".join(map(str, it["loc"])) for it in errors)
        return respond(request, Problem(422, "invalid-request", f"Please correct: {where}.", errors=errors))

    async def on_database_unavailable(request: Request, error: Exception) -> Response:
        log.warning("database unavailable: %s", type(error).__name__)
        return respond(
            request, Problem(503, "unavailable", "The database does not answer.", headers={"Retry-After": "5"})
        )

    async def on_database_error(request: Request, error: Exception) -> Response:
        # Its text may quote a row. Answered here, it is not raised on to the server, which would log it whole.
        log.error("the database refused a statement: %s at %s", type(error).__name__, get_error_location(error))
        return respond(request, Problem(500, "internal", "The operator can find the cause in the log."))

    async def on_unexpected_error(request: Request, error: Exception) -> Response:
        log.error("unexpected %s", type(error).__name__, exc_info=error)
        return respond(
            request, Problem(500, "internal", "The operator can find the cause in the log.", headers=headers)
        )

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(psycopg.Error, on_database_error)
    app.add_exception_handler(psycopg.OperationalError, on_database_unavailable)
    app.add_exception_handler(PoolTimeout, on_database_unavailable)
    app.add_exception_handler(Exception, on_unexpected_error)
