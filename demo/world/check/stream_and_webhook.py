"""Row 6: no stream gets through, and Home Assistant is told by webhook; the stream comes back, and takes over again."""

from demo.world.check.context import FROZEN, CheckContext, HomeAssistantView, expect
from demo.world.polling import poll_until

REGISTRATION_SECONDS = 15.0
PUSH_SECONDS = 10.0
RECONNECT_SECONDS = 60.0


async def check_stream_and_webhook(bench: CheckContext) -> str:
    """The same car is plugged in and out: told by the stream, by webhook while there is none, by the stream again."""
    world, gate = bench.world, bench.proxy
    await world.simulator.set_speed(FROZEN)
    await poll_until(
        "Home Assistant's webhook to be known to the relay", lambda: _is_endpoint_on(bench), within=REGISTRATION_SECONDS
    )
    async with bench.open_view() as look:
        expect(gate.open_streams == 1, "one stream", gate.open_streams)
        await _change_and_wait(bench, look, "park", "off")
        before = (await world.relay.find_endpoint())["last_success_at"]
        gate.block_streams()
        await poll_until("a stream to be turned away", lambda: _has_rejected_stream(bench), within=PUSH_SECONDS)
        posted = await _change_and_wait(bench, look, "plug_in", "on")
        expect(gate.open_streams == 0, "no stream meanwhile", gate.open_streams)
        await poll_until("the relay to have delivered", lambda: _has_delivered(bench, before), within=PUSH_SECONDS)
        delivered = (await world.relay.find_endpoint())["last_success_at"]
        gate.allow_streams()
        back = await poll_until("the stream to be back", lambda: _is_streaming(bench), within=RECONNECT_SECONDS)
        await _change_and_wait(bench, look, "park", "off")
        streamed = await _change_and_wait(bench, look, "plug_in", "on")
        last = (await world.relay.find_endpoint())["last_success_at"]
        expect(last == delivered, "nothing POSTed beside the stream", f"a delivery at {last}, after {delivered}")
    return (
        f"by webhook after {posted * 1000:.0f} ms, {gate.rejected_streams} streams turned away; "
        f"stream back after {back:.1f} s, by it after {streamed * 1000:.0f} ms"
    )


async def _change_and_wait(bench: CheckContext, look: HomeAssistantView, activity: str, plugged: str) -> float:
    """Have the car do something; the seconds until its plug shows it."""
    await bench.change_vehicle(activity=activity)
    return await look.wait_for_state("binary_sensor.plugged_in", plugged, within=PUSH_SECONDS)


async def _is_endpoint_on(bench: CheckContext) -> bool:
    return (await bench.world.relay.find_endpoint() or {}).get("state") == "on"


async def _has_delivered(bench: CheckContext, before: str | None) -> bool:
    return bool((await bench.world.relay.find_endpoint())["last_success_at"] != before)


async def _has_rejected_stream(bench: CheckContext) -> bool:
    return bench.proxy.rejected_streams > 0


async def _is_streaming(bench: CheckContext) -> bool:
    return bench.proxy.open_streams == 1
