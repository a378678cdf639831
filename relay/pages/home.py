"""What a person sees first: the cars of the account."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import render_page
from relay.pages.visitors import SignedInVisitor
from relay.usecases.access.list_installations import list_installations
from relay.usecases.calls.runtime import RuntimeDependency
from relay.usecases.vehicles.list_vehicles import list_vehicles

router = APIRouter(include_in_schema=False)


@router.get("/home")
async def show_home(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """The account's cars; of a new account, what to do first."""
    async with runtime.pool.connection() as connection:
        cars = await list_vehicles(connection, visitor.user_id)
    installations = await list_installations(runtime, visitor.user_id)
    connected = any(it.last_used_at for it in installations)
    return render_page(
        request,
        "home.html",
        cars=cars,
        connected=connected,
        over_limit=any(it.link_state == "over_limit" for it in cars),
        relay_url=runtime.public_url,
    )
