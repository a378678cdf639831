"""What a person does with the cars of the account: link one, unlink one, pick those that are served."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.gateways.enode import VendorHealth
from relay.identity.sessions import SessionHolder
from relay.kit.problems import Problem
from relay.pages.forms import PostedForm
from relay.pages.rendering import go, page
from relay.pages.visitors import SignedIn
from relay.usecases.find_car import find_car
from relay.usecases.hand_out_link import hand_out_link
from relay.usecases.limit_vehicles import choose_served, require_room, room_of
from relay.usecases.link_vehicle import known_vendor, list_vendors
from relay.usecases.read_feed import read_snapshot
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.unlink_vehicles import cars_that_go, unlink
from relay.vehicles.recognise import name_of

router = APIRouter(include_in_schema=False)

UNPROCESSABLE = 422


@router.get("/link")
async def show_brands(request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """Which brand the car is of."""
    return await _brands(request, runtime, visitor)


@router.post("/link")
async def choose_brand(request: Request, runtime: RuntimeDependency, visitor: SignedIn, form: PostedForm) -> Response:
    """A link page for this brand, and on to it."""
    name = form.text("vendor")
    try:
        async with runtime.pool.connection() as connection:
            await require_room(connection, visitor.user_id, runtime.vehicle_limits)
        vendor = (await known_vendor(runtime, name[:100])).vendor if name else None
    except Problem as problem:
        if problem.slug == "vehicle-limit":
            return await _brands(request, runtime, visitor)
        error = "link.error.vendor" if problem.status == UNPROCESSABLE else "link.error.enode"
        return await _brands(request, runtime, visitor, status=problem.status, error=error, chosen=name)
    async with runtime.pool.connection() as connection:
        made = await hand_out_link(connection, visitor.user_id, vendor=vendor)
    return go(request, made.path)


@router.get("/vehicles/choose")
async def show_choice(request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """The account's cars, and which of them are served."""
    return await _choice(request, runtime, visitor)


@router.post("/vehicles/choose")
async def take_choice(request: Request, runtime: RuntimeDependency, visitor: SignedIn, form: PostedForm) -> Response:
    """These shall be served."""
    ticked = form.every("car")
    try:
        await choose_served(runtime, visitor.user_id, [UUID(it) for it in ticked])
    except ValueError:
        raise Problem(404, "not-found", "No such vehicle.") from None
    except Problem as problem:
        if problem.slug != "vehicle-limit":
            raise
        return await _choice(request, runtime, visitor, status=UNPROCESSABLE, ticked=ticked)
    return go(request, "/home")


@router.post("/vehicles/{vehicle_id}/relink")
async def renew(
    vehicle_id: str, request: Request, runtime: RuntimeDependency, visitor: SignedIn, _form: PostedForm
) -> Response:
    """A page on which to sign in again with this car's maker, and on to it."""
    async with runtime.pool.connection() as connection:
        car = await find_car(connection, visitor.user_id, vehicle_id)
        made = await hand_out_link(connection, visitor.user_id, vendor=car.vendor, vehicle_id=car.vehicle_id)
    return go(request, made.path)


@router.get("/vehicles/{vehicle_id}/unlink")
async def show_unlink(vehicle_id: str, request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """The cars that go together, and the button that unlinks them."""
    return await _unlink(request, runtime, visitor, vehicle_id)


@router.post("/vehicles/{vehicle_id}/unlink")
async def press_unlink(
    vehicle_id: str, request: Request, runtime: RuntimeDependency, visitor: SignedIn, form: PostedForm
) -> Response:
    """Unlink the cars that the page named; when others have come since, the page is shown again."""
    async with runtime.pool.connection() as connection:
        cars = await cars_that_go(connection, visitor.user_id, vehicle_id)
    if not {str(car.id) for car in cars} <= set(form.every("car")):
        return await _unlink(request, runtime, visitor, vehicle_id)
    if runtime.enode is None:
        return await _unlink(request, runtime, visitor, vehicle_id, error="link.error.enode")
    try:
        await unlink(runtime, runtime.enode, visitor.user_id, cars)
    except Problem:
        return await _unlink(request, runtime, visitor, vehicle_id, error="link.error.enode")
    return go(request, "/home")


async def _brands(  # noqa: PLR0913 - the last three are what went wrong
    request: Request,
    runtime: Runtime,
    visitor: SessionHolder,
    *,
    status: int = 200,
    error: str | None = None,
    chosen: str = "",
) -> Response:
    async with runtime.pool.connection() as connection:
        room = await room_of(connection, visitor.user_id, runtime.vehicle_limits)
    vendors: tuple[VendorHealth, ...] = ()
    if not room.is_full:
        try:
            vendors = await list_vendors(runtime)
        except Problem:
            status, error = 502, "link.error.enode"
    return page(
        request,
        "link_brand.html",
        status=403 if room.is_full else status,
        room=room,
        vendors=vendors,
        error=error,
        chosen=chosen,
    )


async def _choice(
    request: Request, runtime: Runtime, visitor: SessionHolder, *, status: int = 200, ticked: list[str] | None = None
) -> Response:
    async with runtime.pool.connection() as connection:
        room = await room_of(connection, visitor.user_id, runtime.vehicle_limits)
        records = (await read_snapshot(connection, visitor.user_id)).vehicles
    served = [it["id"] for it in records if it["link"]["state"] != "over_limit"]
    cars = sorted(((it["id"], name_of(it["vehicle"]), "") for it in records), key=lambda it: (it[1].casefold(), it[0]))
    return page(
        request,
        "choose_cars.html",
        status=status,
        room=room,
        cars=cars,
        ticked=served if ticked is None else ticked,
        too_many=ticked is not None,
    )


async def _unlink(
    request: Request, runtime: Runtime, visitor: SessionHolder, vehicle_id: str, *, error: str | None = None
) -> Response:
    async with runtime.pool.connection() as connection:
        cars = await cars_that_go(connection, visitor.user_id, vehicle_id)
    return page(
        request,
        "unlink.html",
        status=502 if error else 200,
        cars=cars,
        vendor=runtime.vendors.title(cars[0].vendor),
        error=error,
    )
