"""A real Home Assistant core with the integration, in a separate process, that records when an entity changes."""

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

import custom_components.evconduit  # noqa: F401 - before Home Assistant's test plugin, which has a package of the same name


async def main() -> None:
    """Record until a line arrives on stdin, then write the times by longitude to a file."""
    url, key, user, output_path = (os.environ[f"BENCH_{name}"] for name in ("URL", "KEY", "USER", "OUTPUT"))
    received_at: dict[float, float] = {}
    async with async_test_home_assistant() as hass:
        hass.data.pop(DATA_CUSTOM_COMPONENTS)

        @callback
        def record_longitude(event: Event) -> None:
            state = event.data["new_state"]
            if state is not None and "longitude" in state.attributes:
                received_at.setdefault(state.attributes["longitude"], time.perf_counter())

        hass.bus.async_listen(EVENT_STATE_CHANGED, record_longitude)
        entry = MockConfigEntry(domain="evconduit", version=2, unique_id=user, data={"url": url, "api_key": key})
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        Path(output_path).write_text(json.dumps(received_at), encoding="utf-8")
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main())
