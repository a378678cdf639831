"""A real Home Assistant core with our integration, in a process of its own: writes down when an entity changes."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, callback
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

import custom_components.evconduit  # noqa: F401 - before Home Assistant's plugin, which has a package of the same name


async def main() -> None:
    """Until stdin ends."""
    url, key, user, notes = (os.environ[f"BENCH_{it}"] for it in ("URL", "KEY", "USER", "NOTES"))
    told: dict[int, float] = {}
    async with async_test_home_assistant() as hass:
        hass.data.pop(DATA_CUSTOM_COMPONENTS)

        @callback
        def note(event: Event) -> None:
            state = event.data["new_state"]
            if state is not None and "_odometer" in state.entity_id and state.state.replace(".", "").isdigit():
                told.setdefault(int(float(state.state)), time.perf_counter())

        hass.bus.async_listen(EVENT_STATE_CHANGED, note)
        entry = MockConfigEntry(domain="evconduit", version=2, unique_id=user, data={"url": url, "api_key": key})
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        Path(notes).write_text(json.dumps(told), encoding="utf-8")
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main())
