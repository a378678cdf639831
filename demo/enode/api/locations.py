"""The named places of users. A vehicle that stands at one carries its id."""

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.shared import sim_of
from demo.enode.paging import page, page_request
from demo.enode.problems import Json, not_found, read_body
from demo.enode.world import Place


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
    """All places of all users."""
    return _page(request, list(sim_of(request).world.places.values()))


async def list_user_locations(request: Request) -> Response:
    """A user's places."""
    user_id = request.path_params["user_id"]
    return _page(request, [it for it in sim_of(request).world.places.values() if it.user_id == user_id])


async def create_location(request: Request) -> Response:
    """A new place of a user."""
    sim, user_id = sim_of(request), request.path_params["user_id"]
    if user_id not in sim.world.users:
        raise not_found("User does not exist", f"Could not find user with ID {user_id}")
    body = await read_body(request, CreateBody)
    place = Place(id=sim.world.new_id(), user_id=user_id, created_at=sim.clock.new_moment(), **body.model_dump())
    sim.world.places[place.id] = place
    return JSONResponse(_show(place))


async def get_location(request: Request) -> Response:
    """One place."""
    return JSONResponse(_show(_place(request)))


async def update_location(request: Request) -> Response:
    """Change a place."""
    place = _place(request)
    body = await read_body(request, UpdateBody)
    changed = replace(place, **body.model_dump(include=body.model_fields_set))
    sim_of(request).world.places[place.id] = changed
    return JSONResponse(_show(changed))


async def delete_location(request: Request) -> Response:
    """Forget a place; answers what it was."""
    place = _place(request)
    del sim_of(request).world.places[place.id]
    return JSONResponse(_show(place))


def _place(request: Request) -> Place:
    place = sim_of(request).world.places.get(request.path_params["location_id"])
    if place is None:
        raise not_found("Location not found", "Could not find the location")
    return place


def _page(request: Request, places: list[Place]) -> Response:
    return JSONResponse(page(places, lambda it: (it.created_at, it.id), _show, page_request(request)))


def _show(place: Place) -> Json:
    return {
        "id": place.id,
        "userId": place.user_id,
        "createdAt": place.created_at,
        "name": place.name,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "timezoneName": place.timezone_name,
    }


ROUTES = [
    Route("/locations", list_locations, methods=["GET"]),
    Route("/locations/{location_id}", get_location, methods=["GET"]),
    Route("/locations/{location_id}", update_location, methods=["PUT"]),
    Route("/locations/{location_id}", delete_location, methods=["DELETE"]),
    Route("/users/{user_id}/locations", list_user_locations, methods=["GET"]),
    Route("/users/{user_id}/locations", create_location, methods=["POST"]),
]
