"""Check the fallback from stream to webhook, and the return to the stream."""

from demo.world.check.context import FROZEN, CheckContext, HomeAssistantView, expect
from demo.world.polling import poll_until

REGISTRATION_SECONDS = 15.0
PUSH_SECONDS = 10.0
RECONNECT_SECONDS = 60.0


async def check_stream_and_webhook(context: CheckContext) -> str:
    """Plug a car in and out: updates arrive by stream, by webhook while streams are blocked, and by stream again."""
    world, proxy = context.world, context.proxy
    await world.simulator.set_speed(FROZEN)
    await poll_until(
        "Home Assistant's webhook to be registered with the relay",
        lambda: _is_endpoint_on(context),
        within=REGISTRATION_SECONDS,
    )
    async with context.open_view() as view:
        expect(proxy.open_streams == 1, "one stream", proxy.open_streams)
        await _change_and_wait(context, view, "park", "off")
        before = (await world.relay.find_endpoint())["last_success_at"]
        proxy.block_streams()
        await poll_until("a stream to be rejected", lambda: _has_rejected_stream(context), within=PUSH_SECONDS)
        posted = await _change_and_wait(context, view, "plug_in", "on")
        expect(proxy.open_streams == 0, "no stream while blocked", proxy.open_streams)
        await poll_until("the relay to have delivered", lambda: _has_delivered(context, before), within=PUSH_SECONDS)
        delivered = (await world.relay.find_endpoint())["last_success_at"]
        proxy.allow_streams()
        back = await poll_until("the stream to be back", lambda: _is_streaming(context), within=RECONNECT_SECONDS)
        await _change_and_wait(context, view, "park", "off")
        streamed = await _change_and_wait(context, view, "plug_in", "on")
        last = (await world.relay.find_endpoint())["last_success_at"]
        expect(last == delivered, "no webhook delivery beside the stream", f"a delivery at {last}, after {delivered}")
    return (
        f"by webhook after {posted * 1000:.0f} ms, {proxy.rejected_streams} streams rejected; "
        f"stream back after {back:.1f} s, by stream after {streamed * 1000:.0f} ms"
    )


async def _change_and_wait(context: CheckContext, view: HomeAssistantView, activity: str, plugged: str) -> float:
    """Set the car's activity. Returns the seconds until its plug sensor shows it."""
    await context.change_vehicle(activity=activity)
    return await view.wait_for_state("binary_sensor.plugged_in", plugged, within=PUSH_SECONDS)


async def _is_endpoint_on(context: CheckContext) -> bool:
    return (await context.world.relay.find_endpoint() or {}).get("state") == "on"


async def _has_delivered(context: CheckContext, before: str | None) -> bool:
    return bool((await context.world.relay.find_endpoint())["last_success_at"] != before)


async def _has_rejected_stream(context: CheckContext) -> bool:
    return context.proxy.rejected_streams > 0


async def _is_streaming(context: CheckContext) -> bool:
    return context.proxy.open_streams == 1
