"""Routes of users' locations. A vehicle at a location carries its id."""

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.request_helpers import get_simulator
from demo.enode.paging import build_page, parse_page_request
from demo.enode.problems import Json, not_found, read_body
from demo.enode.world import Location


class CreateBody(BaseModel):
    """Body of POST /users/{id}/locations."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    timezone_name: str = Field(alias="timezoneName", min_length=1)


class UpdateBody(CreateBody):
    """Body of PUT /locations/{id}: any of the fields."""

    name: str = ""
    latitude: float = Field(default=0, ge=-90, le=90)
    longitude: float = Field(default=0, ge=-180, le=180)
    timezone_name: str = Field(alias="timezoneName", default="UTC", min_length=1)


async def list_locations(request: Request) -> Response:
    """List all locations of all users."""
    return _render_page(request, list(get_simulator(request).world.places.values()))


async def list_user_locations(request: Request) -> Response:
    """List a user's locations."""
    user_id = request.path_params["user_id"]
    return _render_page(
        request, [place for place in get_simulator(request).world.places.values() if place.user_id == user_id]
    )


async def create_location(request: Request) -> Response:
    """Create a location of a user."""
    sim, user_id = get_simulator(request), request.path_params["user_id"]
    if user_id not in sim.world.users:
        raise not_found("User does not exist", f"Could not find user with ID {user_id}")
    body = await read_body(request, CreateBody)
    location = Location(
        id=sim.world.new_id(), user_id=user_id, created_at=sim.clock.next_timestamp(), **body.model_dump()
    )
    sim.world.places[location.id] = location
    return JSONResponse(_render_location(location))


async def get_location(request: Request) -> Response:
    """Return one location."""
    return JSONResponse(_render_location(_get_location(request)))


async def update_location(request: Request) -> Response:
    """Update a location."""
    location = _get_location(request)
    body = await read_body(request, UpdateBody)
    changed = replace(location, **body.model_dump(include=body.model_fields_set))
    get_simulator(request).world.places[location.id] = changed
    return JSONResponse(_render_location(changed))


async def delete_location(request: Request) -> Response:
    """Delete a location and return it."""
    location = _get_location(request)
    del get_simulator(request).world.places[location.id]
    return JSONResponse(_render_location(location))


def _get_location(request: Request) -> Location:
    location = get_simulator(request).world.places.get(request.path_params["location_id"])
    if location is None:
        raise not_found("Location not found", "Could not find the location")
    return location


def _render_page(request: Request, locations: list[Location]) -> Response:
    return JSONResponse(
        build_page(
            locations,
            lambda location: (location.created_at, location.id),
            _render_location,
            parse_page_request(request),
        )
    )


def _render_location(location: Location) -> Json:
    return {
        "id": location.id,
        "userId": location.user_id,
        "createdAt": location.created_at,
        "name": location.name,
        "latitude": location.latitude,
        "longitude": location.longitude,
        "timezoneName": location.timezone_name,
    }


ROUTES = [
    Route("/locations", list_locations, methods=["GET"]),
    Route("/locations/{location_id}", get_location, methods=["GET"]),
    Route("/locations/{location_id}", update_location, methods=["PUT"]),
    Route("/locations/{location_id}", delete_location, methods=["DELETE"]),
    Route("/users/{user_id}/locations", list_user_locations, methods=["GET"]),
    Route("/users/{user_id}/locations", create_location, methods=["POST"]),
]
