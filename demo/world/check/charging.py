"""Rows 3 to 5: a car charges, is told to stop, and a refusal is told."""

import time
from collections.abc import Awaitable

from demo.world.check.bench import FAST, SLOW, Bench, Look, UnprovenError, demand
from demo.world.hass_socket import HassRefusedError

PUSH_SECONDS = 10.0
RISES = 3
REQUEST_SECONDS = 1.0
REFUSAL = {
    "type": "https://developers.enode.com/api/problems/bad-request",
    "title": "Cannot control charging",
    "detail": "The driver has locked the charge port.",
}


async def prove_charging(bench: Bench) -> str:
    """What happens at the car is seen in Home Assistant: plugged in, charging, power, a rising level."""
    async with bench.look() as look:
        await bench.do(activity="park", battery_level=30)
        await look.until("binary_sensor.plugged_in", "off", within=PUSH_SECONDS)
        await bench.world.simulator.set_speed(SLOW)
        plugged = await _after(look, bench.do(activity="plug_in"), "binary_sensor.plugged_in")
        await look.until("sensor.charging_state", "stopped", within=PUSH_SECONDS)
        demand(look.state("binary_sensor.charging") == "off", "no charge yet", look.state("binary_sensor.charging"))
        charging = await _after(look, bench.do(activity="charge"), "binary_sensor.charging")
        await look.until("sensor.charging_state", "charging", within=PUSH_SECONDS)
        await look.until("switch.charging", "on", within=PUSH_SECONDS)
        power = look.state("sensor.charge_power")
        demand(_number(power) > 0, "power above 0 kW", power)
        await bench.world.simulator.set_speed(FAST)
        rising = await _rise(look, RISES)
        return f"plug after {plugged * 1000:.0f} ms, charge after {charging * 1000:.0f} ms, {rising}, {power} kW"


async def _after(look: Look, deed: Awaitable[None], key: str) -> float:
    """The seconds from the beginning of a deed until an entity is on."""
    began = time.monotonic()
    await deed
    await look.until(key, "on", within=PUSH_SECONDS)
    return time.monotonic() - began


async def _rise(look: Look, times: int) -> str:
    """Wait until the battery level has risen so often, and never fallen."""
    entity_id = look.car.entities["sensor.battery_level"]
    begun = len(look.watch.changes)
    before = _number(look.watch.state(entity_id))

    def levels() -> list[float]:
        changes = [it for it in look.watch.changes[begun:] if it.entity_id == entity_id]
        return [before, *(_number(it.state) for it in changes)]

    await look.watch.until(f"{times} rises of the level", lambda: len(levels()) > times, within=30, seen=levels)
    seen = levels()
    demand(seen == sorted(set(seen)), "a level that only rises", seen)
    return f"{seen[0]:.0f} → {seen[-1]:.0f} %"


def _number(state: str | None) -> float:
    try:
        return float(state or "")
    except ValueError:
        raise UnprovenError(f"expected a number, saw {state}") from None


async def prove_command(bench: Bench) -> str:
    """`switch.turn_off` is shown as asked for at once; the sensors wait for the car, and the car stops."""
    await bench.world.simulator.set_speed(SLOW)
    async with bench.look() as look:
        charging, switch = look.car.entities["binary_sensor.charging"], look.car.entities["switch.charging"]
        asked, began = len(look.watch.changes), time.monotonic()
        await look.switch("turn_off")
        await look.until("switch.charging", "off", within=REQUEST_SECONDS)
        waiting = look.state("binary_sensor.charging")
        await look.until("binary_sensor.charging", "off", within=PUSH_SECONDS)
        await look.until("sensor.charging_state", "stopped", within=PUSH_SECONDS)
        demand(waiting == "on", "the sensor to wait for the car", f"{waiting} as soon as it was asked for")
        demand(await bench.activity() == "stopped", "a stopped charge in the simulator", await bench.activity())
        seen = [it for it in look.watch.changes[asked:] if it.entity_id in {charging, switch}]
        order = [it.entity_id for it in seen]
        demand(order == [switch, charging], "one change of the switch, then one of the sensor", order)
        shown, stopped = (it.at - began for it in seen)
        return f"request shown after {shown * 1000:.0f} ms, the car stopped after {stopped:.1f} s"


async def prove_refusal(bench: Bench) -> str:
    """A command that Enode refuses raises the integration's translated error, with Enode's reason; nothing changes."""
    await bench.world.simulator.fail_next("POST", "/vehicles/*/charging", status=400, problem=REFUSAL)
    async with bench.look() as look:
        try:
            await look.switch("turn_on")
        except HassRefusedError as error:
            refusal = error
        else:
            raise UnprovenError("expected switch.turn_on to raise an error, saw none")
        key = (refusal.translation_domain, refusal.translation_key)
        demand(key == ("evconduit", "command_refused"), "the error evconduit.command_refused", f"{key}: {refusal}")
        demand(REFUSAL["detail"] in str(refusal), "Enode's reason in the message", refusal)
        demand(str(refusal) != REFUSAL["detail"], "a sentence of the integration's own around it", refusal)
        demand(look.state("switch.charging") == "off", "a switch that stays off", look.state("switch.charging"))
        return f"“{refusal}”"
