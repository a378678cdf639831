"""Link, relink and unlink vehicles, and choose which ones are served when the plan limits them."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.gateways.enode import VendorHealth
from relay.identity.web_sessions import SignedInUser
from relay.kit.problems import Problem
from relay.pages.forms import PostedForm
from relay.pages.rendering import redirect_to, render_page
from relay.pages.visitors import SignedInVisitor
from relay.usecases.calls.get_vehicle import get_call_vehicle
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.feed.reader import read_snapshot
from relay.usecases.linking.create_link_page import create_link_page
from relay.usecases.linking.link_vehicle import list_vendors, require_vendor
from relay.usecases.linking.unlink_vehicles import list_unlink_candidates, unlink_vehicles
from relay.usecases.vehicles.limit_vehicles import (
    get_vehicle_capacity,
    require_vehicle_capacity,
    select_served_vehicles,
)
from relay.vehicles.display_name import get_display_name

router = APIRouter(include_in_schema=False)

UNPROCESSABLE = 422


@router.get("/link")
async def show_vendors(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """Show the brands to choose from."""
    return await _render_vendors(request, runtime, visitor)


@router.post("/link")
async def submit_vendor(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, form: PostedForm
) -> Response:
    """Create a link page for the chosen brand and redirect to it."""
    name = form.get_text("vendor")
    try:
        async with runtime.pool.connection() as connection:
            await require_vehicle_capacity(connection, visitor.user_id, runtime.plans)
        vendor = (await require_vendor(runtime, name[:100])).vendor if name else None
    except Problem as problem:
        if problem.slug == "vehicle-limit":
            return await _render_vendors(request, runtime, visitor)
        error = "link.error.vendor" if problem.status == UNPROCESSABLE else "link.error.enode"
        return await _render_vendors(request, runtime, visitor, status=problem.status, error=error, chosen=name)
    async with runtime.pool.connection() as connection:
        link_page = await create_link_page(connection, visitor.user_id, vendor=vendor)
    return redirect_to(request, link_page.path)


@router.get("/vehicles/choose")
async def show_served_vehicles(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """Show the vehicles and which of them are served."""
    return await _render_served_vehicles(request, runtime, visitor)


@router.post("/vehicles/choose")
async def submit_served_vehicles(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, form: PostedForm
) -> Response:
    """Save which vehicles are served."""
    selected_ids = form.get_all("car")
    try:
        await select_served_vehicles(runtime, visitor.user_id, [UUID(selected_id) for selected_id in selected_ids])
    except ValueError:
        raise Problem(404, "not-found", "No such vehicle.") from None
    except Problem as problem:
        if problem.slug != "vehicle-limit":
            raise
        return await _render_served_vehicles(request, runtime, visitor, status=UNPROCESSABLE, selected_ids=selected_ids)
    return redirect_to(request, "/home")


@router.post("/vehicles/{vehicle_id}/relink")
async def submit_relink(
    vehicle_id: str, request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, _form: PostedForm
) -> Response:
    """Create a link page to sign in again with this vehicle's vendor, and redirect to it."""
    async with runtime.pool.connection() as connection:
        vehicle = await get_call_vehicle(connection, visitor.user_id, vehicle_id)
        link_page = await create_link_page(
            connection, visitor.user_id, vendor=vehicle.vendor, vehicle_id=vehicle.vehicle_id
        )
    return redirect_to(request, link_page.path)


@router.get("/vehicles/{vehicle_id}/unlink")
async def show_unlink(
    vehicle_id: str, request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor
) -> Response:
    """Ask to confirm, listing all vehicles that Enode unlinks together with this one."""
    return await _render_unlink(request, runtime, visitor, vehicle_id)


@router.post("/vehicles/{vehicle_id}/unlink")
async def submit_unlink(
    vehicle_id: str, request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, form: PostedForm
) -> Response:
    """Unlink the vehicles that the page listed. If there are others by now, show the page again."""
    async with runtime.pool.connection() as connection:
        vehicles = await list_unlink_candidates(connection, visitor.user_id, vehicle_id)
    if not {str(vehicle.id) for vehicle in vehicles} <= set(form.get_all("car")):
        return await _render_unlink(request, runtime, visitor, vehicle_id)
    if runtime.enode is None:
        return await _render_unlink(request, runtime, visitor, vehicle_id, error="link.error.enode")
    try:
        await unlink_vehicles(runtime, runtime.enode, visitor.user_id, vehicles)
    except Problem:
        return await _render_unlink(request, runtime, visitor, vehicle_id, error="link.error.enode")
    return redirect_to(request, "/home")


async def _render_vendors(  # noqa: PLR0913 - the last three describe an error
    request: Request,
    runtime: Runtime,
    visitor: SignedInUser,
    *,
    status: int = 200,
    error: str | None = None,
    chosen: str = "",
) -> Response:
    async with runtime.pool.connection() as connection:
        capacity = await get_vehicle_capacity(connection, visitor.user_id, runtime.plans)
    vendors: tuple[VendorHealth, ...] = ()
    if not capacity.is_full:
        try:
            vendors = await list_vendors(runtime)
        except Problem:
            status, error = 502, "link.error.enode"
    return render_page(
        request,
        "link_brand.html",
        status=403 if capacity.is_full else status,
        capacity=capacity,
        vendors=vendors,
        error=error,
        chosen=chosen,
    )


async def _render_served_vehicles(
    request: Request,
    runtime: Runtime,
    visitor: SignedInUser,
    *,
    status: int = 200,
    selected_ids: list[str] | None = None,
) -> Response:
    async with runtime.pool.connection() as connection:
        capacity = await get_vehicle_capacity(connection, visitor.user_id, runtime.plans)
        records = (await read_snapshot(connection, visitor.user_id)).vehicles
    served_ids = [record["id"] for record in records if record["link"]["state"] != "over_limit"]
    choices = sorted(
        ((record["id"], get_display_name(record["vehicle"]), "") for record in records),
        key=lambda choice: (choice[1].casefold(), choice[0]),
    )
    return render_page(
        request,
        "choose_cars.html",
        status=status,
        capacity=capacity,
        choices=choices,
        selected_ids=served_ids if selected_ids is None else selected_ids,
        is_over_limit=selected_ids is not None,
    )


async def _render_unlink(
    request: Request, runtime: Runtime, visitor: SignedInUser, vehicle_id: str, *, error: str | None = None
) -> Response:
    async with runtime.pool.connection() as connection:
        vehicles = await list_unlink_candidates(connection, visitor.user_id, vehicle_id)
    return render_page(
        request,
        "unlink.html",
        status=502 if error else 200,
        vehicles=vehicles,
        vendor=runtime.vendors.get_display_name(vehicles[0].vendor),
        error=error,
    )
