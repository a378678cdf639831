"""The registries of a Home Assistant with the classic integration 1.9.5: three entries, 57 entities each."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from config_flow_helpers import submit_form
from homeassistant.config_entries import ConfigEntry, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import category_registry as cr
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers import label_registry as lr
from relay_double import ACCOUNT_ID, FIXTURES, HYUNDAI, RENAULT, TESLA, RelayDouble, make_record

from custom_components.evconduit.const import DOMAIN

MODEL_Y, MODEL_3, LEAF = (
    *("01M8K56SKVVRHS09YJBA653SCR", "01M8K56T6MN16T10794S1V8NJE"),
    "01M8K57JSKQ9HSSSV0M6MF2B8Z",
)
"""The entries, in their order."""
ENODE_IDS = {
    MODEL_Y: "c9c32076-aa75-5521-a117-133450c56b41",
    MODEL_3: "68ccdbf6-2424-5ab5-8573-169259bea4b0",
    LEAF: "3acdda3c-473d-5ed0-b309-9777c6de0c6c",
}
VEHICLES = {MODEL_Y: TESLA, MODEL_3: HYUNDAI, LEAF: RENAULT}
"""The vehicle of the relay that each entry means."""
CLASSIC_KEY = "evc_EXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPL0"
DEVICES = {
    MODEL_Y: "db7487a796c3865a64f7253cac6e599c",
    MODEL_3: "ac45bd94e559259ccfdb34ffb45164f3",
    LEAF: "b522288ffc0be7dfec342ab2b0ab812f",
}
PREFIXES = {MODEL_Y: "tesla_model_y", MODEL_3: "tesla_model_3", LEAF: "nissan_leaf"}


type Start = Callable[[], Awaitable[list[ConfigEntry]]]


class Recording:
    """What was recorded, to be changed before it is loaded."""

    def __init__(self) -> None:
        data = json.loads((FIXTURES / "classic_registries.json").read_text())
        self.entries: dict[str, dict[str, Any]] = {entry["entry_id"]: entry for entry in data["config_entries"]}
        self.devices: dict[str, dict[str, Any]] = {device["id"]: device for device in data["devices"]}
        entities = [data["entity_defaults"] | entity for entity in data["entities"]]
        self.entities: dict[str, dict[str, Any]] = {entity["entity_id"]: entity for entity in entities}

    async def async_load(self, hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
        """Load the registries as at a start of Home Assistant."""
        for key, version, minor_version, data in (
            ("core.config_entries", 1, 5, {"entries": list(self.entries.values())}),
            (
                *("core.device_registry", 3, 4),
                {"devices": list(self.devices.values()), "child_devices": [], "deleted_devices": []},
            ),
            (
                "core.entity_registry",
                1,
                23,
                {
                    "entities": list(self.entities.values()),
                    "deleted_entities": [],
                    "settings": {"entity_id_parts": None},
                },
            ),
        ):
            hass_storage[key] = {"version": version, "minor_version": minor_version, "key": key, "data": data}
        await hass.config_entries.async_initialize()
        dr.async_setup(hass)
        for registry in (cr, ar, fr, lr, dr, er, ir):
            await registry.async_load(hass)


def add_classic_vehicles(relay: RelayDouble) -> None:
    """Let the relay know the key, and the vehicles by Enode's id or a former one. The LEAF reports the least."""
    relay.keys[CLASSIC_KEY] = ACCOUNT_ID
    relay.records.clear()
    for vehicle_id in VEHICLES.values():
        relay.records[vehicle_id] = make_record(vehicle_id)
        for name in ("odometer", "location"):
            capability = {"isCapable": vehicle_id != RENAULT, "interventionIds": []}
            relay.records[vehicle_id]["vehicle"]["capabilities"][name] = capability
    relay.records[TESLA]["vehicle"]["id"] = ENODE_IDS[MODEL_Y]
    relay.records[HYUNDAI]["former_ids"] = ["another", ENODE_IDS[MODEL_3]]
    relay.records[RENAULT]["vehicle"]["id"] = ENODE_IDS[LEAF]


def list_problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return logged errors, warnings of this integration, and secrets."""
    records = [record for when in ("setup", "call") for record in caplog.get_records(when)]
    return [
        record.getMessage()
        for record in records
        if (record.exc_info and record.levelname != "DEBUG")
        or record.levelname == "ERROR"
        or (record.levelname == "WARNING" and record.name.startswith("custom_components"))
        or (CLASSIC_KEY in record.getMessage() and not record.name.startswith("pytest"))
    ]


def list_classic_entities(hass: HomeAssistant) -> list[str]:
    return [entity.entity_id for entity in er.async_get(hass).entities.values() if "evconduit-" in entity.unique_id]


async def submit_reauth(hass: HomeAssistant, flow: Any) -> ConfigFlowResult:
    """Continue from the explanation to the form for an API key."""
    return await submit_form(hass, await submit_form(hass, flow), next_step_id="api_key")


def get_unique_id(hass: HomeAssistant, entity_id: str) -> str:
    return er.async_get(hass).entities[entity_id].unique_id


def get_placeholders(hass: HomeAssistant) -> dict[str, str]:
    """Return the placeholders of the only issue."""
    (issue_id,) = (id_ for domain, id_ in ir.async_get(hass).issues if domain == DOMAIN)
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id).translation_placeholders or {}
