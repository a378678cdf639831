"""The intents of Assist, asked in sentences through Home Assistant's conversation agent and its API."""

import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from helpers import SetupEntry, wait_for_state
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import TESLA, RelayDouble, make_record

from custom_components.evconduit.intent import INTENTS

SENTENCES = Path(__file__).parents[2] / "custom_sentences" / "en" / "evconduit.yaml"
CAR = ("binary_sensor.blue_car_charging", "sensor.blue_car_range", "sensor.blue_car_battery_level")

type Ask = Callable[[str], Awaitable[str]]


@pytest.fixture
async def ask(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    hass_client: ClientSessionGenerator,
    tmp_path: Path,
) -> Ask:
    """A function that asks Assist and returns the answer. The sentences are copied as the guide says."""
    relay.records[TESLA] = make_tesla(1)
    (tmp_path / "custom_sentences" / "en").mkdir(parents=True)
    shutil.copy(SENTENCES, tmp_path / "custom_sentences" / "en")
    await setup_entry()
    hass.config.config_dir = str(tmp_path)
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    await hass.async_block_till_done()
    client = await hass_client()

    async def ask(sentence: str) -> str:
        response = await client.post("/api/conversation/process", json={"text": sentence, "language": "en"})
        speech = (await response.json())["response"]["speech"]["plain"]["speech"]
        return " ".join(speech.split())

    return ask


def make_tesla(revision: int, **changes: object) -> dict[str, object]:
    state = {"isCharging": False, "batteryLevel": 64, "range": 312.4} | changes
    return make_record(TESLA, revision, vehicle={"chargeState": state})


def expose(hass: HomeAssistant, *entity_ids: str) -> None:
    for entity_id in entity_ids:
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("Is my car charging?", "Blue car is not charging."),
        ("is the blue car charging", "Blue car is not charging."),
        ("How far can I drive?", "Blue car can drive 312 km."),
        ("how far can we go with the blue car", "Blue car can drive 312 km."),
        ("what is the range of my car", "Blue car can drive 312 km."),
        ("What's the battery level of my car?", "Blue car is at 64 percent."),
        ("how full is the blue car", "Blue car is at 64 percent."),
    ],
)
async def test_question_is_answered_with_the_state_of_the_car(
    hass: HomeAssistant, ask: Ask, sentence: str, answer: str
):
    expose(hass, *CAR)
    assert await ask(sentence) == answer


async def test_answer_follows_the_car(hass: HomeAssistant, relay: RelayDouble, ask: Ask):
    expose(hass, *CAR)
    relay.push_record(make_tesla(2, isCharging=True, range=None, batteryLevel=None))
    await wait_for_state(hass, CAR[0], "on")
    assert await ask("is my car charging") == "Blue car is charging."
    assert await ask("how far can I drive") == "Blue car has not reported its range."
    assert await ask("how full is my car") == "Blue car has not reported its battery level."
    relay.push_record(make_tesla(3, isCharging=None, powerDeliveryState="UNKNOWN"))
    await wait_for_state(hass, CAR[0], "unknown")
    assert await ask("is my car charging") == "Blue car has not reported whether it is charging."


async def test_all_exposed_cars_are_in_the_answer(hass: HomeAssistant, ask: Ask):
    expose(hass, "sensor.blue_car_battery_level", "sensor.renault_zoe_battery_level")
    answer = await ask("how charged is my car")
    assert re.fullmatch(r"Blue car is at 64 percent\. Renault Zoe is at \d+ percent\.", answer)
    assert await ask("how charged is the blue car") == "Blue car is at 64 percent."


async def test_car_that_is_not_exposed_is_not_in_the_answer(hass: HomeAssistant, ask: Ask):
    for sentence in ("how full is my car", "how full is the blue car", "how full is the red car"):
        assert "64" not in await ask(sentence)
    expose(hass, "sensor.renault_zoe_battery_level")
    assert "Blue car" not in await ask("how full is my car")


async def test_unknown_name_is_named(hass: HomeAssistant, ask: Ask):
    expose(hass, *CAR)
    assert "red car" in await ask("how full is the red car")


def test_each_intent_has_sentences_and_an_answer():
    content = yaml.safe_load(SENTENCES.read_text())
    assert set(content["intents"]) == set(content["responses"]["intents"]) == set(INTENTS)
