"""Set up the integration through its config flow, over Home Assistant's REST API."""

from typing import Any

from demo.world.errors import ComponentError
from demo.world.hass_api import HassApi, Json

DOMAIN = "evconduit"
FLOW = "config/config_entries/flow"


async def submit_flow(hass: HassApi, *, url: str, key: str) -> Json:
    """Complete the flow with an API key. Returns its result: a form with errors, an entry, or an abort."""
    form = await submit_url(hass, await start_flow(hass), url=url)
    return await submit_step(hass, form, api_key=key)


async def submit_url(hass: HassApi, form: Json, *, url: str) -> Json:
    """Submit the relay's address. Returns the form for the key, or the same form if the address was refused."""
    step = await submit_step(hass, form, url=url)
    return await submit_step(hass, step, next_step_id="api_key") if step["type"] == "menu" else step


async def submit_step(hass: HassApi, step: Json, **answers: Any) -> Json:
    """Submit a step of a flow and return the next one."""
    result: Json = await hass.post(f"{FLOW}/{step['flow_id']}", answers)
    return result


async def start_flow(hass: HassApi) -> Json:
    """Start the flow, choose a self-hosted relay, and return the form for its address."""
    menu = await hass.post(FLOW, {"handler": DOMAIN, "show_advanced_options": False})
    if menu["type"] != "menu":
        raise ComponentError(f"the config flow started with {menu['type']} {menu.get('reason', '')}")
    return await submit_step(hass, menu, next_step_id="own_relay")


async def list_entries(hass: HassApi) -> list[Json]:
    """List the integration's config entries."""
    entries: list[Json] = await hass.get(f"config/config_entries/entry?domain={DOMAIN}")
    return entries


async def ensure_entry(hass: HassApi, *, url: str, key: str, configured_url: str | None) -> None:
    """Ensure that there is one entry for this relay.

    If its address has changed (another port), the entry is replaced; entity names stay.
    """
    for entry in await list_entries(hass):
        if configured_url == url:
            return
        await hass.delete(f"config/config_entries/entry/{entry['entry_id']}")
    result = await submit_flow(hass, url=url, key=key)
    if result["type"] != "create_entry":
        raise ComponentError(f"the config flow created no entry: {result.get('errors') or result.get('reason')}")
