"""A simulated vehicle that is linked to an account, and a client of the relay routes that concern it."""

import asyncio

import httpx
from fastapi import FastAPI
from psycopg.types.json import Jsonb

from relay.kit import problem_responses
from relay.usecases.account import set_language
from relay.usecases.classic import account_and_vehicles, charging_commands
from relay.usecases.commands import command_routes
from relay.usecases.feed import account_and_vehicles as feed_account_and_vehicles
from relay.usecases.linking import relink_vehicle
from relay.usecases.smart_charging import smart_charging_routes
from relay.usecases.vehicles import identify_vehicle, refresh_vehicle

ROUTERS = (
    account_and_vehicles,
    feed_account_and_vehicles,
    set_language,
    charging_commands,
    command_routes,
    identify_vehicle,
    refresh_vehicle,
    relink_vehicle,
    smart_charging_routes,
)


def create_api_client(runtime, account):
    """A client of the v2 API that authenticates with the account's key."""
    app = FastAPI()
    app.state.runtime = runtime
    for module in ROUTERS:
        app.include_router(module.router)
    problem_responses.install_handlers(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(
        transport=transport, base_url="http://relay/api/ha/v2", headers={"Authorization": account.header}
    )


class SimulatedVehicle:
    """The account's vehicle, which is one of the simulator's. `path` is its path in the v2 API."""

    def __init__(self, pool, simulator, enode, account):
        self.pool, self.simulator, self.enode, self.account = pool, simulator, enode, account
        self.path = f"/vehicles/{account.vehicle_id}"

    async def sync(self):
        """Store Enode's current state as the relay's."""
        reading = await self.enode.vehicles.get(self.account.enode_id)
        await self.execute("update vehicles set vehicle_cache = %s", Jsonb(dict(reading.vehicle)))

    async def change(self, **changes):
        """Change the vehicle in the simulator and sync."""
        await asyncio.to_thread(self.simulator.change_car, self.account.enode_id, **changes)
        await self.sync()

    async def advance_time(self, seconds):
        await asyncio.to_thread(self.simulator.advance_time, seconds)

    async def execute(self, statement, *values):
        """Run a statement; its rows, if any, as tuples."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def get_used_calls(self):
        return sum(row[0] for row in await self.execute("select used from usage_months"))

    async def set_commands_paused(self, value):
        await self.execute(
            "insert into settings (key, value) values ('commands_paused', %s)"
            " on conflict (key) do update set value = excluded.value",
            Jsonb(value),
        )
