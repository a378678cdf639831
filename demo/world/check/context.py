"""Context of the checks: the world, the car under test, and a view of Home Assistant."""

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

# Time factors. Frozen: values don't change and can be compared; slow: the steps of a command are observable; fast: the
# battery charges a percent in seconds, with less than the 1,100 kW above which the relay shows no power.
FROZEN, SLOW, FAST = 0.0, 20.0, 80.0


class CheckFailedError(Exception):
    """A check failed. The message says what was expected and what was seen."""


class CheckSkippedError(Exception):
    """A check can't run on this machine. The message says why."""


def expect(holds: object, what: str, seen: object) -> None:
    """Raise CheckFailedError unless `holds` is true."""
    if not holds:
        raise CheckFailedError(f"expected {what}, saw {seen}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantView:
    """A connection to Home Assistant with all its states and the cars' devices."""

    socket: HassSocket
    watcher: StateWatcher
    devices: list[Device]

    @property
    def device(self) -> Device:
        """The device of the car under test: the first one."""
        return self.devices[0]

    def get_state(self, key: str) -> str | None:
        """Return the state of an entity of the device, such as `switch.charging`."""
        return self.watcher.get_state(self.device.entities[key])

    async def wait_for_state(self, key: str, wanted: str, *, within: float) -> float:
        """Wait until an entity of the device has a state. Returns the seconds it took."""
        return await self.watcher.wait_for_state(self.device.entities[key], wanted, within=within)

    async def call_switch(self, action: str) -> None:
        """Call `switch.turn_on` or `turn_off` for the charging switch. Raises HassRefusedError."""
        await self.socket.call(
            "call_service",
            domain="switch",
            service=action,
            target={"entity_id": self.device.entities["switch.charging"]},
        )


@dataclass(slots=True, kw_only=True)
class CheckContext:
    """The world, the proxy between Home Assistant and the relay, the car under test, and the screenshot's path."""

    world: DemoWorld
    proxy: StreamBlockingProxy
    vehicle_id: str
    screenshot: Path

    @asynccontextmanager
    async def open_view(self) -> AsyncIterator[HomeAssistantView]:
        """Open a view of Home Assistant."""
        async with self.world.open_socket() as socket, watch_states(socket) as watcher:
            yield HomeAssistantView(socket=socket, watcher=watcher, devices=await self.world.list_devices(socket))

    async def change_vehicle(self, **changes: Any) -> None:
        """Change the car under test."""
        await self.world.simulator.change_vehicle(self.vehicle_id, **changes)

    async def get_activity(self) -> str:
        """Return what the car under test really does."""
        return str((await self.world.simulator.get_vehicle(self.vehicle_id))["activity"])
