"""A Home Assistant core in a separate process that measures what the integration costs its event loop.

Each figure has a floor, measured in turn with it: a bare integration with the same number of entities, and parsing the
message's JSON and writing the states of the vehicle, of which as many change.
"""

import asyncio
import gc
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import orjson
from homeassistant.components.sensor import SensorEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    MockPlatform,
    async_test_home_assistant,
    mock_config_flow,
    mock_integration,
    mock_platform,
)

import custom_components.evconduit  # noqa: F401 - before Home Assistant's test plugin, which has a package of the same name
from custom_components.evconduit.client.sse import EventParser
from custom_components.evconduit.client.stream import parse_message

FLOOR = "bench_floor"
CHANGED = 3
"""How many states a message changes."""


class BareSensor(SensorEntity):
    """A sensor with a constant value."""

    _attr_has_entity_name = True
    _attr_native_value = 1
    _attr_should_poll = False

    def __init__(self, number: int, vehicle: int) -> None:
        self._attr_unique_id, self._attr_name = str(number), f"Sensor {number}"
        self._attr_device_info = dr.DeviceInfo(identifiers={(FLOOR, str(vehicle))}, name=f"Car {vehicle}")


def create_bare_integration(hass: HomeAssistant, vehicles: int, entities: int) -> MockConfigEntry:
    """Create an integration that does nothing but add this number of entities."""

    async def set_up_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        await hass.config_entries.async_forward_entry_setups(entry, ["sensor"])
        return True

    async def unload_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        return await hass.config_entries.async_unload_platforms(entry, ["sensor"])

    async def add_sensors(
        _hass: HomeAssistant, _entry: ConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
    ) -> None:
        async_add_entities([BareSensor(number, number % vehicles) for number in range(entities)])

    mock_integration(hass, MockModule(FLOOR, async_setup_entry=set_up_entry, async_unload_entry=unload_entry))
    mock_platform(hass, f"{FLOOR}.sensor", MockPlatform(async_setup_entry=add_sensors))
    mock_platform(hass, f"{FLOOR}.config_flow")
    entry = MockConfigEntry(domain=FLOOR)
    entry.add_to_hass(hass)
    return entry


async def measure_setup(hass: HomeAssistant, entry: ConfigEntry[Any]) -> float:
    """Set an entry up and return the seconds until its entities have states."""
    gc.collect()
    started_at = time.perf_counter()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return time.perf_counter() - started_at


async def measure_setups(hass: HomeAssistant, entry: MockConfigEntry, rounds: int) -> dict[str, Any]:
    """Measure setup as at a start of Home Assistant: the registries know the entities."""
    first = await measure_setup(hass, entry)
    entities = len(hass.states.async_all())
    floor_entry = create_bare_integration(hass, len(entry.runtime_data.coordinator.vehicles), entities)
    ours, floor = [], []
    with mock_config_flow(FLOOR, type("Flow", (), {"VERSION": 1, "MINOR_VERSION": 1})):
        await measure_setup(hass, floor_entry)
        for _ in range(rounds):
            for measured, results in ((entry, ours), (floor_entry, floor)):
                await hass.config_entries.async_unload(measured.entry_id)
                results.append(await measure_setup(hass, measured))
        await hass.config_entries.async_unload(floor_entry.entry_id)
    return {"first": first, "ours": ours, "floor": floor, "entities": entities}


def render_push(raw: dict[str, Any], number: int) -> bytes:
    """Render a message that changes the battery level, the range and the power of a vehicle."""
    changes = {"batteryLevel": number % 100, "range": number % 400, "chargeRate": number % 11}
    vehicle = raw["vehicle"] | {"chargeState": raw["vehicle"]["chargeState"] | changes | {"isCharging": True}}
    record = raw | {"revision": raw["revision"] + number, "vehicle": vehicle}
    return f"event: vehicle\nid: e.{number}\ndata: {json.dumps(record)}\n\n".encode()


def measure_pushes(hass: HomeAssistant, entry: MockConfigEntry, count: int) -> dict[str, list[float]]:
    """Measure the event loop's CPU seconds for each message of the stream: parsing, and writing states."""
    coordinator = entry.runtime_data.coordinator
    vehicle_id, vehicle = next(iter(coordinator.vehicles.items()))
    messages = [render_push(vehicle.data.raw, number) for number in range(1, count + 1)]
    registry = er.async_get(hass)
    entries = er.async_entries_for_config_entry(registry, entry.entry_id)
    ids = [row.entity_id for row in entries if row.unique_id.startswith(vehicle_id) and hass.states.get(row.entity_id)]
    values = itertools.cycle(ids)

    def push(message: bytes) -> None:
        for event in EventParser().feed(message):
            parsed = parse_message(event)
            assert parsed is not None
            coordinator.async_apply(parsed, None)

    def write_states(message: bytes) -> None:
        charge_state = orjson.loads(message.split(b"data: ")[1])["vehicle"]["chargeState"]
        changed = {next(values) for _ in range(CHANGED)}
        for entity_id in ids:
            state = hass.states.get(entity_id)
            assert state is not None
            new = str(charge_state["range"]) if entity_id in changed else state.state
            hass.states.async_set(f"{entity_id}_floor", new, state.attributes)

    results: dict[str, list[float]] = {"ours": [], "floor": []}
    for message in messages:
        for name, run in (("ours", push), ("floor", write_states)):
            started_at = time.thread_time()
            run(message)
            results[name].append(time.thread_time() - started_at)
    assert coordinator.vehicles[vehicle_id].data.revision == vehicle.data.revision
    return results


async def main() -> None:
    """Measure, and write the figures to a file."""
    url, key, user, output_path = (os.environ[f"BENCH_{name}"] for name in ("URL", "KEY", "USER", "OUTPUT"))
    rounds, pushes = int(os.environ["BENCH_ROUNDS"]), int(os.environ["BENCH_PUSHES"])
    async with async_test_home_assistant() as hass:
        hass.data.pop(DATA_CUSTOM_COMPONENTS)
        entry = MockConfigEntry(domain="evconduit", version=2, unique_id=user, data={"url": url, "api_key": key})
        entry.add_to_hass(hass)
        setup = await measure_setups(hass, entry, rounds)
        push = measure_pushes(hass, entry, pushes)
        Path(output_path).write_text(json.dumps({"setup": setup, "push": push}), encoding="utf-8")
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main())
