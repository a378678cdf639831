"""Health of Enode and of its vendors, and the interventions that exist."""

from typing import get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.request_helpers import no_content
from demo.enode.catalogue import VENDORS, Vendor
from demo.enode.interventions import INTERVENTIONS, Intervention
from demo.enode.linking import Scope, VendorType
from demo.enode.problems import Json, bad_request, not_found

INTRODUCED_AT = "2024-10-01T00:00:00.000Z"
VEHICLE_SCOPES = [it for it in get_args(Scope) if it.startswith("vehicle:")]


async def is_ready(_request: Request) -> Response:
    """Enode is there."""
    return no_content()


async def list_vehicle_vendors(_request: Request) -> Response:
    """The makers whose cars can be linked."""
    return JSONResponse([_render_vendor(it) for it in VENDORS.values()])


async def list_no_vendors(_request: Request) -> Response:
    """The makers of other assets: there are none in this world."""
    return JSONResponse([])


async def list_integrations(request: Request) -> Response:
    """What can be linked, for the asset types that are asked for."""
    known = get_args(VendorType)
    asked = request.query_params.get("assetTypes", ",".join(known)).split(",")
    if not set(asked) <= set(known):
        raise bad_request(f"assetTypes: must be among {', '.join(known)}")
    vendors = VENDORS.values() if "vehicle" in asked else ()
    return JSONResponse([{**_render_vendor(it), "assetTypes": ["vehicle"], "scopes": VEHICLE_SCOPES} for it in vendors])


async def list_interventions(request: Request) -> Response:
    """The interventions, those of one vendor or all. In English unless `language` is one that there is."""
    vendor, kind = request.query_params.get("vendor"), request.query_params.get("vendorType")
    if kind not in {None, "vehicle"}:
        return JSONResponse([])
    wanted = [it for it in INTERVENTIONS.values() if vendor is None or it.vendor in {None, vendor}]
    return JSONResponse([_render_intervention(it, request) for it in wanted])


async def get_intervention(request: Request) -> Response:
    """One intervention."""
    obstacle = INTERVENTIONS.get(request.path_params["intervention_id"])
    if obstacle is None:
        raise not_found("Intervention not found", "Could not find the intervention")
    return JSONResponse(_render_intervention(obstacle, request))


def _render_vendor(vendor: Vendor) -> Json:
    return {
        "vendor": vendor.name,
        "displayName": vendor.display_name,
        "portalName": vendor.portal_name,
        "status": "READY",
        "linkingStatus": "READY",
    }


def _render_intervention(obstacle: Intervention, request: Request) -> Json:
    title, description = obstacle.get_texts(request.query_params.get("language"))
    return {
        "id": obstacle.id,
        "vendor": obstacle.vendor,
        "vendorType": None if obstacle.vendor is None else "vehicle",
        "brand": obstacle.brand,
        "introducedAt": INTRODUCED_AT,
        "domain": obstacle.domain,
        "resolution": {
            "title": title,
            "description": description,
            "access": obstacle.access,
            "agent": "User",
            "action": obstacle.action,
        },
    }


ROUTES = [
    Route("/health/ready", is_ready, methods=["GET"]),
    Route("/health/vehicles", list_vehicle_vendors, methods=["GET"]),
    *(
        Route(f"/health/{kind}", list_no_vendors, methods=["GET"])
        for kind in ("chargers", "batteries", "inverters", "hvacs", "meters")
    ),
    Route("/integrations", list_integrations, methods=["GET"]),
    Route("/interventions", list_interventions, methods=["GET"]),
    Route("/interventions/{intervention_id}", get_intervention, methods=["GET"]),
]
