"""Routes of assets and features that are not simulated.

Lists are empty and single objects are not found. Requests that would need invented data (schedules, statistics) are
refused with 501.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.paging import build_empty_page, parse_page_request
from demo.enode.problems import ProblemError, not_found

ASSET_KINDS = ("chargers", "hvacs", "inverters", "batteries", "meters", "hem-systems")
METHODS = ["GET", "POST", "PUT", "DELETE"]
NOT_SIMULATED = 501


async def answer_empty_page(request: Request) -> Response:
    """Return an empty page."""
    return JSONResponse(build_empty_page(parse_page_request(request)))


async def answer_not_found(_request: Request) -> Response:
    """Raise a 404."""
    raise not_found("Not Found", "Only vehicles are simulated: there is no such asset or schedule.")


async def answer_not_simulated(_request: Request) -> Response:
    """Raise a 501."""
    raise ProblemError(NOT_SIMULATED, "Not simulated", "Schedules and statistics are not simulated.")


ROUTES = [
    *(
        route
        for kind in ASSET_KINDS
        for route in (
            Route(f"/{kind}", answer_empty_page, methods=["GET"]),
            Route(f"/{kind}/", answer_empty_page, methods=["GET"]),  # Enode's SDK requests /hem-systems/
            Route(f"/users/{{user_id}}/{kind}", answer_empty_page, methods=["GET"]),
            Route(f"/{kind}/{{rest:path}}", answer_not_found, methods=METHODS),
        )
    ),
    Route("/users/{user_id}/schedules", answer_empty_page, methods=["GET"]),
    Route("/users/{user_id}/schedules", answer_not_simulated, methods=["POST"]),
    Route("/schedules/{rest:path}", answer_not_found, methods=METHODS),
    Route("/users/{user_id}/statistics/{rest:path}", answer_not_simulated, methods=["GET"]),
]
