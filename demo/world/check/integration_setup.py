"""Rows 1 and 2: the integration is set up, and shows the cars."""

import secrets

from demo.world import config_flow
from demo.world.check.context import FROZEN, CheckContext, expect
from demo.world.check.expected_states import ENTITY_RULES, TRACKER, wait_until_equal
from demo.world.config_flow import list_entries
from demo.world.hass_api import HassApi, Json
from demo.world.polling import poll_until

LOAD_SECONDS = 30.0


async def check_config_flow(bench: CheckContext) -> str:
    """A wrong key is refused, another host too; the right key makes an entry that loads; a second one is refused."""
    world = bench.world
    hass, url, key = world.home_assistant.api, bench.proxy.url, str(world.state.saved.key)
    form = await config_flow.start_flow(hass)
    fields = {field["name"] for field in form["data_schema"]}
    expect(fields == {"url"}, "a form that asks for the address", fields)
    other = await config_flow.submit_step(hass, form, url=world.simulator.url)
    expect(
        _get_errors(other) == {"base": "unsupported_relay"},
        "unsupported_relay for another host",
        _describe_result(other),
    )
    form = await config_flow.submit_url(hass, other, url=url)
    wrong = await config_flow.submit_step(hass, form, api_key=f"evc_{secrets.token_urlsafe(32)}")
    expect(
        _get_errors(wrong) == {"base": "invalid_auth"},
        "the error invalid_auth for a wrong key",
        _describe_result(wrong),
    )
    right = await config_flow.submit_step(hass, form, api_key=key)
    expect(right["type"] == "create_entry", "an entry for the right key", _describe_result(right))
    world.state.update(entry_url=url)
    loaded = await poll_until("the entry to be loaded", lambda: _is_loaded(hass), within=LOAD_SECONDS)
    again = await config_flow.submit_flow(hass, url=url, key=key)
    expect(
        (again["type"], again.get("reason")) == ("abort", "already_configured"),
        "already_configured",
        _describe_result(again),
    )
    return f"loaded {loaded:.1f} s after the right key"


async def _is_loaded(hass: HassApi) -> bool:
    return [entry["state"] for entry in await list_entries(hass)] == ["loaded"]


def _get_errors(result: Json) -> Json:
    return result.get("errors") if result["type"] == "form" else None


def _describe_result(result: Json) -> str:
    return f"{result['type']} {result.get('errors') or result.get('reason') or ''}".strip()


async def check_entities(bench: CheckContext) -> str:
    """Each car is a device with the entities that it offers, and they show what the simulator says."""
    await bench.world.simulator.set_speed(FROZEN)
    async with bench.open_view() as look:
        wanted = {row.key for row in ENTITY_RULES} | {TRACKER}
        missing = wanted - look.device.entities.keys()
        expect(not missing, "all entities of a car that hides nothing", f"none of {sorted(missing)}")
        seconds = await wait_until_equal(bench, look)
        count = sum(len(car.entities) for car in look.devices)
        return f"{count} entities of {len(look.devices)} cars, equal after {seconds:.1f} s"
