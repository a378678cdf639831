"""What keeps the world going: the ticking clock, the heartbeat, and the saving of its state."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from demo.enode.background import end, spawn
from demo.enode.clock import Clock
from demo.enode.deliveries import PostOffice
from demo.enode.faults import Faults
from demo.enode.fleet import pass_time
from demo.enode.problems import Json
from demo.enode.sim import Delays, Simulator
from demo.enode.store import Store
from demo.enode.tokens import Tokens
from demo.enode.truth import Truth
from demo.enode.world import World

TICK_SECONDS = 0.05
LONGEST_TICK = 1.0  # real seconds that one tick may account for; a machine that slept longer lost the rest
SAVE_EVERY = 1.0
FASTEST = 36_000.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to run. `speed` 0 stands still."""

    client_id: str
    client_secret: str = field(repr=False)
    speed: float = 60.0
    seed: int = 1
    state: Path | None = None
    sandbox: bool = False
    delays: Delays = field(default_factory=Delays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of a running simulator, as the routes see them."""

    sim: Simulator
    office: PostOffice
    tokens: Tokens
    faults: Faults
    truth: Truth


@asynccontextmanager
async def run_engine(settings: Settings, world: World) -> AsyncIterator[Engine]:
    """A world that lives as long as the context lasts."""
    clock = Clock(speed=settings.speed, seconds=world.seconds)
    store = None if settings.state is None else Store(settings.state)
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as http:
        office = PostOffice(world=world, clock=clock, delays=settings.delays, http=http)
        truth = Truth()

        def post(event: Json) -> None:
            truth.note(event)
            office.post(event)

        sim = Simulator(world=world, clock=clock, delays=settings.delays, post=post, sandbox=settings.sandbox)
        tokens = Tokens(client_id=settings.client_id, client_secret=settings.client_secret)
        office.start()
        tasks = [spawn(_tick(sim)), spawn(_beat(sim, office))]
        if store is not None:
            store.save(world)  # a file that cannot be written is told now, not when all is lost
            tasks.append(spawn(_keep_saving(store, world)))
        try:
            yield Engine(sim=sim, office=office, tokens=tokens, faults=Faults(), truth=truth)
        finally:
            for task in tasks:
                await end(task)
            await office.stop()
            if store is not None:
                store.save(world)


async def _tick(sim: Simulator) -> None:
    last = time.monotonic()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        now = time.monotonic()
        pass_time(sim, min(now - last, LONGEST_TICK) * sim.clock.speed)
        sim.clock.advance(0)  # also while time stands still: who waits may have been called for another reason
        last = now


async def _beat(sim: Simulator, office: PostOffice) -> None:
    last = time.monotonic()
    due = sim.clock.seconds + sim.delays.heartbeat
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if sim.clock.seconds >= due and time.monotonic() - last >= sim.delays.heartbeat_at_least:
            office.beat()
            last = time.monotonic()
            due = sim.clock.seconds + sim.delays.heartbeat


async def _keep_saving(store: Store, world: World) -> None:
    while True:
        await asyncio.sleep(SAVE_EVERY)
        try:
            store.save(world)
        except OSError as error:
            log.warning("the state could not be saved: %s", error.strerror)
