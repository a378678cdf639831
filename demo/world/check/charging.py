"""Rows 3 to 5: a car charges, is told to stop, and a refusal is told."""

import time
from collections.abc import Awaitable

from demo.world.check.context import FAST, SLOW, CheckContext, CheckFailedError, HomeAssistantView, expect
from demo.world.hass_socket import HassRefusedError

PUSH_SECONDS = 10.0
RISES = 3
REQUEST_SECONDS = 1.0
REFUSAL = {
    "type": "https://developers.enode.com/api/problems/bad-request",
    "title": "Cannot control charging",
    "detail": "The driver has locked the charge port.",
}


async def check_charging(bench: CheckContext) -> str:
    """What happens at the car is seen in Home Assistant: plugged in, charging, power, a rising level."""
    async with bench.open_view() as look:
        await bench.change_vehicle(activity="park", battery_level=30)
        await look.wait_for_state("binary_sensor.plugged_in", "off", within=PUSH_SECONDS)
        await bench.world.simulator.set_speed(SLOW)
        plugged = await _measure_until_on(look, bench.change_vehicle(activity="plug_in"), "binary_sensor.plugged_in")
        await look.wait_for_state("sensor.charging_state", "stopped", within=PUSH_SECONDS)
        expect(
            look.get_state("binary_sensor.charging") == "off", "no charge yet", look.get_state("binary_sensor.charging")
        )
        charging = await _measure_until_on(look, bench.change_vehicle(activity="charge"), "binary_sensor.charging")
        await look.wait_for_state("sensor.charging_state", "charging", within=PUSH_SECONDS)
        await look.wait_for_state("switch.charging", "on", within=PUSH_SECONDS)
        power = look.get_state("sensor.charge_power")
        expect(_parse_number(power) > 0, "power above 0 kW", power)
        await bench.world.simulator.set_speed(FAST)
        rising = await _wait_for_rising_level(look, RISES)
        return f"plug after {plugged * 1000:.0f} ms, charge after {charging * 1000:.0f} ms, {rising}, {power} kW"


async def _measure_until_on(look: HomeAssistantView, deed: Awaitable[None], key: str) -> float:
    """The seconds from the beginning of a deed until an entity is on."""
    began = time.monotonic()
    await deed
    await look.wait_for_state(key, "on", within=PUSH_SECONDS)
    return time.monotonic() - began


async def _wait_for_rising_level(look: HomeAssistantView, times: int) -> str:
    """Wait until the battery level has risen so often, and never fallen."""
    entity_id = look.device.entities["sensor.battery_level"]
    begun = len(look.watcher.changes)
    before = _parse_number(look.watcher.get_state(entity_id))

    def levels() -> list[float]:
        changes = [it for it in look.watcher.changes[begun:] if it.entity_id == entity_id]
        return [before, *(_parse_number(it.state) for it in changes)]

    await look.watcher.wait_until(f"{times} rises of the level", lambda: len(levels()) > times, within=30, seen=levels)
    seen = levels()
    expect(seen == sorted(set(seen)), "a level that only rises", seen)
    return f"{seen[0]:.0f} → {seen[-1]:.0f} %"


def _parse_number(state: str | None) -> float:
    try:
        return float(state or "")
    except ValueError:
        raise CheckFailedError(f"expected a number, saw {state}") from None


async def check_stop_command(bench: CheckContext) -> str:
    """`switch.turn_off` is shown as asked for at once; the sensors wait for the car, and the car stops."""
    await bench.world.simulator.set_speed(SLOW)
    async with bench.open_view() as look:
        charging, switch = look.device.entities["binary_sensor.charging"], look.device.entities["switch.charging"]
        asked, began = len(look.watcher.changes), time.monotonic()
        await look.call_switch("turn_off")
        await look.wait_for_state("switch.charging", "off", within=REQUEST_SECONDS)
        waiting = look.get_state("binary_sensor.charging")
        await look.wait_for_state("binary_sensor.charging", "off", within=PUSH_SECONDS)
        await look.wait_for_state("sensor.charging_state", "stopped", within=PUSH_SECONDS)
        expect(waiting == "on", "the sensor to wait for the car", f"{waiting} as soon as it was asked for")
        expect(await bench.get_activity() == "stopped", "a stopped charge in the simulator", await bench.get_activity())
        seen = [it for it in look.watcher.changes[asked:] if it.entity_id in {charging, switch}]
        order = [it.entity_id for it in seen]
        expect(order == [switch, charging], "one change of the switch, then one of the sensor", order)
        shown, stopped = (it.at - began for it in seen)
        return f"request shown after {shown * 1000:.0f} ms, the car stopped after {stopped:.1f} s"


async def check_refused_command(bench: CheckContext) -> str:
    """A command that Enode refuses raises the integration's translated error, with Enode's reason; nothing changes."""
    await bench.world.simulator.fail_next("POST", "/vehicles/*/charging", status=400, problem=REFUSAL)
    async with bench.open_view() as look:
        try:
            await look.call_switch("turn_on")
        except HassRefusedError as error:
            refusal = error
        else:
            raise CheckFailedError("expected switch.turn_on to raise an error, saw none")
        key = (refusal.translation_domain, refusal.translation_key)
        expect(key == ("evconduit", "command_refused"), "the error evconduit.command_refused", f"{key}: {refusal}")
        expect(REFUSAL["detail"] in str(refusal), "Enode's reason in the message", refusal)
        expect(str(refusal) != REFUSAL["detail"], "a sentence of the integration's own around it", refusal)
        expect(look.get_state("switch.charging") == "off", "a switch that stays off", look.get_state("switch.charging"))
        return f"“{refusal}”"
