"""Sets the integration up as a person does: through its config flow, over Home Assistant's REST API."""

from typing import Any

from demo.world.errors import BrokenPartError
from demo.world.hass_api import HassApi, Json

DOMAIN = "evconduit"
FLOW = "config/config_entries/flow"


async def submit(hass: HassApi, **answers: Any) -> Json:
    """Begin the flow, answer its form, and give what it says: a form with errors, an entry, or an abort."""
    form = await begin(hass)
    return await hass.post(f"{FLOW}/{form['flow_id']}", answers)


async def begin(hass: HassApi) -> Json:
    """The flow's first form."""
    form = await hass.post(FLOW, {"handler": DOMAIN, "show_advanced_options": False})
    if form["type"] != "form":
        raise BrokenPartError(f"the config flow began with {form['type']} {form.get('reason', '')}")
    return form


async def entries(hass: HassApi) -> list[Json]:
    """The entries of the integration."""
    found: list[Json] = await hass.get(f"config/config_entries/entry?domain={DOMAIN}")
    return found


async def ensure_entry(hass: HassApi, *, url: str, key: str, known_url: str | None) -> None:
    """Have one entry for this relay. One of another address (the relay's port moved) is made anew: names stay."""
    for entry in await entries(hass):
        if known_url == url:
            return
        await hass.delete(f"config/config_entries/entry/{entry['entry_id']}")
    result = await submit(hass, url=url, api_key=key)
    if result["type"] != "create_entry":
        raise BrokenPartError(f"the config flow made no entry: {result.get('errors') or result.get('reason')}")
