"""Routes of users and linking."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.request_helpers import get_simulator, no_content, render_vehicle_page
from demo.enode.linking import (
    LinkBody,
    RelinkBody,
    create_link_session,
    create_relink_session,
    list_vehicles_of_user,
    unlink_vendor,
)
from demo.enode.paging import build_page, parse_page_request
from demo.enode.problems import Json, not_found, read_body
from demo.enode.world import LinkSession, User


async def list_users(request: Request) -> Response:
    """List all users."""
    sim = get_simulator(request)

    def show(user: User) -> Json:
        scopes = {scope for vehicle in list_vehicles_of_user(sim, user.id) for scope in vehicle.scopes}
        return {"id": user.id, "createdAt": user.created_at, "scopes": sorted(scopes)}

    users = list(sim.world.users.values())
    return JSONResponse(build_page(users, lambda user: (user.created_at, user.id), show, parse_page_request(request)))


async def get_user(request: Request) -> Response:
    """Return a user and the linked accounts."""
    user = _get_requested_user(request)
    linked = [
        {"vendor": link.vendor, "vendorType": "vehicle", "isValid": link.is_valid and user.authorized}
        for link in user.links.values()
    ]
    return JSONResponse({"id": user.id, "linkedVendors": linked})


async def delete_user(request: Request) -> Response:
    """Delete a user and all of the user's data. SIM: no events are sent, because their user no longer exists."""
    sim, user = get_simulator(request), _get_requested_user(request)
    for vendor in user.links:
        unlink_vendor(sim, user.id, vendor, send_events=False)
    for location in [place for place in sim.world.places.values() if place.user_id == user.id]:
        del sim.world.places[location.id]
    for session in [session for session in sim.world.sessions.values() if session.user_id == user.id]:
        del sim.world.sessions[session.token]
    del sim.world.users[user.id]
    return no_content()


async def deauthorize_user(request: Request) -> Response:
    """Revoke a user's sign-ins and keep the data. No more events are sent for this user."""
    sim, user = get_simulator(request), _get_requested_user(request)
    sim.world.users[user.id] = replace(user, authorized=False)
    return no_content()


async def disconnect_vendor(request: Request) -> Response:
    """Unlink a user's vendor account."""
    sim, user = get_simulator(request), _get_requested_user(request)
    vendor = request.path_params["vendor"]
    if vendor not in user.links or request.path_params.get("vendor_type", "vehicle") != "vehicle":
        raise not_found("Vendor not linked", f"The user has no such link at {vendor}")  # SIM: not published
    unlink_vendor(sim, user.id, vendor, send_events=True)
    return no_content()


async def link_user(request: Request) -> Response:
    """Create a link session, and the user if necessary."""
    body = await read_body(request, LinkBody)
    return _render_link_session(
        request, create_link_session(get_simulator(request), request.path_params["user_id"], body)
    )


async def relink_asset(request: Request) -> Response:
    """Create a link session for an account whose sign-in is no longer accepted."""
    body = await read_body(request, RelinkBody)
    return _render_link_session(
        request, create_relink_session(get_simulator(request), request.path_params["asset_id"], body)
    )


async def list_user_vehicles(request: Request) -> Response:
    """List a user's vehicles; empty for an unknown user, as observed at Enode."""
    return render_vehicle_page(request, list_vehicles_of_user(get_simulator(request), request.path_params["user_id"]))


def _get_requested_user(request: Request) -> User:
    user_id = request.path_params["user_id"]
    user = get_simulator(request).world.users.get(user_id)
    if user is None:
        raise not_found("User does not exist", f"Could not find user with ID {user_id}")
    return user


def _render_link_session(request: Request, session: LinkSession) -> Response:
    url = str(request.base_url.replace(path=f"/link/{session.token}"))
    return JSONResponse({"linkUrl": url, "linkToken": session.token})


ROUTES = [
    Route("/users", list_users, methods=["GET"]),
    Route("/users/{user_id}", get_user, methods=["GET"]),
    Route("/users/{user_id}", delete_user, methods=["DELETE"]),
    Route("/users/{user_id}/authorization", deauthorize_user, methods=["DELETE"]),
    Route("/users/{user_id}/vendors/{vendor}", disconnect_vendor, methods=["DELETE"]),
    Route("/users/{user_id}/vendors/{vendor}/{vendor_type}", disconnect_vendor, methods=["DELETE"]),
    Route("/users/{user_id}/link", link_user, methods=["POST"]),
    Route("/users/{user_id}/vehicles", list_user_vehicles, methods=["GET"]),
    Route("/assets/{asset_id}/relink", relink_asset, methods=["POST"]),
]
