"""Intents of Assist about the cars. Their sentences and answers are in the file `custom_sentences` of the user.

As for all intents, only entities that are exposed to the assistant are used.
"""

from typing import Any, Final, override

import voluptuous as vol
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import intent

from .const import DOMAIN

INTENTS: Final = {
    "EVConduitGetBatteryLevel": ("battery_level", "Gets the battery level of the electric cars, or of the named one"),
    "EVConduitGetCharging": ("charging", "Checks whether the electric cars, or the named one, are charging"),
    "EVConduitGetRange": ("range", "Gets how far the electric cars, or the named one, can drive"),
}
"""The entity that answers each intent, by its key, and a description for language models."""


async def async_setup_intents(hass: HomeAssistant) -> None:
    """Register the intents."""
    for intent_type, (key, description) in INTENTS.items():
        intent.async_register(hass, VehicleIntentHandler(intent_type, key, description))


class VehicleIntentHandler(intent.IntentHandler):
    """Answers with the state of an entity of each vehicle, or of the named one.

    The answer has the slot `cars` for the template of the sentences: a list with `name`, `state` and `unit`.
    """

    def __init__(self, intent_type: str, key: str, description: str) -> None:
        self.intent_type = intent_type
        self.description = description
        self._key = key

    @property
    @override
    def slot_schema(self) -> dict[Any, Any]:
        return {vol.Optional("name"): intent.non_empty_string}

    @override
    async def async_handle(self, intent_obj: intent.Intent) -> intent.IntentResponse:
        slots = self.async_validate_slots(intent_obj.slots)
        states = _list_states(intent_obj.hass, self._key, slots.get("name", {}).get("value"))
        exposed = _require_exposed(intent_obj, states, slots.get("name", {}).get("value"))
        response = intent_obj.create_response()
        response.async_set_states(exposed)
        cars = [
            {"name": name, "state": state.state, "unit": state.attributes.get("unit_of_measurement")}
            for name, state in states
            if state in exposed
        ]
        response.async_set_speech_slots({"cars": cars})
        return response


@callback
def _list_states(hass: HomeAssistant, key: str, name: str | None) -> list[tuple[str, State]]:
    """List the states of the entities with this key, with the names of their vehicles, sorted by name."""
    devices = dr.async_get(hass)
    found = []
    for entity in er.async_get(hass).entities.values():
        # The event entity and the switch of charging have the same key.
        if entity.platform == DOMAIN and entity.translation_key == key and entity.domain in {"binary_sensor", "sensor"}:
            device = devices.async_get(entity.device_id) if entity.device_id else None
            car = (device.name_by_user or device.name or "") if device else ""
            state = hass.states.get(entity.entity_id)
            if state is not None and (name is None or car.casefold() == name.strip().casefold()):
                found.append((car, state))
    return sorted(found, key=lambda item: item[0])


@callback
def _require_exposed(intent_obj: intent.Intent, states: list[tuple[str, State]], name: str | None) -> list[State]:
    """Return the states that the assistant may use. Raise MatchFailedError if there is none."""
    constraints = intent.MatchTargetsConstraints(name=name, domains={DOMAIN}, assistant=intent_obj.assistant)
    if not states:
        reason = intent.MatchFailedReason.NAME if name else intent.MatchFailedReason.DOMAIN
        failed = intent.MatchTargetsResult(is_match=False, no_match_reason=reason)
        raise intent.MatchFailedError(result=failed, constraints=constraints)
    allowed = intent.MatchTargetsConstraints(assistant=intent_obj.assistant)
    result = intent.async_match_targets(intent_obj.hass, allowed, states=[state for _, state in states])
    if not result.is_match:
        raise intent.MatchFailedError(result=result, constraints=constraints)
    return result.states
