"""Each language has every text of English, and keeps its placeholders, links and code."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import SetupEntry
from homeassistant.core import HomeAssistant
from homeassistant.generated.languages import LANGUAGES
from homeassistant.helpers.translation import async_get_translations

from custom_components import evconduit
from custom_components.evconduit.account_sensors import ACCOUNT_SENSORS
from custom_components.evconduit.binary_sensor import ACCOUNT_BINARY_SENSORS
from custom_components.evconduit.const import DOMAIN

FOLDER = Path(evconduit.__file__).parent / "translations"
DOCS = Path(__file__).parents[2] / "docs" / "home-assistant.md"
# As the documentation names them.
NAMES = {
    "da": "Danish",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "it": "Italian",
    "nb": "Norwegian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "sv": "Swedish",
}
TRANSLATED = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "en")
ACCOUNT_KEYS = {
    *(("sensor", row.key) for row in ACCOUNT_SENSORS),
    *(("binary_sensor", row.key) for row in ACCOUNT_BINARY_SENSORS),
}
MAX_NAME = 40
MAX_GROWTH = 1.7
# A text that people select, and the texts that tell them to.
REFERENCES = {
    "config_subentries.vehicle.initiate_flow.user": (
        "config_subentries.vehicle.abort.cancelled",
        "config_subentries.vehicle.abort.failed",
        "config_subentries.vehicle.abort.timeout",
        "config_subentries.vehicle.step.user.description",
    ),
    "entity.event.command.name": ("services.start_charging.description", "services.stop_charging.description"),
    "entity.switch.charging.name": ("exceptions.smart_charging_off.message",),
    "selector.push_channel.options.stream": ("issues.webhook_unreachable.description",),
    "services.send_abrp_telemetry.name": ("config_subentries.abrp.step.user.description",),
    "services.start_charging.name": ("services.set_charging.description",),
    "services.stop_charging.name": ("services.set_charging.description",),
}


def flatten(tree: dict[str, Any], at: str = "") -> dict[str, str]:
    """The texts of a file by their dotted path, in the file's order."""
    texts: dict[str, str] = {}
    for key, inner in tree.items():
        texts |= {f"{at}{key}": inner} if isinstance(inner, str) else flatten(inner, f"{at}{key}.")
    return texts


def load_texts(language: str) -> dict[str, str]:
    return flatten(json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8")))


EN = load_texts("en")


def list_marks(text: str) -> Counter[str]:
    """What a translation must keep: placeholders, code, link targets, paragraphs, and bold text (its count)."""
    return Counter(re.findall(r"\{\w+\}|`[^`]*`|\]\([^)]*\)|\n\n|\*\*|[{}\[\]]", text))


def list_text_problems(texts: dict[str, str]) -> list[str]:
    """Paths of texts that are empty, untranslated, much longer than in English, or malformed."""
    problems = []
    for path in EN.keys() & texts.keys():
        text, english = texts[path], EN[path]
        untranslated = text == english and len(english.split()) > 3
        too_long = len(text) > MAX_GROWTH * len(english) + 10
        malformed = text != text.strip() or re.search(r"https?://|<[^>]+>|'\{\w+\}'", text)
        if not text or untranslated or too_long or malformed or list_marks(text) != list_marks(english):
            problems.append(path)
    return sorted(problems)


def list_name_problems(texts: dict[str, str]) -> list[str]:
    """Paths of entity names that are too long, or that another entity of the platform and device has."""
    problems, seen = [], set[tuple[str, bool, str]]()
    for path, text in texts.items():
        section, platform, key, *rest = [*path.split("."), "", ""]
        if section != "entity" or rest[0] != "name":
            continue
        name = (platform, (platform, key) in ACCOUNT_KEYS, text.casefold())
        if len(text) > MAX_NAME or name in seen:
            problems.append(path)
        seen.add(name)
    return problems


def list_reference_problems(texts: dict[str, str]) -> list[str]:
    """Paths of texts that tell people to select something that has another name on the screen."""
    return [
        path
        for named, paths in REFERENCES.items()
        for path in paths
        if texts[named].casefold() not in texts[path].casefold()
    ]


def list_state_problems(texts: dict[str, str]) -> list[str]:
    """Paths of states that can't be told from another state of the same entity."""
    problems, seen = [], set[tuple[str, str]]()
    for path, text in texts.items():
        entity, separator, _ = path.rpartition(".state.")
        if separator and (entity, text.casefold()) in seen:
            problems.append(path)
        seen.add((entity, text.casefold()))
    return problems


CHECKS = [list_text_problems, list_name_problems, list_reference_problems, list_state_problems]


def test_files_are_languages_of_home_assistant():
    assert {"de", "nb", "sv"} <= set(TRANSLATED)
    assert set(TRANSLATED) <= LANGUAGES


def test_documentation_names_the_languages():
    row = re.search(r"^### Languages\n\n((?:.+\n)+)", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert row
    assert [name for name in (NAMES[language] for language in TRANSLATED) if name not in row[1]] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_file_has_the_keys_of_english_in_their_order(language: str):
    path = FOLDER / f"{language}.json"
    assert list(load_texts(language)) == list(EN)
    content = path.read_text(encoding="utf-8")
    assert content == json.dumps(json.loads(content), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("language", ["en", *TRANSLATED])
def test_texts_are_right(language: str, check: Callable[[dict[str, str]], list[str]]):
    texts = load_texts(language)
    if language == "en" and check is list_text_problems:
        texts = {path: text for path, text in texts.items() if len(text.split()) <= 3}
    assert check(texts) == []


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (list_text_problems, "entity.sensor.range.name", ""),
        (list_text_problems, "config.flow_title", "{title}"),
        (list_text_problems, "config.abort.already_configured", "This account is already set up."),
        (list_text_problems, "config.abort.already_configured", "Siehe https://example.org/konten für dein Konto."),
        (list_text_problems, "common.relink_message", "Bei {name} anmelden: {url}"),
        (
            list_text_problems,
            "config.step.certificate_changed.description",
            "`{address}`\n\n{fingerprint}\n\nGeändert.",
        ),
        (list_text_problems, "issues.webhook_unreachable.title", "Der Webhook ist nicht erreichbar. "),
        (list_text_problems, "services.refresh.name", "Neue Daten anfordern und anzeigen"),
        (list_name_problems, "entity.sensor.range.name", "Batteriestand"),
        (list_name_problems, "entity.sensor.range.name", "R" * (MAX_NAME + 1)),
        (list_reference_problems, "exceptions.smart_charging_off.message", "Verwende den Schalter."),
        (list_state_problems, "entity.sensor.charging_state.state.stopped", "störung"),
    ],
)
def test_problem_of_a_text_is_found(check: Callable[[dict[str, str]], list[str]], path: str, text: str):
    assert check(load_texts("de") | {path: text})


def test_same_name_on_another_device_is_no_problem():
    texts = load_texts("de")
    assert list_name_problems(texts | {"entity.sensor.plan.name": texts["entity.sensor.range.name"]}) == []


@pytest.mark.parametrize("language", TRANSLATED)
async def test_home_assistant_uses_every_text(hass: HomeAssistant, caplog: pytest.LogCaptureFixture, *, language: str):
    texts = load_texts(language)
    for category in ("config", "entity", "exceptions", "issues", "options", "selector", "services"):
        shown = await async_get_translations(hass, language, category, {DOMAIN})
        expected = {path: text for path, text in texts.items() if path.startswith(f"{category}.")}
        assert {path: shown.get(f"component.{DOMAIN}.{path}") for path in expected} == expected
    assert "Validation of translation placeholders" not in caplog.text


@pytest.mark.parametrize(("language", "entity_id"), [("de", "batteriestand"), ("pt-BR", "battery_level")])
async def test_entity_ids_use_the_language_of_home_assistant(
    hass: HomeAssistant, setup_entry: SetupEntry, *, language: str, entity_id: str
):
    hass.config.language = language
    await setup_entry()
    assert [state for state in hass.states.async_entity_ids("sensor") if state.endswith(f"_{entity_id}")]
