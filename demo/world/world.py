"""Start and connect the components of the demo. Later starts skip what is already done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from demo.world.config_flow import ensure_entry
from demo.world.console import Console
from demo.world.context import DemoContext
from demo.world.dashboard import create_dashboard
from demo.world.device_registry import Device, list_devices
from demo.world.errors import ComponentError
from demo.world.hass_socket import HassSocket, open_socket
from demo.world.home_assistant import HomeAssistant
from demo.world.link_pages import complete_link_pages
from demo.world.orphaned_postgres import stop_orphaned_postgres
from demo.world.pid_file import PidFile, terminate_processes
from demo.world.polling import poll_until
from demo.world.processes import Supervisor, kill_orphans
from demo.world.relay import Relay
from demo.world.simulator import Simulator
from demo.world.state_folder import StateFolder

LINKED_VENDORS = ("TESLA", "NISSAN")  # NISSAN reports few values and supports no commands
FIRST_POLL_SECONDS = 6.0  # simulated, from linking a car until Enode has polled it
READY_SECONDS = 30.0


class DemoWorld:
    """The simulator, the relay and Home Assistant, with the steps to set them up."""

    def __init__(self, context: DemoContext, console: Console) -> None:
        self.state = context.state
        self.supervisor = context.supervisor
        self.console = console
        self.session = context.session
        self.simulator = Simulator(context)
        self.relay = Relay(context)
        self.home_assistant = HomeAssistant(context)

    async def start_simulator_and_relay(self, *, speed: float) -> None:
        """Start the simulator and the relay. On the first start, time stops until the cars are linked."""
        is_first_start = self.state.saved.linked != LINKED_VENDORS
        with self.console.step("Enode simulator"):
            await self.simulator.start(speed=0 if is_first_start else speed)
        with self.console.step("relay with PostgreSQL"):
            await self.relay.start()
        if is_first_start:
            with self.console.step("account and API key"):
                await self.relay.create_account()
            with self.console.step(f"link cars on Enode's page ({', '.join(LINKED_VENDORS)})"):
                await self._link_cars()
            await self.simulator.set_speed(speed)

    async def _link_cars(self) -> None:
        await poll_until(
            "the relay's webhook subscription at Enode", self._has_webhook_subscription, within=READY_SECONDS
        )
        for vendor in LINKED_VENDORS:
            if vendor not in self.state.saved.linked:
                await complete_link_pages(self.session, await self.relay.create_link_page(vendor), hosts=2)
                self.state.update(linked=(*self.state.saved.linked, vendor))
        await self.simulator.advance(FIRST_POLL_SECONDS)
        await poll_until("the relay to list all cars", self._has_all_vehicles, within=READY_SECONDS)
        first_car = (await self.simulator.list_vehicles())[0]["vehicle"]["location"]
        self.state.update(home=(first_car["latitude"], first_car["longitude"]))

    async def _has_webhook_subscription(self) -> bool:
        return bool((await self.simulator.get_health())["webhooks"])

    async def _has_all_vehicles(self) -> bool:
        return len(await self.relay.list_vehicles()) == len(await self.simulator.list_vehicles())

    async def start_home_assistant(self) -> None:
        """Start Home Assistant and wait until it is loaded."""
        with self.console.step("Home Assistant"):
            await self.home_assistant.start()
            await self.home_assistant.wait_until_running()

    async def set_up_integration(self) -> None:
        """Create the config entry through the config flow."""
        key = self.state.saved.key
        if key is None:
            raise ComponentError("the state folder has no API key; start with --fresh")
        with self.console.step("set up the integration"):
            hass, saved = self.home_assistant.api, self.state.saved
            await ensure_entry(hass, url=self.relay.url, key=key, configured_url=saved.entry_url)
            self.state.update(entry_url=self.relay.url)

    async def create_dashboard(self, *, past: timedelta) -> None:
        """Create a dashboard with the cars, which shows the time span `past`."""
        with self.console.step("dashboard"):
            async with self.open_socket() as socket:
                await create_dashboard(socket, await self.list_devices(socket), past=past)

    @asynccontextmanager
    async def open_socket(self) -> AsyncIterator[HassSocket]:
        """Open a WebSocket to Home Assistant."""
        async with open_socket(self.session, self.home_assistant.api) as socket:
            yield socket

    async def list_devices(self, socket: HassSocket) -> list[Device]:
        """List the cars' devices in Home Assistant, in the order in which they were linked."""
        order = {row["id"]: row["vehicle"]["id"] for row in await self.relay.list_vehicles()}
        linked = [row["vehicle"]["id"] for row in await self.simulator.list_vehicles()]
        devices: list[Device] = []

        async def has_all_devices() -> bool:
            devices[:] = [
                device for device in await list_devices(socket) if device.identifier in order and device.entities
            ]
            return len(devices) == len(order)

        await poll_until("all cars as devices in Home Assistant", has_all_devices, within=READY_SECONDS)
        return sorted(devices, key=lambda device: linked.index(order[device.identifier]))


@asynccontextmanager
async def open_demo_world(
    state: StateFolder, ports: dict[str, int], console: Console, force: asyncio.Event
) -> AsyncIterator[DemoWorld]:
    """Open a world to start components in. All of them are stopped when the context ends."""
    supervisor = Supervisor(pid_file=PidFile(state.processes), logs=state.logs, force=force)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        world = DemoWorld(DemoContext(state=state, supervisor=supervisor, ports=ports, session=session), console)
        try:
            yield world
        finally:
            killed = await supervisor.stop_all()
            if await world.relay.stop_database():
                killed.append("PostgreSQL")
            await kill_orphans()
            if killed:
                console.print_line(f"  ! killed because they did not stop: {', '.join(killed)}")


async def stop_leftovers(state: StateFolder) -> bool:
    """Stop processes that a killed demo left running on this state folder. Returns whether there were any."""
    leftovers = PidFile(state.processes).find_leftovers()
    await terminate_processes(leftovers)
    return await stop_orphaned_postgres(state.relay) or bool(leftovers)
