"""What this world does not have. Lists of it are empty and each of it is not found, which is the truth.

Where only an invention could be answered (a schedule that drives nothing, statistics that nobody kept) the call is
refused as not simulated.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.paging import empty_page, page_request
from demo.enode.problems import ProblemError, not_found

KINDS = ("chargers", "hvacs", "inverters", "batteries", "meters", "hem-systems")
METHODS = ["GET", "POST", "PUT", "DELETE"]
NOT_SIMULATED = 501


async def list_none(request: Request) -> Response:
    """An empty page."""
    return JSONResponse(empty_page(page_request(request)))


async def list_nothing(_request: Request) -> Response:
    """An empty array."""
    return JSONResponse([])


async def find_none(_request: Request) -> Response:
    """No such thing."""
    raise not_found("Not Found", "This world has vehicles only: there is no such asset, schedule or tariff.")


async def refuse(_request: Request) -> Response:
    """Nothing true can be said."""
    raise ProblemError(NOT_SIMULATED, "Not simulated", "Schedules, tariffs and statistics are not simulated.")


ROUTES = [
    *(
        route
        for kind in KINDS
        for route in (
            Route(f"/{kind}", list_none, methods=["GET"]),
            Route(f"/{kind}/", list_none, methods=["GET"]),  # Enode's SDK asks for /hem-systems/
            Route(f"/users/{{user_id}}/{kind}", list_none, methods=["GET"]),
            Route(f"/{kind}/{{rest:path}}", find_none, methods=METHODS),
        )
    ),
    Route("/users/{user_id}/schedules", list_none, methods=["GET"]),
    Route("/users/{user_id}/schedules", refuse, methods=["POST"]),
    Route("/schedules/{rest:path}", find_none, methods=METHODS),
    Route("/tariffs/{tariff_id}", find_none, methods=["GET"]),
    Route("/tariffs/{tariff_id}", refuse, methods=["PUT"]),
    Route("/locations/{location_id}/tariff", list_nothing, methods=["GET"]),
    Route("/locations/{location_id}/tariff", find_none, methods=["PUT"]),
    Route("/users/{user_id}/statistics/{rest:path}", refuse, methods=["GET"]),
]
