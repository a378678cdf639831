"""Start linking a vehicle: check vendor and vehicle limit, and create the page to open in a browser."""

import logging
from typing import Annotated, TypedDict

from fastapi import APIRouter
from pydantic import BaseModel, Field

from relay.gateways.enode import EnodeError, VendorHealth
from relay.gateways.enode.vendor_cache import find_vendor
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.linking.create_link_page import create_link_page
from relay.usecases.vehicles.limit_vehicles import require_vehicle_capacity

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/user")


class LinkRequest(BaseModel):
    """The vendor to link, for example `TESLA`. Without it, the user chooses one on Enode's page."""

    vendor: Annotated[str | None, Field(max_length=100)] = None


class LinkPageRecord(TypedDict):
    """A page to open in a browser, usable once by anyone who has its URL. `link_id` is the parameter of link-result.

    `linkUrl` and `linkToken` repeat `url` and `link_id` for classic clients.
    """

    url: str
    expires_at: str
    link_id: str
    vendor: str | None
    linkUrl: str
    linkToken: str


@router.post("/link-vehicle", response_model=None, responses={200: {"model": LinkPageRecord}})
async def post_link_vehicle(
    runtime: RuntimeDependency, authorization: CredentialDependency, body: LinkRequest | None = None
) -> LinkPageRecord:
    """Create a page on which a vehicle is linked to this account. Costs no call. 403 at the plan's vehicle limit."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        await require_vehicle_capacity(connection, call.caller.user_id, runtime.plans)
    vendor = None
    if body is not None and body.vendor and body.vendor.strip():
        vendor = (await require_vendor(runtime, body.vendor)).vendor
    async with runtime.pool.connection() as connection:
        page = await create_link_page(connection, call.caller.user_id, vendor=vendor)
    url = runtime.public_url + page.path
    return {
        "url": url,
        "expires_at": format_timestamp(page.expires_at),
        "link_id": str(page.id),
        "vendor": vendor,
        "linkUrl": url,
        "linkToken": str(page.id),
    }


async def require_vendor(runtime: Runtime, name: str) -> VendorHealth:
    """The vendor with this name. Raises Problem 422 with the list of vendors if there is none, 502 without Enode."""
    vendors = await list_vendors(runtime)
    vendor = find_vendor(vendors, name)
    if vendor is None:
        detail = "Enode doesn't support this vendor. Use one of `vendors`, for example TESLA."
        errors = [{"loc": ["body", "vendor"], "msg": detail}]
        raise Problem(
            422, "invalid-request", detail, errors=errors, vendors=[candidate.vendor for candidate in vendors]
        )
    return vendor


async def list_vendors(runtime: Runtime) -> tuple[VendorHealth, ...]:
    """The vendors whose vehicles can be linked. Raises Problem 502."""
    if runtime.enode is None:
        detail = "This relay has no access to Enode. Ask its operator to configure Enode's credentials."
        raise Problem(502, "enode-unavailable", detail)
    try:
        return await runtime.vendors.get(runtime.enode)
    except EnodeError as error:
        log.warning("vendor list request failed error=%s", error)
        detail = "Enode can't be reached for the list of vendors. Try again in a few minutes."
        raise Problem(502, "enode-unavailable", detail) from None
