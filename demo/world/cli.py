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

from demo.world.check.run import run_check
from demo.world.console import Console
from demo.world.errors import ComponentError, UserFixableError
from demo.world.hass_api import PASSWORD, USER
from demo.world.options import get_default_state_folder, parse_options
from demo.world.ports import PREFERRED_PORTS, choose_ports
from demo.world.processes import adopt_orphans
from demo.world.shutdown_signals import ShutdownSignals
from demo.world.state_folder import open_state_folder, remove_state_folder
from demo.world.world import DemoWorld, open_demo_world, stop_leftovers

SCREENSHOT = "dashboard.png"
SIMULATED_DAY = timedelta(hours=7.5)  # of a car of this world: out, back, charged


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit status."""
    options = parse_options(arguments)
    adopt_orphans()
    try:
        return (
            _run_check_in_temporary_folder(options)
            if options.check and options.state is None
            else asyncio.run(_run(options))
        )
    except UserFixableError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 2
    except ComponentError as error:
        sys.stderr.write(f"demo: {error.describe()}\n")
        return 1
    except aiohttp.ClientError as error:
        sys.stderr.write(f"demo: a part of the demo stopped answering ({error})\n")
        return 1


def _run_check_in_temporary_folder(options: argparse.Namespace) -> int:
    """A check in a state folder of its own, of which only a picture stays; all of it when the check fails."""
    options.state = Path(tempfile.mkdtemp(prefix="evconduit-check-"))
    status = 1
    try:
        status = asyncio.run(_run(options))
    finally:
        if status != 1:
            remove_state_folder(options.state, keep=SCREENSHOT)
    return status


async def _run(options: argparse.Namespace) -> int:
    console, interrupts = Console(sys.stdout), ShutdownSignals()
    interrupts.install()
    async with _open_demo(options, console, interrupts) as world:
        if options.check:
            work = run_check(world, options.screenshot or world.state.path / SCREENSHOT)
        else:
            work = world.supervisor.run_while_alive(_start_demo(world, options.speed))
        status = await interrupts.run_until_signal(work)
        if status is None:
            console.print_line("\nstopping …")
            return 128 + interrupts.received[0] if options.check else 0
        return status


@asynccontextmanager
async def _open_demo(
    options: argparse.Namespace, console: Console, interrupts: ShutdownSignals
) -> AsyncIterator[DemoWorld]:
    """The state folder, ports and the world on them."""
    with (
        open_state_folder(options.state or get_default_state_folder(), fresh=options.fresh) as state,
        ExitStack() as claims,
    ):
        if await stop_leftovers(state):
            console.print_line("  ! stopped what an earlier demo had left running")
        known = state.prepare(fresh=options.fresh)
        if known and options.check:
            raise UserFixableError(f"--check starts from nothing, but {state.path} is in use: give --fresh to wipe it")
        given = {name: getattr(options, f"{name.replace('-', '_')}_port") for name in PREFERRED_PORTS}
        ports = choose_ports(given, state.saved.ports, claims)
        state.update(ports=ports)
        console.print_line(f"EVConduit demo in {state.path}")
        async with open_demo_world(state, ports, console, interrupts.force) as world:
            yield world


async def _start_demo(world: DemoWorld, speed: float) -> int:
    """Start everything, tell where it is, and wait for ever."""
    began = time.monotonic()
    await world.start_simulator_and_relay(speed=speed)
    await world.start_home_assistant()
    await world.set_up_integration()
    await world.create_dashboard(past=SIMULATED_DAY / speed)
    link = await world.relay.create_sign_in_link()
    world.console.print_line(_render_ready_message(world, link, time.monotonic() - began))
    await asyncio.Event().wait()
    return 0


def _render_ready_message(world: DemoWorld, sign_in_link: str, seconds: float) -> str:
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
