"""Cars: linking and unlinking them for an account holder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import typer

from relay.cli.shared import UserOption, get_user_id, print_note
from relay.gateways.enode import EnodeClient, EnodeError, open_enode
from relay.gateways.enode.vendor_cache import VendorCache, find_vendor
from relay.kit.database import Connection, connect_as_relay, connect_as_relay_sync
from relay.kit.errors import OperatorError
from relay.kit.problems import Problem
from relay.kit.sanitize import sanitize_line
from relay.settings import Settings, load_settings
from relay.startup import prepare_database
from relay.usecases.linking.create_link_page import create_link_page
from relay.usecases.linking.unlink_vehicles import (
    UnlinkCandidate,
    disconnect_vendor,
    list_unlink_candidates,
    mark_vehicles_deleted,
)
from relay.usecases.vehicles.limit_vehicles import require_vehicle_capacity

vehicle_app = typer.Typer(help="Cars.", no_args_is_help=True)


@vehicle_app.command("link")
def vehicle_link(
    user: UserOption,
    vendor: Annotated[str | None, typer.Option(help="Brand, e.g. Tesla; chosen later unless given.")] = None,
) -> None:
    """Print the address of a page where this account's owner links a car. Good once, for 24 hours."""
    settings = load_settings()
    with prepare_database(settings) as conninfo:
        user_id = _get_user_id(conninfo, user)
        print(asyncio.run(_create_link_url(settings, conninfo, user_id, vendor)))
    print_note("Open it in a browser and sign in to the car's account. The car appears by itself.")


@vehicle_app.command("unlink")
def vehicle_unlink(
    vehicle: Annotated[str, typer.Argument(help="Id of a car, ours or Enode's.")],
    user: UserOption,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Unlink; without it, only say which cars would go.")] = False,
) -> None:
    """Unlink the account at the maker behind a car, and with it all of its cars."""
    settings = load_settings()
    with prepare_database(settings) as conninfo:
        user_id = _get_user_id(conninfo, user)
        cars = asyncio.run(_unlink_vehicles(settings, conninfo, (user_id, vehicle), yes=yes))
    for car in cars:
        print(f"{car.id}  {car.vendor}  {sanitize_line(car.name)}")
    print_note("unlinked" if yes else "these cars go together: say --yes to unlink them")


async def _create_link_url(settings: Settings, conninfo: str, user_id: UUID, vendor: str | None) -> str:
    async with _open_enode(settings) as enode, _open_async_connection(conninfo) as connection:
        await require_vehicle_capacity(connection, user_id, settings.plans)
        wanted = None if vendor is None else await _get_vendor_id(enode, vendor)
        page = await create_link_page(connection, user_id, vendor=wanted)
    return settings.base_url + page.path


async def _get_vendor_id(enode: EnodeClient, name: str) -> str:
    known = await VendorCache().get(enode)
    found = find_vendor(known, name)
    if found is None:
        raise OperatorError(f"Enode links no cars of {name!r}: there are {', '.join(it.vendor for it in known)}")
    return found.vendor


async def _unlink_vehicles(
    settings: Settings, conninfo: str, selection: tuple[UUID, str], *, yes: bool
) -> list[UnlinkCandidate]:
    user_id, vehicle = selection
    async with _open_async_connection(conninfo) as connection:
        cars = await list_unlink_candidates(connection, user_id, vehicle)
        if yes:
            async with _open_enode(settings) as enode:
                await disconnect_vendor(enode, user_id, cars[0].vendor)
            ids = [it for car in cars for it in car.enode_vehicle_ids]
            async with connection.transaction():
                await mark_vehicles_deleted(
                    connection, user_id, ids, vin_key=settings.load_secret_key(), plans=settings.plans
                )
    return cars


def _get_user_id(conninfo: str, email_or_id: str) -> UUID:
    with connect_as_relay_sync(conninfo) as connection:
        return get_user_id(connection, email_or_id)


@asynccontextmanager
async def _open_enode(settings: Settings) -> AsyncIterator[EnodeClient]:
    config = settings.build_enode_config()
    if config is None:
        raise OperatorError("ENODE_CLIENT_ID and ENODE_CLIENT_SECRET are missing: without them no car can be linked")
    async with open_enode(config) as enode:
        try:
            yield enode
        except EnodeError as error:
            raise OperatorError(f"Enode did not help: {error}") from None


@asynccontextmanager
async def _open_async_connection(conninfo: str) -> AsyncIterator[Connection]:
    """A connection as the relay. What it refuses is one line for the operator."""
    async with connect_as_relay(conninfo) as connection:
        try:
            yield connection
        except Problem as problem:
            raise OperatorError(problem.detail) from None
