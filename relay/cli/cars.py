"""Cars: linking and unlinking them for an account holder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import typer

from relay.cli.shared import Account, account, note
from relay.gateways.enode import EnodeClient, EnodeError, open_enode
from relay.kit.database import Connection, as_relay, connect_as_relay
from relay.kit.errors import StartError
from relay.kit.lines import one_line
from relay.kit.problems import Problem
from relay.settings import Settings, load_settings
from relay.startup import ready_database
from relay.usecases.hand_out_link import hand_out_link
from relay.usecases.limit_vehicles import require_room
from relay.usecases.list_vendors import Vendors, find_vendor
from relay.usecases.unlink_vehicles import GoingCar, bury, cars_that_go, disconnect

vehicle_app = typer.Typer(help="Cars.", no_args_is_help=True)


@vehicle_app.command("link")
def vehicle_link(
    user: Account,
    vendor: Annotated[str | None, typer.Option(help="Brand, e.g. Tesla; chosen later unless given.")] = None,
) -> None:
    """Print the address of a page where this account's owner links a car. Good once, for 24 hours."""
    settings = load_settings()
    with ready_database(settings) as conninfo:
        user_id = _account(conninfo, user)
        print(asyncio.run(_link_url(settings, conninfo, user_id, vendor)))
    note("Open it in a browser and sign in to the car's account. The car appears by itself.")


@vehicle_app.command("unlink")
def vehicle_unlink(
    vehicle: Annotated[str, typer.Argument(help="Id of a car, ours or Enode's.")],
    user: Account,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Unlink; without it, only say which cars would go.")] = False,
) -> None:
    """Unlink the account at the maker behind a car, and with it all of its cars."""
    settings = load_settings()
    with ready_database(settings) as conninfo:
        user_id = _account(conninfo, user)
        cars = asyncio.run(_unlink(settings, conninfo, (user_id, vehicle), yes=yes))
    for car in cars:
        print(f"{car.id}  {car.vendor}  {one_line(car.name)}")
    note("unlinked" if yes else "these cars go together: say --yes to unlink them")


async def _link_url(settings: Settings, conninfo: str, user_id: UUID, vendor: str | None) -> str:
    async with _enode(settings) as enode, _session(conninfo) as connection:
        await require_room(connection, user_id, settings.vehicle_limits)
        wanted = None if vendor is None else await _vendor(enode, vendor)
        page = await hand_out_link(connection, user_id, vendor=wanted)
    return settings.base_url + page.path


async def _vendor(enode: EnodeClient, name: str) -> str:
    known = await Vendors().get(enode)
    found = find_vendor(known, name)
    if found is None:
        raise StartError(f"Enode links no cars of {name!r}: there are {', '.join(it.vendor for it in known)}")
    return found.vendor


async def _unlink(settings: Settings, conninfo: str, of: tuple[UUID, str], *, yes: bool) -> list[GoingCar]:
    user_id, vehicle = of
    async with _session(conninfo) as connection:
        cars = await cars_that_go(connection, user_id, vehicle)
        if yes:
            async with _enode(settings) as enode:
                await disconnect(enode, user_id, cars[0].vendor)
            ids = [it for car in cars for it in car.enode_vehicle_ids]
            async with connection.transaction():
                await bury(connection, user_id, ids, vin_key=settings.key(), limits=settings.vehicle_limits)
    return cars


def _account(conninfo: str, email_or_id: str) -> UUID:
    with as_relay(conninfo) as connection:
        return account(connection, email_or_id)


@asynccontextmanager
async def _enode(settings: Settings) -> AsyncIterator[EnodeClient]:
    config = settings.enode_config()
    if config is None:
        raise StartError("ENODE_CLIENT_ID and ENODE_CLIENT_SECRET are missing: without them no car can be linked")
    async with open_enode(config) as enode:
        try:
            yield enode
        except EnodeError as error:
            raise StartError(f"Enode did not help: {error}") from None


@asynccontextmanager
async def _session(conninfo: str) -> AsyncIterator[Connection]:
    """A connection as the relay. What it refuses is one line for the operator."""
    async with connect_as_relay(conninfo) as connection:
        try:
            yield connection
        except Problem as problem:
            raise StartError(problem.detail) from None
