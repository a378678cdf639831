"""Row 7: the relay dies while a car charges, and nothing is lost."""

from demo.world.check.context import FAST, FROZEN, CheckContext, HomeAssistantView, expect
from demo.world.check.expected_states import wait_until_equal
from demo.world.check.inbox import compare_inbox, wait_until_all_delivered
from demo.world.polling import poll_until

CHARGE_SECONDS = 15.0
RETRY_SECONDS = 15.0
RECOVER_SECONDS = 60.0


async def check_relay_crash(bench: CheckContext) -> str:
    """SIGKILL mid-charge, restart: Home Assistant catches up by itself, and the inbox has every event once."""
    world = bench.world
    async with bench.open_view() as look:
        await world.simulator.set_speed(FAST)
        await look.call_switch("turn_on")
        await look.wait_for_state("sensor.charging_state", "charging", within=CHARGE_SECONDS)
        await world.relay.kill()
        await poll_until(
            "an event that the dead relay did not take", lambda: _has_failed_delivery(bench), within=RETRY_SECONDS
        )
        expect(
            _has_level(look), "the car's last values while the relay is away", look.get_state("sensor.battery_level")
        )
        await world.relay.start()
        caught_up = await _wait_until_caught_up(bench, look)
        await wait_until_all_delivered(bench)
        await world.simulator.set_speed(FROZEN)
        await wait_until_all_delivered(bench)
        await wait_until_equal(bench, look)
    return f"caught up {caught_up:.1f} s after the relay was back; {await compare_inbox(bench)}"


async def _has_failed_delivery(bench: CheckContext) -> bool:
    return any(it["state"] == "pending" and it["attempts"] for it in await bench.world.simulator.list_deliveries())


def _has_level(look: HomeAssistantView) -> bool:
    return look.get_state("sensor.battery_level") not in {None, "unavailable", "unknown"}


async def _wait_until_caught_up(bench: CheckContext, look: HomeAssistantView) -> float:
    """Wait until Home Assistant shows at least the level that the car had when the relay was back."""
    level = (await bench.world.simulator.get_vehicle(bench.vehicle_id))["vehicle"]["chargeState"]["batteryLevel"]
    return await look.watcher.wait_until(
        f"a level of {level} % or more",
        lambda: _has_level(look) and float(look.get_state("sensor.battery_level") or 0) >= level,
        within=RECOVER_SECONDS,
        seen=lambda: look.get_state("sensor.battery_level"),
    )
