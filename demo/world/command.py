"""`python -m demo`: from the command line to a running world, and to its end."""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from demo.world.check.run import check
from demo.world.console import Console
from demo.world.errors import BrokenPartError, WorldError
from demo.world.hass_api import PASSWORD, USER
from demo.world.options import default_state, parse
from demo.world.ports import PREFERRED, choose_ports
from demo.world.processes import adopt_orphans
from demo.world.state import StateFolder, open_state
from demo.world.world import World, open_world, stop_leftovers

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit status."""
    options = parse(arguments)
    adopt_orphans()
    try:
        return asyncio.run(_run(options, Console(sys.stdout)))
    except WorldError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 2
    except BrokenPartError as error:
        sys.stderr.write(f"demo: {error.story()}\n")
        return 1


async def _run(options: argparse.Namespace, console: Console) -> int:
    hurry = asyncio.Event()
    came = _listen(hurry)
    try:
        async with _opened(options, console, hurry) as world:
            return await (check(world, options.screenshot) if options.check else _show(world, options.speed))
    except asyncio.CancelledError:
        if not came:
            raise
        return 128 + came[0] if options.check else 0


def _listen(hurry: asyncio.Event) -> list[signal.Signals]:
    """Let the first signal cancel what we do, and any other one hurry the end. The list gets the signals."""
    came: list[signal.Signals] = []
    task = asyncio.current_task()

    def take(signum: signal.Signals) -> None:
        came.append(signum)
        if len(came) > 1 or task is None:
            hurry.set()
        else:
            task.cancel()

    for signum in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(signum, take, signum)
    return came


@asynccontextmanager
async def _opened(options: argparse.Namespace, console: Console, hurry: asyncio.Event) -> AsyncIterator[World]:
    """The state folder, ports and the world on them."""
    path = options.state or (Path(tempfile.mkdtemp(prefix="evconduit-check-")) if options.check else default_state())
    with open_state(path, fresh=options.fresh) as state:
        if await stop_leftovers(state):
            console.say("  ! stopped what an earlier demo had left running")
        known = state.begin(fresh=options.fresh)
        if known and options.check:
            raise WorldError(f"--check starts from nothing, but {state.path} is in use: give --fresh to wipe it")
        given = {name: getattr(options, f"{name.replace('-', '_')}_port") for name in PREFERRED}
        ports = choose_ports(given, state.memory.ports)
        state.remember(ports=ports)
        console.say(f"EVConduit demo in {state.path}")
        async with open_world(state, ports, console, hurry) as world:
            yield world


async def _show(world: World, speed: float) -> int:
    """Start everything, tell where it is, and wait until it is no longer wanted."""
    began = time.monotonic()
    await world.start_cars_and_relay(speed=speed)
    await world.start_home_assistant()
    await world.set_up_integration()
    await world.furnish()
    world.console.say(_told(world, world.state, time.monotonic() - began))
    raise (await world.supervisor.first_death()).death()


def _told(world: World, state: StateFolder, seconds: float) -> str:
    return f"""
Ready after {seconds:.0f} s.

  Home Assistant   {world.home_assistant.api.url}   login: {USER} / {PASSWORD}
  The relay        {world.relay.url}/api/docs
  The cars         {world.simulator.url}/_sim/vehicles   (scripts/demo --help tells how to move them)
  Logs             {state.logs}

Ctrl-C stops everything."""
