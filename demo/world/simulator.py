"""The Enode simulator: started, and its control surface under /_sim/."""

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
    """The demo's double of Enode and of the cars."""

    def __init__(self, ground: DemoContext) -> None:
        self._ground = ground
        self.url = ground.get_url(NAME)

    async def start(self, *, speed: float) -> None:
        """Start it; cars go on where they were. Time passes `speed` times as fast as in life, 0 stands still."""
        state = self._ground.state
        program = Program(
            name=NAME,
            command=[
                *(sys.executable, "-m", "demo.enode"),
                *("--host", HOST, "--port", str(self._ground.ports[NAME]), "--speed", f"{speed:g}"),
                *("--client-id", state.saved.client_id, "--client-secret", state.saved.client_secret),
                *("--state", str(state.simulator)),
            ],
            folder=ROOT,
        )
        child = await self._ground.supervisor.start(program)
        await self._ground.supervisor.wait_until_ready(child, self._is_up, within=START_SECONDS)

    async def _is_up(self) -> bool:
        try:
            await self.get_health()
        except ClientError:
            return False
        return True

    async def get_health(self) -> Json:
        """Counts of what there is."""
        return await self._send("GET", "health")

    async def list_vehicles(self) -> list[Json]:
        """Every linked car: `vehicle` as Enode shows it, `activity` as it is."""
        found: list[Json] = await self._send("GET", "vehicles")
        return found

    async def list_reported_vehicles(self) -> dict[str, Json]:
        """Each vehicle as the newest of its events shows it. Enode looks more often than it has news."""
        truth = await self._send("GET", "truth")
        return {key: row["states"][-1]["vehicle"] for key, row in truth["vehicles"].items() if row["states"]}

    async def get_vehicle(self, vehicle_id: str) -> Json:
        """One of them."""
        return await self._send("GET", f"vehicles/{vehicle_id}")

    async def change_vehicle(self, vehicle_id: str, **wish: Any) -> Json:
        """Have a car do or be something at once; the car afterwards."""
        return await self._send("POST", f"vehicles/{vehicle_id}", wish)

    async def set_speed(self, speed: float) -> None:
        """Let time pass so many times as fast as in life."""
        await self._send("POST", "clock", {"speed": speed})

    async def advance(self, seconds: float) -> None:
        """Let so many simulated seconds pass now."""
        await self._send("POST", "clock", {"advance": seconds})

    async def fail_next(self, method: str, path: str, *, status: int, problem: Json) -> None:
        """Have the next call of this route answered with a problem."""
        await self._send("POST", "faults", {"method": method, "path": path, "status": status, "problem": problem})

    async def list_deliveries(self) -> list[Json]:
        """What was sent to webhooks, with its events and how it went."""
        found: list[Json] = await self._send("GET", "deliveries")
        return found

    async def _send(self, method: str, path: str, body: Json = None) -> Json:
        async with self._ground.session.request(method, f"{self.url}/_sim/{path}", json=body) as response:
            if response.ok:
                return await response.json()
            told = await response.text()
        raise ComponentError(f"the simulator answered {response.status} to {method} /_sim/{path}: {told}")
