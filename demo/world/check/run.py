"""Starts the world for a check, runs the rows, and tells how it went."""

import time
from pathlib import Path

from demo.world.check.bench import FROZEN, Bench
from demo.world.check.report import has_failed, run_rows, table, tails
from demo.world.gate import open_gate
from demo.world.world import World


async def check(world: World, picture: Path) -> int:
    """Prove all rows; the exit status."""
    began = time.monotonic()
    await world.supervisor.guard(_start(world))
    first_car = (await world.simulator.cars())[0]["vehicle"]["id"]
    async with open_gate(world.relay.port) as gate:
        results = await run_rows(Bench(world=world, gate=gate, vehicle_id=first_car, picture=picture), world.console)
    world.console.say(f"\n{table(results)}\n")
    if has_failed(results):
        world.console.say(f"{tails(world.state.logs)}\n\nThe state is kept in {world.state.path}.")
        return 1
    world.console.say(f"All rows hold; {time.monotonic() - began:.0f} s with the start of everything.")
    return 0


async def _start(world: World) -> None:
    await world.start_cars_and_relay(speed=FROZEN)
    await world.start_home_assistant()
