"""Routes of service health, vendors and interventions."""

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
VEHICLE_SCOPES = [scope for scope in get_args(Scope) if scope.startswith("vehicle:")]


async def is_ready(_request: Request) -> Response:
    """Report that Enode is ready."""
    return no_content()


async def list_vehicle_vendors(_request: Request) -> Response:
    """List the vendors whose cars can be linked."""
    return JSONResponse([_render_vendor(vendor) for vendor in VENDORS.values()])


async def list_no_vendors(_request: Request) -> Response:
    """List the vendors of other assets: always empty."""
    return JSONResponse([])


async def list_integrations(request: Request) -> Response:
    """List the integrations of the requested asset types."""
    asset_types = get_args(VendorType)
    requested = request.query_params.get("assetTypes", ",".join(asset_types)).split(",")
    if not set(requested) <= set(asset_types):
        raise bad_request(f"assetTypes: must be among {', '.join(asset_types)}")
    vendors = VENDORS.values() if "vehicle" in requested else ()
    return JSONResponse(
        [{**_render_vendor(vendor), "assetTypes": ["vehicle"], "scopes": VEHICLE_SCOPES} for vendor in vendors]
    )


async def list_interventions(request: Request) -> Response:
    """List the interventions of one vendor or all, in `language` if there is a translation, else in English."""
    vendor, kind = request.query_params.get("vendor"), request.query_params.get("vendorType")
    if kind not in {None, "vehicle"}:
        return JSONResponse([])
    selected = [
        intervention
        for intervention in INTERVENTIONS.values()
        if vendor is None or intervention.vendor in {None, vendor}
    ]
    return JSONResponse([_render_intervention(intervention, request) for intervention in selected])


async def get_intervention(request: Request) -> Response:
    """Return one intervention."""
    intervention = INTERVENTIONS.get(request.path_params["intervention_id"])
    if intervention is None:
        raise not_found("Intervention not found", "Could not find the intervention")
    return JSONResponse(_render_intervention(intervention, request))


def _render_vendor(vendor: Vendor) -> Json:
    return {
        "vendor": vendor.name,
        "displayName": vendor.display_name,
        "portalName": vendor.portal_name,
        "status": "READY",
        "linkingStatus": "READY",
    }


def _render_intervention(intervention: Intervention, request: Request) -> Json:
    title, description = intervention.get_texts(request.query_params.get("language"))
    return {
        "id": intervention.id,
        "vendor": intervention.vendor,
        "vendorType": None if intervention.vendor is None else "vehicle",
        "brand": intervention.brand,
        "introducedAt": INTRODUCED_AT,
        "domain": intervention.domain,
        "resolution": {
            "title": title,
            "description": description,
            "access": intervention.access,
            "agent": "User",
            "action": intervention.action,
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
