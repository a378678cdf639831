"""Row 7: the relay dies while a car charges, and nothing is lost."""

from demo.world.check.bench import FAST, FROZEN, Bench, Look, demand
from demo.world.check.inbox import compare_inbox, until_all_delivered
from demo.world.check.values import until_equal
from demo.world.tries import until

CHARGE_SECONDS = 15.0
RETRY_SECONDS = 15.0
RECOVER_SECONDS = 60.0


async def prove_crash(bench: Bench) -> str:
    """SIGKILL mid-charge, restart: Home Assistant catches up by itself, and the inbox has every event once."""
    world = bench.world
    async with bench.look() as look:
        await world.simulator.set_speed(FAST)
        await look.switch("turn_on")
        await look.until("sensor.charging_state", "charging", within=CHARGE_SECONDS)
        await world.relay.kill()
        await until("an event that the dead relay did not take", lambda: _is_refused(bench), within=RETRY_SECONDS)
        demand(_is_known(look), "the car's last values while the relay is away", look.state("sensor.battery_level"))
        await world.relay.start()
        caught_up = await _catch_up(bench, look)
        await until_all_delivered(bench)
        await world.simulator.set_speed(FROZEN)
        await until_all_delivered(bench)
        await until_equal(bench, look)
    return f"caught up {caught_up:.1f} s after the relay was back; {await compare_inbox(bench)}"


async def _is_refused(bench: Bench) -> bool:
    return any(it["state"] == "pending" and it["attempts"] for it in await bench.world.simulator.deliveries())


def _is_known(look: Look) -> bool:
    return look.state("sensor.battery_level") not in {None, "unavailable", "unknown"}


async def _catch_up(bench: Bench, look: Look) -> float:
    """Wait until Home Assistant shows at least the level that the car had when the relay was back."""
    level = (await bench.world.simulator.car(bench.vehicle_id))["vehicle"]["chargeState"]["batteryLevel"]
    return await look.watch.until(
        f"a level of {level} % or more",
        lambda: _is_known(look) and float(look.state("sensor.battery_level") or 0) >= level,
        within=RECOVER_SECONDS,
        seen=lambda: look.state("sensor.battery_level"),
    )
