"""Check that no event is lost if the relay crashes during a charge."""

from demo.world.check.context import FAST, FROZEN, CheckContext, HomeAssistantView, expect
from demo.world.check.expected_states import wait_until_equal
from demo.world.check.inbox import compare_inbox, wait_until_all_delivered
from demo.world.polling import poll_until

CHARGE_SECONDS = 15.0
RETRY_SECONDS = 15.0
RECOVER_SECONDS = 60.0


async def check_relay_crash(context: CheckContext) -> str:
    """Kill and restart the relay: Home Assistant catches up, and the inbox has every event once."""
    world = context.world
    async with context.open_view() as view:
        await world.simulator.set_speed(FAST)
        await view.call_switch("turn_on")
        await view.wait_for_state("sensor.charging_state", "charging", within=CHARGE_SECONDS)
        await world.relay.kill()
        await poll_until(
            "a failed delivery to the killed relay", lambda: _has_failed_delivery(context), within=RETRY_SECONDS
        )
        expect(
            _has_level(view), "the car's last values while the relay is down", view.get_state("sensor.battery_level")
        )
        await world.relay.start()
        caught_up = await _wait_until_caught_up(context, view)
        await wait_until_all_delivered(context)
        await world.simulator.set_speed(FROZEN)
        await wait_until_all_delivered(context)
        await wait_until_equal(context, view)
    return f"caught up {caught_up:.1f} s after the restart; {await compare_inbox(context)}"


async def _has_failed_delivery(context: CheckContext) -> bool:
    return any(
        delivery["state"] == "pending" and delivery["attempts"]
        for delivery in await context.world.simulator.list_deliveries()
    )


def _has_level(view: HomeAssistantView) -> bool:
    return view.get_state("sensor.battery_level") not in {None, "unavailable", "unknown"}


async def _wait_until_caught_up(context: CheckContext, view: HomeAssistantView) -> float:
    """Wait until Home Assistant shows at least the level that the car has now."""
    level = (await context.world.simulator.get_vehicle(context.vehicle_id))["vehicle"]["chargeState"]["batteryLevel"]
    return await view.watcher.wait_until(
        f"a level of {level} % or more",
        lambda: _has_level(view) and float(view.get_state("sensor.battery_level") or 0) >= level,
        within=RECOVER_SECONDS,
        seen=lambda: view.get_state("sensor.battery_level"),
    )
