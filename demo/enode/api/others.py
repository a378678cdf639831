"""Assets that do not exist in this world. Their lists are empty and each of them is not found, which is the truth."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.paging import empty_page, page_request
from demo.enode.problems import not_found

KINDS = ("chargers", "hvacs", "inverters", "batteries", "meters", "hem-systems")
METHODS = ["GET", "POST", "PUT"]


async def list_none(request: Request) -> Response:
    """An empty page."""
    return JSONResponse(empty_page(page_request(request)))


async def find_none(_request: Request) -> Response:
    """No such asset."""
    raise not_found("Not Found", "This world has vehicles only: there is no such asset.")


ROUTES = [
    route
    for kind in KINDS
    for route in (
        Route(f"/{kind}", list_none, methods=["GET"]),
        Route(f"/{kind}/", list_none, methods=["GET"]),  # Enode's SDK asks for /hem-systems/
        Route(f"/users/{{user_id}}/{kind}", list_none, methods=["GET"]),
        Route(f"/{kind}/{{rest:path}}", find_none, methods=METHODS),
    )
]
