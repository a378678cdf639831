"""Enode's error responses: JSON with `type`, `title`, `detail` and, for invalid input, `issues`. No `status`."""

import json
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

type Json = dict[str, Any]

TYPE_PREFIX = "https://developers.enode.com/api/problems/"
SLUGS = {400: "bad-request", 401: "unauthorized", 403: "forbidden", 404: "not-found"}  # SIM: 401's
TITLES = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}


class ProblemError(Exception):
    """An error response in Enode's format."""

    def __init__(self, status: int, title: str, detail: str, issues: list[Json] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.body = build_problem(status, title, detail)
        if issues is not None:
            self.body["issues"] = issues


def build_problem(status: int, title: str, detail: str) -> Json:
    """Build the body of an error response."""
    slug = SLUGS.get(status, "error")  # SIM: the slugs of other statuses are not published
    return {"type": TYPE_PREFIX + slug, "title": title, "detail": detail}


def bad_request(detail: str, issues: list[Json] | None = None, title: str = "Bad Request") -> ProblemError:
    """Create a 400."""
    return ProblemError(400, title, detail, issues)


def not_found(title: str, detail: str) -> ProblemError:
    """Create a 404."""
    return ProblemError(404, title, detail)


async def read_json(request: Request) -> Any:
    """Read the request's JSON. Raises the 400 that Enode was observed to return for invalid JSON."""
    try:
        return json.loads(await request.body())
    except ValueError, RecursionError:
        raise bad_request("Invalid request payload JSON format") from None


async def read_body[M: BaseModel](request: Request, model: type[M], *, title: str = "Bad Request") -> M:
    """Read the request's body as `model`. Raises the 400 that names what is wrong, without repeating any value."""
    try:
        return model.model_validate(await read_json(request))
    except ValidationError as error:
        issues = list_issues(error)
        detail = "; ".join(f"{'.'.join(issue['path']) or 'body'}: {issue['message']}" for issue in issues)
        raise bad_request(detail, issues, title) from None


def list_issues(error: ValidationError) -> list[Json]:
    """List what is wrong with some input. SIM: the format of an issue is not published."""
    return [
        {"code": issue["type"], "path": [str(part) for part in issue["loc"]], "message": issue["msg"]}
        for issue in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def answer_problem(_request: Request, error: Exception) -> Response:
    """Exception handler for ProblemError."""
    if not isinstance(error, ProblemError):
        raise error
    return JSONResponse(error.body, status_code=error.status)


def answer_http_error(_request: Request, error: Exception) -> Response:
    """Exception handler for unknown routes and methods."""
    if not isinstance(error, HTTPException):
        raise error
    title = TITLES.get(error.status_code, "Error")
    body = build_problem(error.status_code, title, f"{title}.")
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)
