"""Starts the world for a check, runs the rows, and tells how it went."""

from pathlib import Path

from demo.world.check.bench import FAST, FROZEN, Bench
from demo.world.check.report import has_failed, run_rows, table, tails
from demo.world.screen import find_chromium, take_picture
from demo.world.world import World


async def check(world: World, picture: Path | None) -> int:
    """Prove all rows; the exit status."""
    await world.start_cars_and_relay(speed=FROZEN)
    await world.start_home_assistant()
    first_car = (await world.simulator.cars())[0]["vehicle"]["id"]
    results = await run_rows(Bench(world=world, vehicle_id=first_car), world.console)
    world.console.say(f"\n{table(results)}\n")
    if has_failed(results):
        world.console.say(f"{tails(world.state.logs)}\n\nThe state is kept in {world.state.path}.")
        return 1
    await _photograph(world, picture or world.state.path / "dashboard.png")
    return 0


async def _photograph(world: World, file: Path) -> None:
    chromium = find_chromium()
    if chromium is None:
        world.console.say("  no picture: there is no Chromium here")
        return
    await world.furnish()
    with world.console.step("a picture of the dashboard"):
        await world.simulator.set_speed(FAST)
        await take_picture(world.home_assistant.api, chromium, file)
    world.console.say(f"  picture: {file}")
