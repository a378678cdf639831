"""A user wants to link a car: the makers there are, room for another car, and a page to send the person to."""

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

router = APIRouter(prefix="/api/user", tags=["Linking"])


class LinkRequest(BaseModel):
    """What to link. Without a vendor the person chooses one on Enode's page."""

    vendor: Annotated[str | None, Field(max_length=100)] = None


class LinkRecord(TypedDict):
    """A page to open in a browser, good once; whoever has the address can use it. `link_id` tells how it went.

    `linkUrl` and `linkToken` are the same two in the classic words.
    """

    url: str
    expires_at: str
    link_id: str
    vendor: str | None
    linkUrl: str
    linkToken: str


@router.post("/link-vehicle", response_model=None, responses={200: {"model": LinkRecord}})
async def post_link_vehicle(
    runtime: RuntimeDependency, authorization: CredentialDependency, body: LinkRequest | None = None
) -> LinkRecord:
    """A page on which a car is linked to this account. Costs nothing. 403 when the plan has no room for another car."""
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
    """The vendor that is meant. Raises Problem 422 when Enode has none of this name, with the list; 502 without one."""
    vendors = await list_vendors(runtime)
    found = find_vendor(vendors, name)
    if found is None:
        words = "Enode links no cars of this maker; `vendors` has those it does."
        errors = [{"loc": ["body", "vendor"], "msg": words}]
        raise Problem(422, "invalid-request", words, errors=errors, vendors=[it.vendor for it in vendors])
    return found


async def list_vendors(runtime: Runtime) -> tuple[VendorHealth, ...]:
    """The vendors whose cars can be linked. Raises Problem 502."""
    if runtime.enode is None:
        raise Problem(502, "enode-unavailable", "This relay has no way to Enode.")
    try:
        return await runtime.vendors.get(runtime.enode)
    except EnodeError as error:
        log.warning("the list of vendors was not told: %s", error)
        raise Problem(
            502, "enode-unavailable", "Enode did not tell whose cars can be linked. Try again soon."
        ) from None
