"""A Home Assistant core in a separate process that starts on the registries of the classic integration.

Arguments: the relay's URL, an API key, and a JSON object with the id of the vehicle that each entry has. Prints as JSON
what is left: entries, entities by entity id with unique id and state, and the repair issues.
"""

import asyncio
import json
import sys
from pathlib import Path

from pytest_homeassistant_custom_component.common import async_test_home_assistant, mock_storage

from custom_components.evconduit import const  # before Home Assistant's test plugin finds its package of the same name

sys.path.insert(0, str(Path(__file__).parents[1] / "component"))

from classic_helpers import Recording
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from homeassistant.setup import async_setup_component


async def main(url: str, key: str, vehicle_ids: dict[str, str]) -> None:
    """Start, wait until the entries are merged, and print."""
    const.DEFAULT_URL = url  # type: ignore[misc]  # it is Final
    recording = Recording()
    for entry_id, vehicle_id in vehicle_ids.items():
        recording.entries[entry_id]["data"] |= {"api_key": key, "vehicle_id": vehicle_id}
    with mock_storage() as storage:
        async with async_test_home_assistant(load_registries=False) as hass:
            hass.data.pop(DATA_CUSTOM_COMPONENTS)
            await recording.async_load(hass, storage)
            assert await async_setup_component(hass, const.DOMAIN, {})
            await hass.async_block_till_done()
            entries = hass.config_entries.async_entries(const.DOMAIN)
            states = {state.entity_id: state.state for state in hass.states.async_all()}
            result = {
                "entries": [{"id": entry.entry_id, "state": entry.state.value, **entry.data} for entry in entries],
                "entities": {
                    entity.entity_id: [entity.unique_id, states.get(entity.entity_id)]
                    for entity in er.async_get(hass).entities.values()
                },
                "issues": [issue.translation_placeholders for issue in ir.async_get(hass).issues.values()],
            }
            for entry in entries:
                await hass.config_entries.async_unload(entry.entry_id)
            await hass.async_stop(force=True)
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
