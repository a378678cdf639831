"""Check charging, the stop command and a refused command."""

import time
from collections.abc import Awaitable

from demo.world.check.context import FAST, SLOW, CheckContext, CheckFailedError, HomeAssistantView, expect
from demo.world.hass_socket import HassRefusedError
from demo.world.polling import poll_until

PUSH_SECONDS = 10.0
RISES = 3
REQUEST_SECONDS = 1.0
REFUSAL = {
    "type": "https://developers.enode.com/api/problems/bad-request",
    "title": "Cannot control charging",
    "detail": "The driver has locked the charge port.",
}


async def check_charging(context: CheckContext) -> str:
    """Check that Home Assistant shows a charge: plugged in, charging, power, rising level."""
    async with context.open_view() as view:
        await context.change_vehicle(activity="park")
        await view.wait_for_state("binary_sensor.plugged_in", "off", within=PUSH_SECONDS)
        await context.world.simulator.set_speed(SLOW)
        plugged = await _measure_until_on(view, context.change_vehicle(activity="plug_in"), "binary_sensor.plugged_in")
        await view.wait_for_state("sensor.charging_state", "stopped", within=PUSH_SECONDS)
        expect(
            view.get_state("binary_sensor.charging") == "off", "no charge yet", view.get_state("binary_sensor.charging")
        )
        charging = await _measure_until_on(view, context.change_vehicle(activity="charge"), "binary_sensor.charging")
        await view.wait_for_state("sensor.charging_state", "charging", within=PUSH_SECONDS)
        await view.wait_for_state("switch.charging", "on", within=PUSH_SECONDS)
        power = view.get_state("sensor.charge_power")
        expect(_parse_number(power) > 0, "power above 0 kW", power)
        await context.world.simulator.set_speed(FAST)
        rising = await _wait_for_rising_level(view, RISES)
        return f"plug after {plugged * 1000:.0f} ms, charge after {charging * 1000:.0f} ms, {rising}, {power} kW"


async def _measure_until_on(view: HomeAssistantView, change: Awaitable[None], key: str) -> float:
    """Return the seconds from the begin of `change` until an entity is on."""
    began = time.monotonic()
    await change
    await view.wait_for_state(key, "on", within=PUSH_SECONDS)
    return time.monotonic() - began


async def _wait_for_rising_level(view: HomeAssistantView, times: int) -> str:
    """Wait until the battery level has risen `times` times. Fails if it falls."""
    entity_id = view.device.entities["sensor.battery_level"]
    change_count = len(view.watcher.changes)
    before = _parse_number(view.watcher.get_state(entity_id))

    def list_levels() -> list[float]:
        changes = [change for change in view.watcher.changes[change_count:] if change.entity_id == entity_id]
        return [before, *(_parse_number(change.state) for change in changes)]

    await view.watcher.wait_until(
        f"{times} rises of the level", lambda: len(list_levels()) > times, within=30, seen=list_levels
    )
    observed = list_levels()
    expect(observed == sorted(set(observed)), "a level that only rises", observed)
    return f"{observed[0]:.0f} → {observed[-1]:.0f} %"


def _parse_number(state: str | None) -> float:
    try:
        return float(state or "")
    except ValueError:
        raise CheckFailedError(f"expected a number, saw {state}") from None


async def check_stop_command(context: CheckContext) -> str:
    """Check that `switch.turn_off` changes the switch at once, and the sensors when the car stops."""
    await context.world.simulator.set_speed(SLOW)
    async with context.open_view() as view:
        charging, switch = view.device.entities["binary_sensor.charging"], view.device.entities["switch.charging"]
        change_count, began = len(view.watcher.changes), time.monotonic()
        await view.call_switch("turn_off")
        await view.wait_for_state("switch.charging", "off", within=REQUEST_SECONDS)
        sensor_state = view.get_state("binary_sensor.charging")
        await view.wait_for_state("binary_sensor.charging", "off", within=PUSH_SECONDS)
        await view.wait_for_state("sensor.charging_state", "stopped", within=PUSH_SECONDS)
        expect(
            sensor_state == "on",
            "the sensor to stay on until the car stops",
            f"{sensor_state} immediately after the command",
        )
        expect(
            await context.get_activity() == "stopped", "a stopped charge in the simulator", await context.get_activity()
        )
        changes = [change for change in view.watcher.changes[change_count:] if change.entity_id in {charging, switch}]
        order = [change.entity_id for change in changes]
        expect(order == [switch, charging], "one change of the switch, then one of the sensor", order)
        switch_delay, stop_delay = (change.at - began for change in changes)
        return f"switch off after {switch_delay * 1000:.0f} ms, car stopped after {stop_delay:.1f} s"


async def check_session_energy(context: CheckContext) -> str:
    """Check that the energy of the charge that was just stopped is what the battery's level rose by."""
    charge_state = (await context.world.simulator.get_vehicle(context.vehicle_id))["vehicle"]["chargeState"]

    async def has_session_to_the_level() -> bool:
        sessions = await context.world.relay.list_sessions(context.vehicle_id)
        return bool(sessions) and sessions[0]["soc_end"] == charge_state["batteryLevel"]

    await poll_until("a session up to the present level", has_session_to_the_level, within=PUSH_SECONDS)
    session, *_ = await context.world.relay.list_sessions(context.vehicle_id)
    kwh_per_percent = charge_state["batteryCapacity"] / 100
    rise = session["soc_end"] - session["soc_start"]
    # A level that is shown in whole percents may have risen by almost one more or less.
    difference = abs(session["energy_kwh"] - rise * kwh_per_percent)
    expect(difference <= kwh_per_percent, f"{rise * kwh_per_percent:.1f} kWh for {rise:.0f} %", session["energy_kwh"])
    return f"{session['energy_kwh']:.2f} kWh for {session['soc_start']:.0f} → {session['soc_end']:.0f} %"


async def check_refused_command(context: CheckContext) -> str:
    """Check that a refused command raises the integration's translated error with Enode's reason."""
    await context.world.simulator.fail_next("POST", "/vehicles/*/charging", status=400, problem=REFUSAL)
    async with context.open_view() as view:
        try:
            await view.call_switch("turn_on")
        except HassRefusedError as error:
            refusal = error
        else:
            raise CheckFailedError("expected switch.turn_on to raise an error, saw none")
        key = (refusal.translation_domain, refusal.translation_key)
        expect(key == ("evconduit", "command_refused"), "the error evconduit.command_refused", f"{key}: {refusal}")
        expect(REFUSAL["detail"] in str(refusal), "Enode's reason in the message", refusal)
        expect(str(refusal) != REFUSAL["detail"], "a sentence of the integration around it", refusal)
        expect(view.get_state("switch.charging") == "off", "a switch that stays off", view.get_state("switch.charging"))
        return f"“{refusal}”"
