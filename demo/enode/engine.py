"""Background jobs of the simulator: clock, heartbeat and saving the state file."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from demo.enode.access_tokens import AccessTokens
from demo.enode.api_faults import ApiFaults
from demo.enode.background_tasks import cancel_task, start_task
from demo.enode.clock import Clock
from demo.enode.deliveries import WebhookDispatcher
from demo.enode.ground_truth import GroundTruth
from demo.enode.problems import Json
from demo.enode.simulator import Delays, Simulator
from demo.enode.state_file import StateFile
from demo.enode.time_steps import advance_time
from demo.enode.world import World

TICK_SECONDS = 0.05
MAX_TICK_SECONDS = 1.0  # real seconds; after a longer sleep of the machine the rest is dropped
SAVE_INTERVAL_SECONDS = 1.0
MAX_SPEED = 36_000.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one run. `speed` 0 stops time."""

    client_id: str
    client_secret: str = field(repr=False)
    speed: float = 60.0
    seed: int = 1
    state_file: Path | None = None
    sandbox: bool = False
    delays: Delays = field(default_factory=Delays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of a running simulator that routes use."""

    sim: Simulator
    webhooks: WebhookDispatcher
    tokens: AccessTokens
    api_faults: ApiFaults
    ground_truth: GroundTruth


@asynccontextmanager
async def run_engine(settings: Settings, world: World) -> AsyncIterator[Engine]:
    """Run `world` until the context ends."""
    clock = Clock(speed=settings.speed, seconds=world.seconds)
    store = None if settings.state_file is None else StateFile(settings.state_file)
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as http:
        dispatcher = WebhookDispatcher(world=world, clock=clock, delays=settings.delays, http=http)
        ground_truth = GroundTruth()

        def post(event: Json) -> None:
            ground_truth.record(event)
            dispatcher.publish(event)

        sim = Simulator(world=world, clock=clock, delays=settings.delays, publish=post, sandbox=settings.sandbox)
        tokens = AccessTokens(client_id=settings.client_id, client_secret=settings.client_secret)
        dispatcher.start()
        tasks = [start_task(_run_clock_loop(sim)), start_task(_run_heartbeat_loop(sim, dispatcher))]
        if store is not None:
            store.save(world)  # fail now if the file can't be written, not at shutdown
            tasks.append(start_task(_run_saving_loop(store, world)))
        try:
            yield Engine(sim=sim, webhooks=dispatcher, tokens=tokens, api_faults=ApiFaults(), ground_truth=ground_truth)
        finally:
            for task in tasks:
                await cancel_task(task)
            await dispatcher.stop()
            if store is not None:
                store.save(world)


async def _run_clock_loop(sim: Simulator) -> None:
    last = time.monotonic()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        now = time.monotonic()
        advance_time(sim, min(now - last, MAX_TICK_SECONDS) * sim.clock.speed)
        sim.clock.advance(0)  # at speed 0, too: waiters also wait for their event
        last = now


async def _run_heartbeat_loop(sim: Simulator, dispatcher: WebhookDispatcher) -> None:
    last = time.monotonic()
    due = sim.clock.seconds + sim.delays.heartbeat
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if sim.clock.seconds >= due and time.monotonic() - last >= sim.delays.min_heartbeat_interval:
            dispatcher.publish_heartbeat()
            last = time.monotonic()
            due = sim.clock.seconds + sim.delays.heartbeat


async def _run_saving_loop(store: StateFile, world: World) -> None:
    while True:
        await asyncio.sleep(SAVE_INTERVAL_SECONDS)
        try:
            store.save(world)
        except OSError as error:
            log.warning("state file not saved error=%s", error.strerror)
