"""`evconduit vehicle`: link and unlink cars for an account holder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.shared import RelayAccess, UserOption, print_note, run_story
from relay.kit.errors import OperatorError
from relay.kit.sanitize import sanitize_line

if TYPE_CHECKING:
    from relay.gateways.enode import EnodeClient
    from relay.settings import Settings
    from relay.usecases.linking.unlink_vehicles import UnlinkCandidate

vehicle_app = typer.Typer(help="Link and unlink cars.", no_args_is_help=True)


@vehicle_app.command("link")
def vehicle_link(
    user: UserOption = None,
    vendor: Annotated[
        str | None, typer.Option(help="Car brand, for example Tesla. Without it, the page lets the owner choose.")
    ] = None,
) -> None:
    """Print the address of a page where the account holder links a car. It works once, within 24 hours."""
    from relay.settings import load_settings
    from relay.usecases.linking.create_link_page import create_link_page
    from relay.usecases.vehicles.limit_vehicles import require_vehicle_capacity

    settings = load_settings()

    async def create_page(relay: RelayAccess) -> str:
        user_id = await relay.get_user_id(user)
        async with _open_enode(settings) as enode:
            await require_vehicle_capacity(relay.connection, user_id, settings.plans)
            vendor_id = None if vendor is None else await _get_vendor_id(enode, vendor)
            page = await create_link_page(relay.connection, user_id, vendor=vendor_id)
        return page.path

    print(settings.base_url + run_story(create_page, settings, with_timeouts=True))
    print_note("Open this page in a browser and sign in to the car's account. The car then appears in Home Assistant.")


@vehicle_app.command("unlink")
def vehicle_unlink(
    vehicle: Annotated[str, typer.Argument(help="ID of a car, from the relay or from Enode.")],
    user: UserOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Unlink. Without it, the cars are only listed.")] = False,
) -> None:
    """Unlink a car and all other cars of the same vendor account."""

    async def unlink(relay: RelayAccess) -> list[UnlinkCandidate]:
        return await _unlink_vehicles(relay, user, vehicle, yes=yes)

    for candidate in run_story(unlink, with_timeouts=True):
        print(f"{candidate.id}  {candidate.vendor}  {sanitize_line(candidate.name)}")
    print_note("Unlinked." if yes else "These cars are unlinked together. To unlink them, add --yes.")


async def _unlink_vehicles(relay: RelayAccess, user: str | None, vehicle: str, *, yes: bool) -> list[UnlinkCandidate]:
    from relay.usecases.linking.unlink_vehicles import (
        disconnect_vendor,
        list_unlink_candidates,
        mark_vehicles_deleted,
    )

    user_id = await relay.get_user_id(user)
    candidates = await list_unlink_candidates(relay.connection, user_id, vehicle)
    if yes:
        async with _open_enode(relay.settings) as enode:
            await disconnect_vendor(enode, user_id, candidates[0].vendor)
        enode_vehicle_ids = [
            enode_vehicle_id for candidate in candidates for enode_vehicle_id in candidate.enode_vehicle_ids
        ]
        vin_key, plans = relay.settings.load_secret_key(), relay.settings.plans
        async with relay.connection.transaction():
            await mark_vehicles_deleted(relay.connection, user_id, enode_vehicle_ids, vin_key=vin_key, plans=plans)
    return candidates


async def _get_vendor_id(enode: EnodeClient, name: str) -> str:
    from relay.gateways.enode.vendor_cache import VendorCache, find_vendor

    vendors = await VendorCache().get(enode)
    vendor = find_vendor(vendors, name)
    if vendor is None:
        raise OperatorError(
            f"Enode can't link cars of {name!r}: choose one of {', '.join(candidate.vendor for candidate in vendors)}"
        )
    return vendor.vendor


@asynccontextmanager
async def _open_enode(settings: Settings) -> AsyncIterator[EnodeClient]:
    """A client of Enode. An EnodeError in the block becomes one line for the operator."""
    from relay.gateways.enode import EnodeError, open_enode

    config = settings.build_enode_config()
    if config is None:
        raise OperatorError("no car can be linked: set ENODE_CLIENT_ID and ENODE_CLIENT_SECRET")
    async with open_enode(config) as enode:
        try:
            yield enode
        except EnodeError as error:
            raise OperatorError(f"the request to Enode failed: {error}") from None
