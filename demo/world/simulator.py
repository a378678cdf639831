"""Run the Enode simulator, with a client of its control API under /_sim/."""

import sys
from typing import Any

from aiohttp import ClientError

from demo.world.context import ROOT, DemoContext
from demo.world.errors import ComponentError
from demo.world.ports import HOST
from demo.world.processes import Program

NAME = "simulator"
START_SECONDS = 30.0
type Json = Any


class Simulator:
    """The demo's Enode simulator with its cars."""

    def __init__(self, context: DemoContext) -> None:
        self._context = context
        self.url = context.get_url(NAME)

    async def start(self, *, speed: float) -> None:
        """Start the simulator with its saved state. `speed` is the time factor; 0 stops time."""
        state = self._context.state
        program = Program(
            name=NAME,
            command=[
                *(sys.executable, "-m", "demo.enode"),
                *("--host", HOST, "--port", str(self._context.ports[NAME]), "--speed", f"{speed:g}"),
                *("--client-id", state.saved.client_id, "--client-secret", state.saved.client_secret),
                *("--state", str(state.simulator)),
            ],
            folder=ROOT,
        )
        child = await self._context.supervisor.start(program)
        await self._context.supervisor.wait_until_ready(child, self._is_up, within=START_SECONDS)

    async def _is_up(self) -> bool:
        try:
            await self.get_health()
        except ClientError:
            return False
        return True

    async def get_health(self) -> Json:
        """Return the status and the numbers of records."""
        return await self._send("GET", "health")

    async def list_vehicles(self) -> list[Json]:
        """List all linked cars: `vehicle` is Enode's object, `activity` the real one."""
        vehicles: list[Json] = await self._send("GET", "vehicles")
        return vehicles

    async def list_reported_vehicles(self) -> dict[str, Json]:
        """Return each vehicle as of its newest event. Enode polls more often than it sends events."""
        truth = await self._send("GET", "truth")
        return {key: row["states"][-1]["vehicle"] for key, row in truth["vehicles"].items() if row["states"]}

    async def get_vehicle(self, vehicle_id: str) -> Json:
        """Return one linked car."""
        return await self._send("GET", f"vehicles/{vehicle_id}")

    async def change_vehicle(self, vehicle_id: str, **changes: Any) -> Json:
        """Change a car at once and return it."""
        return await self._send("POST", f"vehicles/{vehicle_id}", changes)

    async def set_speed(self, speed: float) -> None:
        """Set the time factor."""
        await self._send("POST", "clock", {"speed": speed})

    async def advance(self, seconds: float) -> None:
        """Advance by simulated seconds at once."""
        await self._send("POST", "clock", {"advance": seconds})

    async def fail_next(self, method: str, path: str, *, status: int, problem: Json) -> None:
        """Make the next request of this route fail with a problem."""
        await self._send("POST", "faults", {"method": method, "path": path, "status": status, "problem": problem})

    async def list_deliveries(self) -> list[Json]:
        """List the deliveries to webhooks with their events and states."""
        deliveries: list[Json] = await self._send("GET", "deliveries")
        return deliveries

    async def _send(self, method: str, path: str, body: Json = None) -> Json:
        async with self._context.session.request(method, f"{self.url}/_sim/{path}", json=body) as response:
            if response.ok:
                return await response.json()
            text = await response.text()
        raise ComponentError(f"the simulator answered {response.status} to {method} /_sim/{path}: {text}")
