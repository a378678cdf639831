"""Check the config flow and the entities."""

import secrets

from demo.world import config_flow
from demo.world.check.context import FROZEN, CheckContext, expect
from demo.world.check.expected_states import ENTITY_RULES, TRACKER, wait_until_equal
from demo.world.config_flow import list_entries
from demo.world.hass_api import HassApi, Json
from demo.world.polling import poll_until

LOAD_SECONDS = 30.0


async def check_config_flow(context: CheckContext) -> str:
    """Check that a wrong host, a wrong key and a second entry are refused, and that the right key creates an entry."""
    world = context.world
    hass, url, key = world.home_assistant.api, context.proxy.url, str(world.state.saved.key)
    form = await config_flow.start_flow(hass)
    fields = {field["name"] for field in form["data_schema"]}
    expect(fields == {"url"}, "a form for the address", fields)
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


async def check_entities(context: CheckContext) -> str:
    """Check that each car is a device with the right entities, and that their states match the simulator."""
    await context.world.simulator.set_speed(FROZEN)
    async with context.open_view() as view:
        wanted = {row.key for row in ENTITY_RULES} | {TRACKER}
        missing = wanted - view.device.entities.keys()
        expect(not missing, "all entities of a fully supported car", f"no {sorted(missing)}")
        seconds = await wait_until_equal(context, view)
        count = sum(len(car.entities) for car in view.devices)
        return f"{count} entities of {len(view.devices)} cars, matching after {seconds:.1f} s"
