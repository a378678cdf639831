"""The page after sign-in: the account's vehicles."""

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
    """Show the vehicles; for a new account, the first steps."""
    async with runtime.pool.connection() as connection:
        vehicles = await list_vehicles(connection, visitor.user_id)
    installations = await list_installations(runtime, visitor.user_id)
    is_connected = any(installation.last_used_at for installation in installations)
    return render_page(
        request,
        "home.html",
        vehicles=vehicles,
        is_connected=is_connected,
        over_limit=any(vehicle.link_state == "over_limit" for vehicle in vehicles),
        relay_url=runtime.public_url,
    )
