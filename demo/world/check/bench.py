"""What a row of the check works with: the world, the car under test, and a look into Home Assistant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.world.gate import Gate
from demo.world.hass_socket import HassSocket
from demo.world.registry import Device
from demo.world.watch import Watch, watching
from demo.world.world import World

# How many times faster than life. Frozen: nothing moves, so values can be compared; slow: a command's way can be
# followed; fast: the battery fills while one waits.
FROZEN, SLOW, FAST = 0.0, 20.0, 240.0


class UnprovenError(Exception):
    """A row is not proved: what was expected, and what was there instead."""


class SkippedError(Exception):
    """A row cannot be tried on this machine; says why."""


def demand(holds: object, what: str, seen: object) -> None:
    """Raise UnprovenError unless it holds."""
    if not holds:
        raise UnprovenError(f"expected {what}, saw {seen}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An open connection to Home Assistant, all its states, and the cars in it; the first one is under test."""

    socket: HassSocket
    watch: Watch
    cars: list[Device]

    @property
    def car(self) -> Device:
        """The car under test."""
        return self.cars[0]

    def state(self, key: str) -> str | None:
        """The state of one of its entities, such as `switch.charging`."""
        return self.watch.state(self.car.entities[key])

    async def until(self, key: str, wanted: str, *, within: float) -> float:
        """Wait until one of its entities has a state; the seconds it took."""
        return await self.watch.until_state(self.car.entities[key], wanted, within=within)

    async def switch(self, action: str) -> None:
        """Call `switch.turn_on` or `turn_off` on its charging switch. Raises HassRefusedError."""
        await self.socket.call(
            "call_service", domain="switch", service=action, target={"entity_id": self.car.entities["switch.charging"]}
        )


@dataclass(slots=True, kw_only=True)
class Bench:
    """The world, the gate between Home Assistant and the relay, the car under test, and where the picture goes."""

    world: World
    gate: Gate
    vehicle_id: str
    picture: Path

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Look]:
        """Look into Home Assistant."""
        async with self.world.socket() as socket, watching(socket) as watch:
            yield Look(socket=socket, watch=watch, cars=await self.world.cars(socket))

    async def do(self, **wish: Any) -> None:
        """Have the car under test do or be something."""
        await self.world.simulator.change(self.vehicle_id, **wish)

    async def activity(self) -> str:
        """What the car under test does in truth."""
        return str((await self.world.simulator.car(self.vehicle_id))["activity"])
