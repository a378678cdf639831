"""`python -m demo`: from the command line to a running world, and to its end."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp

from demo.world.check.run import check
from demo.world.console import Console
from demo.world.errors import BrokenPartError, WorldError
from demo.world.hass_api import PASSWORD, USER
from demo.world.interrupts import Interrupts
from demo.world.options import default_state, parse
from demo.world.ports import PREFERRED, choose_ports
from demo.world.processes import adopt_orphans
from demo.world.state import open_state, tidy
from demo.world.world import World, open_world, stop_leftovers

PICTURE = "dashboard.png"
A_DAY = timedelta(hours=7.5)  # of a car of this world: out, back, charged


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit status."""
    options = parse(arguments)
    adopt_orphans()
    try:
        return _check_apart(options) if options.check and options.state is None else asyncio.run(_run(options))
    except WorldError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 2
    except BrokenPartError as error:
        sys.stderr.write(f"demo: {error.story()}\n")
        return 1
    except aiohttp.ClientError as error:
        sys.stderr.write(f"demo: a part of the demo stopped answering ({error})\n")
        return 1


def _check_apart(options: argparse.Namespace) -> int:
    """A check in a state folder of its own, of which only a picture stays; all of it when the check fails."""
    options.state = Path(tempfile.mkdtemp(prefix="evconduit-check-"))
    status = 1
    try:
        status = asyncio.run(_run(options))
    finally:
        if status != 1:
            tidy(options.state, keep=PICTURE)
    return status


async def _run(options: argparse.Namespace) -> int:
    console, interrupts = Console(sys.stdout), Interrupts()
    interrupts.listen()
    async with _opened(options, console, interrupts) as world:
        if options.check:
            work = check(world, options.screenshot or world.state.path / PICTURE)
        else:
            work = world.supervisor.guard(_show(world, options.speed))
        status = await interrupts.run(work)
        if status is None:
            console.say("\nstopping …")
            return 128 + interrupts.came[0] if options.check else 0
        return status


@asynccontextmanager
async def _opened(options: argparse.Namespace, console: Console, interrupts: Interrupts) -> AsyncIterator[World]:
    """The state folder, ports and the world on them."""
    with open_state(options.state or default_state(), fresh=options.fresh) as state, ExitStack() as claims:
        if await stop_leftovers(state):
            console.say("  ! stopped what an earlier demo had left running")
        known = state.begin(fresh=options.fresh)
        if known and options.check:
            raise WorldError(f"--check starts from nothing, but {state.path} is in use: give --fresh to wipe it")
        given = {name: getattr(options, f"{name.replace('-', '_')}_port") for name in PREFERRED}
        ports = choose_ports(given, state.memory.ports, claims)
        state.remember(ports=ports)
        console.say(f"EVConduit demo in {state.path}")
        async with open_world(state, ports, console, interrupts.hurry) as world:
            yield world


async def _show(world: World, speed: float) -> int:
    """Start everything, tell where it is, and wait for ever."""
    began = time.monotonic()
    await world.start_cars_and_relay(speed=speed)
    await world.start_home_assistant()
    await world.set_up_integration()
    await world.furnish(past=A_DAY / speed)
    link = await world.relay.sign_in_link()
    world.console.say(_told(world, link, time.monotonic() - began))
    await asyncio.Event().wait()
    return 0


def _told(world: World, sign_in_link: str, seconds: float) -> str:
    return f"""
Ready after {seconds:.0f} s.

  Home Assistant   {world.home_assistant.api.url}   login: {USER} / {PASSWORD}
  The relay        {sign_in_link}   (signs you in once, within 15 minutes; its API: {world.relay.url}/api/docs)
  The cars         {world.simulator.url}/_sim/vehicles   (scripts/demo --help tells how to move them)
  Logs             {world.state.logs}

To sign Home Assistant in with your account instead of a key: open the relay's link and press its button; then, in the
same browser, in Home Assistant: Settings > Devices & services > EVConduit > ⋮ of the hub > Reconfigure > Submit >
Sign in with your account.

Ctrl-C stops everything."""
