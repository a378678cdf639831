"""Rules of hassfest, HACS and the quality scale that a test can check. Those tools don't run here."""

import ast
import json
import re
import struct
from pathlib import Path
from typing import Any

import hass_frontend
import pytest
import yaml
from homeassistant.const import Platform

from custom_components import evconduit
from custom_components.evconduit.account_sensors import ACCOUNT_SENSORS
from custom_components.evconduit.binary_sensor import ACCOUNT_BINARY_SENSORS, BINARY_SENSORS
from custom_components.evconduit.button import BUTTONS
from custom_components.evconduit.calendar import CALENDARS
from custom_components.evconduit.classic_issue import ISSUE_KEY
from custom_components.evconduit.config_flow import EVConduitConfigFlow
from custom_components.evconduit.device_tracker import TRACKERS
from custom_components.evconduit.error_messages import TRANSLATION_KEYS
from custom_components.evconduit.event import EVENTS
from custom_components.evconduit.number import NUMBERS
from custom_components.evconduit.options import PushChannel
from custom_components.evconduit.options_flow import EVConduitOptionsFlow
from custom_components.evconduit.relay_search import ERROR_KEYS
from custom_components.evconduit.sensor import SENSORS
from custom_components.evconduit.session_sensors import LAST_SESSION_SENSORS, TOTAL_SENSORS
from custom_components.evconduit.switch import SWITCHES
from custom_components.evconduit.time import TIMES
from custom_components.evconduit.vehicle_subentry_flow import ABORT_REASONS, VehicleSubentryFlow

FOLDER = Path(evconduit.__file__).parent
DESCRIPTIONS = {
    Platform.BINARY_SENSOR: (*BINARY_SENSORS, *ACCOUNT_BINARY_SENSORS),
    Platform.BUTTON: BUTTONS,
    Platform.CALENDAR: CALENDARS,
    Platform.DEVICE_TRACKER: TRACKERS,
    Platform.EVENT: EVENTS,
    Platform.NUMBER: NUMBERS,
    Platform.SENSOR: (*SENSORS, *TOTAL_SENSORS, *LAST_SESSION_SENSORS, *ACCOUNT_SENSORS),
    Platform.SWITCH: SWITCHES,
    Platform.TIME: TIMES,
}
ROWS = [(platform, row) for platform, rows in DESCRIPTIONS.items() for row in rows]

RULES = {
    "bronze": """action-setup appropriate-polling brands common-modules config-flow config-flow-test-coverage
        dependency-transparency docs-actions docs-conditions docs-high-level-description
        docs-installation-instructions docs-removal-instructions docs-triggers entity-event-setup entity-unique-id
        has-entity-name runtime-data test-before-configure test-before-setup unique-config-entry""",
    "silver": """action-exceptions config-entry-unloading docs-configuration-parameters
        docs-installation-parameters entity-unavailable integration-owner log-when-unavailable parallel-updates
        reauthentication-flow test-coverage""",
    "gold": """devices diagnostics discovery discovery-update-info docs-data-update docs-examples
        docs-known-limitations docs-supported-devices docs-supported-functions docs-troubleshooting docs-use-cases
        dynamic-devices entity-category entity-device-class entity-disabled-by-default entity-translations
        exception-translations icon-translations reconfiguration-flow repair-issues stale-devices""",
    "platinum": "async-dependency inject-websession strict-typing",
}


def load_json(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text())


def parse_sources() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in sorted(FOLDER.rglob("*.py"))]


def list_texts(tree: Any, at: str = "") -> list[tuple[str, str]]:
    if isinstance(tree, str):
        return [(at, tree)]
    return [text for key, inner in tree.items() for text in list_texts(inner, f"{at}.{key}")]


EN = load_json("translations/en.json")
ICONS = load_json("icons.json")


def test_entity_keys_are_unchanged():
    assert {platform: [row.key for row in rows] for platform, rows in DESCRIPTIONS.items()} == {
        Platform.BINARY_SENSOR: ["plugged_in", "charging", "fully_charged", "reachable", "connected"],
        Platform.BUTTON: ["refresh", "cancel_command", "relink"],
        Platform.CALENDAR: ["charging_sessions"],
        Platform.DEVICE_TRACKER: ["location"],
        Platform.EVENT: ["charging", "command"],
        Platform.NUMBER: ["max_current", "minimum_level"],
        Platform.SENSOR: [
            *("battery_level", "range", "charging_state", "charge_power", "charge_time_remaining", "charge_end_time"),
            *("charge_limit", "battery_capacity", "battery_energy", "odometer", "evcc_status", "link_state"),
            *("corrections", "last_seen", "charging_updated", "location_updated", "odometer_updated"),
            *("charge_energy_total", "charge_energy_home", "discharge_energy_total"),
            *("charge_energy_session", "charge_cost_session", "charge_cost_total"),
            *("last_session_started", "last_session_ended", "last_session_energy", "last_session_cost"),
            *("last_session_level_start", "last_session_level_end", "last_session_place"),
            *("plan", "calls_used", "calls_left", "calls_forecast", "calls_reset", "push_channel", "last_message"),
        ],
        Platform.SWITCH: ["charging", "smart_charging", "charge_now"],
        Platform.TIME: ["ready_by"],
    }
    assert set(DESCRIPTIONS) == set(evconduit.PLATFORMS)


@pytest.mark.parametrize(("platform", "row"), ROWS, ids=lambda value: getattr(value, "key", value))
def test_each_entity_has_a_name_and_an_icon(platform, row):
    names = EN["entity"][platform][row.key]
    assert names["name"].lower().replace(" ", "_") == row.key
    icon = ICONS["entity"].get(platform, {}).get(row.key)
    assert icon or row.device_class, "neither an icon nor a device class that brings one"
    event_types = names.get("state_attributes", {}).get("event_type", {}).get("state", {})
    assert set(event_types) == set(getattr(row, "event_types", None) or ())
    options = getattr(row, "options", None)
    assert set(names.get("state", {})) == set(options or ())
    if options:
        assert set(icon["state"]) == set(options)


def test_no_translation_or_icon_is_unused():
    expected = {(platform.value, row.key) for platform, row in ROWS}
    for tree in (EN, ICONS):
        assert {(platform, key) for platform, keys in tree["entity"].items() for key in keys} <= expected
    assert len({(p, k) for p, keys in EN["entity"].items() for k in keys}) == len(expected)


def test_every_icon_exists_and_differs_by_state():
    icons = json.loads(next(Path(hass_frontend.__file__).parent.glob("static/mdi/iconList*.json")).read_text())
    names = {f"mdi:{icon['name']}" for icon in icons}
    for path, icon in list_texts(ICONS):
        assert icon in names, path
    for keys in ICONS["entity"].values():
        for icon in keys.values():
            assert icon["default"] not in icon.get("state", {}).values()
            numbers = [float(number) for number in icon.get("range", {})]
            assert numbers == sorted(numbers)


def test_every_raised_translation_key_is_translated():
    raised = {key for _, key in TRANSLATION_KEYS}
    for _, tree in parse_sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "translation_key" and isinstance(node.value, ast.Constant):
                raised.add(node.value.value)
    assert raised == set(EN["exceptions"])


def test_every_home_assistant_exception_has_a_translation_key():
    exceptions = {"HomeAssistantError", "ServiceValidationError", "UpdateFailed"}
    exceptions |= {"ConfigEntryAuthFailed", "ConfigEntryNotReady", "ConfigEntryError"}
    for path, tree in parse_sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in exceptions:
                arguments = {keyword.arg for keyword in node.keywords}
                assert {"translation_domain", "translation_key"} <= arguments, f"{path.name}:{node.lineno}"


def test_config_flow_is_translated():
    config = EN["config"]
    errors = {key for _, key in ERROR_KEYS}
    assert set(config["error"]) == {"invalid_url", *errors}
    # Home Assistant itself translates the OAuth errors.
    others = {"already_configured", "account_mismatch", "classic_entry", "invalid_discovery"}
    assert set(config["abort"]) == others | errors
    steps = config["step"]
    assert {name: set(step.get("data", ())) for name, step in steps.items()} == {
        "user": set(),
        "cloud": set(),
        "own_relay": {"url"},
        "address_and_key": {"url", "api_key"},
        "method": set(),
        "api_key": {"api_key"},
        "certificate": set(),
        "certificate_changed": set(),
        "reauth_confirm": set(),
        "reconfigure": {"url"},
    }
    for step in steps.values():
        assert set(step.get("data_description", ())) == set(step.get("data", ()))
    menus = {name: set(step["menu_options"]) for name, step in steps.items() if "menu_options" in step}
    assert menus == {
        "user": {"cloud", "own_relay", "api_key"},
        "method": {"sign_in", "api_key", "keep"},
        "certificate": {"trust_certificate", "other_address"},
        "certificate_changed": {"trust_certificate"},
    }
    for name in ("user", "method"):
        assert set(steps[name]["menu_option_descriptions"]) == menus[name]
    names = {*steps, *(option for options in menus.values() for option in options)}
    assert all(hasattr(EVConduitConfigFlow, f"async_step_{step}") for step in names)


def test_subentry_flow_is_translated():
    vehicle = EN["config_subentries"]["vehicle"]
    assert set(EN["config_subentries"]) == {"abrp", "vehicle"}
    assert set(vehicle) == {"abort", "entry_type", "initiate_flow", "step"}
    assert set(vehicle["initiate_flow"]) == {"user"}
    endings = {"vehicle_linked", "vehicle_linked_soon", "cancelled", "failed", "timeout", "entry_unloaded"}
    assert set(vehicle["abort"]) == endings | {"entry_not_loaded"} | {key for _, key in ABORT_REASONS}
    assert all(hasattr(VehicleSubentryFlow, f"async_step_{step}") for step in vehicle["step"])


def test_options_flow_is_translated():
    options = EN["options"]
    form = options["step"]["init"]
    assert (
        set(form["data"])
        == set(form["data_description"])
        == {
            *("push_channel", "expose_location", "use_home_zone", "electricity_price", "price_entity"),
            *("vin_as_serial_number", "vehicles"),
        }
    )
    own = {"two_prices", "no_price_unit", "home_set_elsewhere"}
    assert set(options["error"]) == own | {key for _, key in ERROR_KEYS}
    assert set(options["abort"]) == {"entry_not_loaded"}
    assert set(EN["selector"]["push_channel"]["options"]) == set(PushChannel)
    assert all(hasattr(EVConduitOptionsFlow, f"async_step_{step}") for step in options["step"])


def test_repair_issues_are_translated():
    keys = {
        node.value.value for _, node in find_keywords("repair_issues.py", "key") if isinstance(node.value, ast.Constant)
    }
    keys |= {"link_broken", "link_broken_elsewhere", "intervention", "intervention_link", ISSUE_KEY}
    keys |= {"over_limit", "allowance_used_up", "webhook_unreachable"}
    assert keys == set(EN["issues"])
    fixable = {"link_broken", "intervention_link"}
    for key, issue in EN["issues"].items():
        assert ("fix_flow" in issue) is (key in {*fixable, ISSUE_KEY})
        assert ("description" in issue) is ("fix_flow" not in issue)
    assert set(EN["issues"][ISSUE_KEY]["fix_flow"]["step"]) == {"confirm"}
    for key in fixable:
        flow = EN["issues"][key]["fix_flow"]
        assert set(flow["step"]) == {"confirm", "relink"}
        endings = {"cancelled", "entry_unloaded", "failed", "timeout", "vehicle_gone"}
        assert set(flow["abort"]) == endings | {"cannot_relink", "not_broken"}


def find_keywords(name: str, arg: str) -> list[tuple[Path, ast.keyword]]:
    nodes = [(path, node) for path, tree in parse_sources() if path.name == name for node in ast.walk(tree)]
    return [(path, node) for path, node in nodes if isinstance(node, ast.keyword) and node.arg == arg]


def test_texts_follow_hassfest_rules():
    for path, text in list_texts(EN):
        assert text == text.strip(), path
        assert not re.search(r"https?://|<[^>]+>|'\{\w+\}'", text), path
        assert re.fullmatch(r"(\.[a-z0-9_]+)+", path), path
    assert not (FOLDER / "strings.json").exists()
    for name in ("manifest.json", "icons.json", "translations/en.json"):
        assert (FOLDER / name).read_text() == json.dumps(load_json(name), indent=2) + "\n" or name == "manifest.json"


def test_manifest_follows_hassfest_rules():
    manifest = load_json("manifest.json")
    keys = list(manifest)
    assert keys[:2] == ["domain", "name"]
    assert keys[2:] == sorted(keys[2:])
    assert set(keys) == {
        *("domain", "name", "codeowners", "config_flow", "documentation", "integration_type", "iot_class"),
        *("issue_tracker", "requirements", "version", "zeroconf", "dependencies", "after_dependencies"),
    }
    # `auth` serves the URL to which a sign-in returns. The cloud is optional.
    assert (manifest["dependencies"], manifest["after_dependencies"]) == (["auth", "webhook"], ["cloud", "recorder"])
    assert manifest["domain"] == FOLDER.name
    assert manifest["requirements"] == []
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert all(owner.startswith("@") for owner in manifest["codeowners"])
    for key in ("documentation", "issue_tracker"):
        assert manifest[key].startswith("https://github.com/evconduit/evconduit")


def test_hacs_manifest_has_only_known_keys_and_there_is_one_integration():
    root = FOLDER.parent.parent
    hacs = json.loads((root / "hacs.json").read_text())
    assert set(hacs) <= {"name", "homeassistant", "country", "hacs", "hide_default_branch", "persistent_directory"}
    assert hacs == {"name": "EVConduit", "homeassistant": "2026.10.0"}
    assert [
        path.name for path in (root / "custom_components").iterdir() if path.is_dir() and path.name != "__pycache__"
    ] == [FOLDER.name]


@pytest.mark.parametrize(
    ("name", "shortest", "longest"),
    [
        *[("icon.png", 256, 256), ("icon@2x.png", 512, 512)],
        *[("logo.png", 128, 256), ("logo@2x.png", 256, 512)],
        *[("dark_logo.png", 128, 256), ("dark_logo@2x.png", 256, 512)],
    ],
)
def test_brand_images_have_the_required_size(name, shortest, longest):
    data = (FOLDER / "brand" / name).read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, _, kind = struct.unpack(">IIBB", data[16:26])
    assert kind == 6, "no transparency"
    assert shortest <= min(width, height) <= longest
    if name.startswith("icon"):
        assert width == height


def test_every_quality_scale_rule_has_a_status():
    statuses = yaml.safe_load((FOLDER / "quality_scale.yaml").read_text())
    rules = [rule for tier in RULES.values() for rule in tier.split()]
    assert [len(tier.split()) for tier in RULES.values()] == [20, 10, 21, 3]
    assert list(statuses) == ["rules"]
    assert list(statuses["rules"]) == rules
    for rule, status in statuses["rules"].items():
        if status == "done":
            continue
        assert set(status) == {"status", "comment"}, rule
        assert status["status"] in {"done", "todo", "exempt"}, rule
        assert status["comment"], rule


def test_quality_scale_rules_marked_done_are_implemented():
    trees = {path.relative_to(FOLDER).as_posix(): tree for path, tree in parse_sources()}
    defined = {
        name: {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        for name, tree in trees.items()
    }
    assert {"async_step_user", "async_step_reauth", "async_step_reconfigure"} <= defined["config_flow.py"]
    assert "async_get_config_entry_diagnostics" in defined["diagnostics.py"]
    assert {"async_unload_entry", "async_remove_config_entry_device", "async_migrate_entry"} <= defined["__init__.py"]
    assert "entry.runtime_data =" in (FOLDER / "__init__.py").read_text()
    aliases = [node.name.id for node in ast.walk(trees["runtime.py"]) if isinstance(node, ast.TypeAlias)]
    assert aliases == ["EVConduitConfigEntry"]
    for platform in evconduit.PLATFORMS:
        assigned = [
            node.targets[0].id
            for node in trees[f"{platform}.py"].body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ]
        assert "PARALLEL_UPDATES" in assigned, platform
    assert (FOLDER / "py.typed").exists()


def test_client_does_not_import_home_assistant():
    for path, tree in parse_sources():
        for node in ast.walk(tree):
            module = getattr(node, "module", None) or "".join(
                alias.name for alias in getattr(node, "names", []) if isinstance(node, ast.Import)
            )
            if path.parent.name == "client" and isinstance(node, ast.Import | ast.ImportFrom):
                assert not (module or "").startswith("homeassistant"), path
