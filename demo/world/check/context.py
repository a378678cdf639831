"""What a row of the check works with: the world, the car under test, and a look into Home Assistant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.world.device_registry import Device
from demo.world.hass_socket import HassSocket
from demo.world.state_watcher import StateWatcher, watch_states
from demo.world.stream_blocking_proxy import StreamBlockingProxy
from demo.world.world import DemoWorld

# How many times faster than life. Frozen: nothing moves, so values can be compared; slow: a command's way can be
# followed; fast: the battery fills while one waits.
FROZEN, SLOW, FAST = 0.0, 20.0, 240.0


class CheckFailedError(Exception):
    """A row is not proved: what was expected, and what was there instead."""


class CheckSkippedError(Exception):
    """A row cannot be tried on this machine; says why."""


def expect(holds: object, what: str, seen: object) -> None:
    """Raise UnprovenError unless it holds."""
    if not holds:
        raise CheckFailedError(f"expected {what}, saw {seen}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantView:
    """An open connection to Home Assistant, all its states, and the cars in it; the first one is under test."""

    socket: HassSocket
    watcher: StateWatcher
    devices: list[Device]

    @property
    def device(self) -> Device:
        """The car under test."""
        return self.devices[0]

    def get_state(self, key: str) -> str | None:
        """The state of one of its entities, such as `switch.charging`."""
        return self.watcher.get_state(self.device.entities[key])

    async def wait_for_state(self, key: str, wanted: str, *, within: float) -> float:
        """Wait until one of its entities has a state; the seconds it took."""
        return await self.watcher.wait_for_state(self.device.entities[key], wanted, within=within)

    async def call_switch(self, action: str) -> None:
        """Call `switch.turn_on` or `turn_off` on its charging switch. Raises HassRefusedError."""
        await self.socket.call(
            "call_service",
            domain="switch",
            service=action,
            target={"entity_id": self.device.entities["switch.charging"]},
        )


@dataclass(slots=True, kw_only=True)
class CheckContext:
    """The world, the gate between Home Assistant and the relay, the car under test, and where the picture goes."""

    world: DemoWorld
    proxy: StreamBlockingProxy
    vehicle_id: str
    screenshot: Path

    @asynccontextmanager
    async def open_view(self) -> AsyncIterator[HomeAssistantView]:
        """Look into Home Assistant."""
        async with self.world.open_socket() as socket, watch_states(socket) as watch:
            yield HomeAssistantView(socket=socket, watcher=watch, devices=await self.world.list_devices(socket))

    async def change_vehicle(self, **wish: Any) -> None:
        """Have the car under test do or be something."""
        await self.world.simulator.change_vehicle(self.vehicle_id, **wish)

    async def get_activity(self) -> str:
        """What the car under test does in truth."""
        return str((await self.world.simulator.get_vehicle(self.vehicle_id))["activity"])
