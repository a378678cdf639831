"""`python -m demo`: run the demo or its check from the command line."""

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
from demo.world.relay import create_sign_in_link, get_login_command
from demo.world.shutdown_signals import ShutdownSignals
from demo.world.state_folder import open_state_folder, remove_state_folder
from demo.world.world import DemoWorld, open_demo_world, stop_leftovers

SCREENSHOT = "dashboard.png"
SIMULATED_DAY = timedelta(hours=7.5)  # one daily routine of a simulated car


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return the exit status."""
    options = parse_options(arguments)
    adopt_orphans()
    try:
        if options.command == "login":
            link, note = create_sign_in_link(options.state or get_default_state_folder())
            sys.stdout.write(link + "\n")
            sys.stderr.write(note + "\n")
            return 0
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
    """Run a check in a new state folder. Keep only its screenshot, or the whole folder if the check fails."""
    options.state = Path(tempfile.mkdtemp(prefix="evconduit-check-"))
    status = 1
    try:
        status = asyncio.run(_run(options))
    finally:
        if status != 1:
            remove_state_folder(options.state, keep=SCREENSHOT)
    return status


async def _run(options: argparse.Namespace) -> int:
    console, signals = Console(sys.stdout), ShutdownSignals()
    signals.install()
    async with _open_demo(options, console, signals) as world:
        if options.check:
            work = run_check(world, options.screenshot or world.state.path / SCREENSHOT)
        else:
            work = world.supervisor.run_while_alive(_start_demo(world, options.speed))
        status = await signals.run_until_signal(work)
        if status is None:
            console.print_line("\nStopping …")
            return 128 + signals.received[0] if options.check else 0
        return status


@asynccontextmanager
async def _open_demo(
    options: argparse.Namespace, console: Console, signals: ShutdownSignals
) -> AsyncIterator[DemoWorld]:
    """Open the state folder, claim ports and create the world."""
    with (
        open_state_folder(options.state or get_default_state_folder(), fresh=options.fresh) as state,
        ExitStack() as claims,
    ):
        if await stop_leftovers(state):
            console.print_line("  ! stopped processes that an earlier demo left running")
        has_state = state.prepare(fresh=options.fresh)
        if has_state and options.check:
            raise UserFixableError(
                f"--check needs an empty state folder, but {state.path} is in use: add --fresh to wipe it"
            )
        requested = {name: getattr(options, f"{name.replace('-', '_')}_port") for name in PREFERRED_PORTS}
        ports = choose_ports(requested, state.saved.ports, claims)
        state.update(ports=ports)
        console.print_line(f"EVConduit demo, state folder {state.path}")
        async with open_demo_world(state, ports, console, signals.force) as world:
            yield world


async def _start_demo(world: DemoWorld, speed: float) -> int:
    """Start everything, print the addresses, and wait until cancelled."""
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
  Relay            {sign_in_link}   (API: {world.relay.url}/api/docs)
                   This link works once, within 15 minutes. For another one: {get_login_command(world.state.path)}
  Cars             {world.simulator.url}/_sim/vehicles   (see scripts/demo --help for how to control them)
  Logs             {world.state.logs}

To connect Home Assistant with your account instead of a key, open the relay's link and select its button.
Then, in the same browser, in Home Assistant: Settings > Devices & services > EVConduit > ⋮ of the hub >
Reconfigure > Submit > Sign in with your account.

Press Ctrl-C to stop everything."""
