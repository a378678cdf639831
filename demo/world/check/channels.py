"""Row 6: no stream gets through, and Home Assistant is told by webhook; the stream comes back, and takes over again."""

from demo.world.check.bench import FROZEN, Bench, Look, demand
from demo.world.tries import until

REGISTERED_SECONDS = 15.0
PUSH_SECONDS = 10.0
RETURN_SECONDS = 60.0


async def prove_channels(bench: Bench) -> str:
    """The same car is plugged in and out: told by the stream, by webhook while there is none, by the stream again."""
    world, gate = bench.world, bench.gate
    await world.simulator.set_speed(FROZEN)
    await until(
        "Home Assistant's webhook to be known to the relay", lambda: _is_known(bench), within=REGISTERED_SECONDS
    )
    async with bench.look() as look:
        demand(gate.streams == 1, "one stream", gate.streams)
        await _see(bench, look, "park", "off")
        before = (await world.relay.endpoint())["last_success_at"]
        gate.bar()
        await until("a stream to be turned away", lambda: _is_turned_away(bench), within=PUSH_SECONDS)
        posted = await _see(bench, look, "plug_in", "on")
        demand(gate.streams == 0, "no stream meanwhile", gate.streams)
        await until("the relay to have delivered", lambda: _has_delivered(bench, before), within=PUSH_SECONDS)
        delivered = (await world.relay.endpoint())["last_success_at"]
        gate.lift()
        back = await until("the stream to be back", lambda: _is_streaming(bench), within=RETURN_SECONDS)
        await _see(bench, look, "park", "off")
        streamed = await _see(bench, look, "plug_in", "on")
        last = (await world.relay.endpoint())["last_success_at"]
        demand(last == delivered, "nothing POSTed beside the stream", f"a delivery at {last}, after {delivered}")
    return (
        f"by webhook after {posted * 1000:.0f} ms, {gate.turned_away} streams turned away; "
        f"stream back after {back:.1f} s, by it after {streamed * 1000:.0f} ms"
    )


async def _see(bench: Bench, look: Look, activity: str, plugged: str) -> float:
    """Have the car do something; the seconds until its plug shows it."""
    await bench.do(activity=activity)
    return await look.until("binary_sensor.plugged_in", plugged, within=PUSH_SECONDS)


async def _is_known(bench: Bench) -> bool:
    return (await bench.world.relay.endpoint() or {}).get("state") == "on"


async def _has_delivered(bench: Bench, before: str | None) -> bool:
    return bool((await bench.world.relay.endpoint())["last_success_at"] != before)


async def _is_turned_away(bench: Bench) -> bool:
    return bench.gate.turned_away > 0


async def _is_streaming(bench: Bench) -> bool:
    return bench.gate.streams == 1
