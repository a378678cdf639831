"""The whole world: what is started in which order, and what later starts find done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from demo.world.config_flow import ensure_entry
from demo.world.console import Console
from demo.world.dashboard import make_dashboard
from demo.world.errors import BrokenPartError
from demo.world.hass_socket import HassSocket, open_socket
from demo.world.home_assistant import HomeAssistant
from demo.world.ledger import Ledger, end_processes
from demo.world.link_page import go_through
from demo.world.parts import Ground
from demo.world.postmaster import stop_postmaster
from demo.world.processes import Supervisor, end_orphans
from demo.world.registry import Device, devices
from demo.world.relay import Relay
from demo.world.simulator import Simulator
from demo.world.state import StateFolder
from demo.world.tries import until

ACCOUNTS = ("TESLA", "NISSAN")  # the second one hides much and can do little
FIRST_LOOK_SECONDS = 6.0  # simulated, from linking a car until Enode has looked at it
SETTLE_SECONDS = 30.0


class World:
    """The simulator, the relay and Home Assistant, and the steps that bring them together."""

    def __init__(self, ground: Ground, console: Console) -> None:
        self.state = ground.state
        self.supervisor = ground.supervisor
        self.console = console
        self.session = ground.session
        self.simulator = Simulator(ground)
        self.relay = Relay(ground)
        self.home_assistant = HomeAssistant(ground)

    async def start_cars_and_relay(self, *, speed: float) -> None:
        """Everything up to Home Assistant. On the first start time stands still until the cars are linked."""
        first = self.state.memory.linked != ACCOUNTS
        with self.console.step("the simulator: Enode and its cars"):
            await self.simulator.start(speed=0 if first else speed)
        with self.console.step("the relay, with its PostgreSQL"):
            await self.relay.start()
        if first:
            with self.console.step("an account and its key"):
                await self.relay.make_account()
            with self.console.step(f"cars linked on Enode's page ({', '.join(ACCOUNTS)})"):
                await self._link_cars()
            await self.simulator.set_speed(speed)

    async def _link_cars(self) -> None:
        await until("the relay's webhook subscription at Enode", self._subscribed, within=SETTLE_SECONDS)
        for vendor in ACCOUNTS:
            if vendor not in self.state.memory.linked:
                await go_through(self.session, await self.relay.link_page(vendor), hosts=2)
                self.state.remember(linked=(*self.state.memory.linked, vendor))
        await self.simulator.advance(FIRST_LOOK_SECONDS)
        await until("the relay to know all cars", self._cars_known, within=SETTLE_SECONDS)
        first_car = (await self.simulator.cars())[0]["vehicle"]["location"]
        self.state.remember(home=(first_car["latitude"], first_car["longitude"]))

    async def _subscribed(self) -> bool:
        return bool((await self.simulator.health())["webhooks"])

    async def _cars_known(self) -> bool:
        return len(await self.relay.vehicles()) == len(await self.simulator.cars())

    async def start_home_assistant(self) -> None:
        """A real Home Assistant, fully loaded."""
        with self.console.step("Home Assistant"):
            await self.home_assistant.start()
            await self.home_assistant.until_running()

    async def set_up_integration(self) -> None:
        """The config entry, made through the config flow."""
        key = self.state.memory.key
        if key is None:
            raise BrokenPartError("the demo has lost its API key; start with --fresh")
        with self.console.step("the integration, set up through its config flow"):
            hass, memory = self.home_assistant.api, self.state.memory
            await ensure_entry(hass, url=self.relay.url, key=key, known_url=memory.entry_url)
            self.state.remember(entry_url=self.relay.url)

    async def furnish(self, *, past: timedelta) -> None:
        """A dashboard with the cars, and so much of their past."""
        with self.console.step("a dashboard with the cars"):
            async with self.socket() as socket:
                await make_dashboard(socket, await self.cars(socket), past=past)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[HassSocket]:
        """A WebSocket to Home Assistant."""
        async with open_socket(self.session, self.home_assistant.api) as socket:
            yield socket

    async def cars(self, socket: HassSocket) -> list[Device]:
        """The cars as devices of Home Assistant, in the order in which they were linked."""
        order = {row["id"]: row["vehicle"]["id"] for row in await self.relay.vehicles()}
        linked = [row["vehicle"]["id"] for row in await self.simulator.cars()]
        found: list[Device] = []

        async def all_there() -> bool:
            found[:] = [it for it in await devices(socket) if it.identifier in order and it.entities]
            return len(found) == len(order)

        await until("all cars as devices in Home Assistant", all_there, within=SETTLE_SECONDS)
        return sorted(found, key=lambda device: linked.index(order[device.identifier]))


@asynccontextmanager
async def open_world(
    state: StateFolder, ports: dict[str, int], console: Console, hurry: asyncio.Event
) -> AsyncIterator[World]:
    """A world to start things in. Whatever happens, nothing of it runs when the context ends."""
    supervisor = Supervisor(ledger=Ledger(state.processes), logs=state.logs, hurry=hurry)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        world = World(Ground(state=state, supervisor=supervisor, ports=ports, session=session), console)
        try:
            yield world
        finally:
            killed = await supervisor.stop_all()
            if await world.relay.stop_database():
                killed.append("PostgreSQL")
            await end_orphans()
            if killed:
                console.say(f"  ! had to be stopped by force: {', '.join(killed)}")


async def stop_leftovers(state: StateFolder) -> bool:
    """Stop what a killed demo left running on this state folder; whether there was anything."""
    left = Ledger(state.processes).leftovers()
    await end_processes(left)
    return await stop_postmaster(state.relay) or bool(left)
