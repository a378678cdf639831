"""Start the world, run the checks and print the results."""

import time
from pathlib import Path

from demo.world.check.context import FROZEN, CheckContext
from demo.world.check.report import has_failed, render_log_tails, render_table, run_checks
from demo.world.stream_blocking_proxy import run_proxy
from demo.world.world import DemoWorld


async def run_check(world: DemoWorld, screenshot: Path) -> int:
    """Run all checks and return the exit status."""
    began = time.monotonic()
    await world.supervisor.run_while_alive(_start(world))
    first_car = (await world.simulator.list_vehicles())[0]["vehicle"]["id"]
    async with run_proxy(world.relay.port) as proxy:
        results = await run_checks(
            CheckContext(world=world, proxy=proxy, vehicle_id=first_car, screenshot=screenshot), world.console
        )
    world.console.print_line(f"\n{render_table(results)}\n")
    if has_failed(results):
        world.console.print_line(f"{render_log_tails(world.state.logs)}\n\nThe state folder is {world.state.path}.")
        return 1
    world.console.print_line(f"All checks passed in {time.monotonic() - began:.0f} s, including the start.")
    return 0


async def _start(world: DemoWorld) -> None:
    await world.start_simulator_and_relay(speed=FROZEN)
    # At these speeds, a car that drives empties its battery faster than any car can, and the relay holds its level.
    for car in await world.simulator.list_vehicles():
        await world.simulator.change_vehicle(car["vehicle"]["id"], activity="park")
    await world.start_home_assistant()
