"""The workflow that runs hassfest and HACS's validation, and more of what they check. They need a network."""

import ast
import json
from typing import Any

import yaml
from homeassistant.const import Platform
from test_conformance import EN, FOLDER, ICONS, load_json, parse_sources


def load_workflow() -> dict[str, Any]:
    # The YAML key `on` is read as true.
    return yaml.safe_load((FOLDER.parent.parent / ".github" / "workflows" / "validate.yml").read_text())


def test_workflow_runs_hassfest_and_hacs_validation():
    jobs = load_workflow()["jobs"]
    used = {step["uses"].partition("@")[0]: step for job in jobs.values() for step in job["steps"]}
    assert set(used) == {"actions/checkout", "home-assistant/actions/hassfest", "hacs/action"}
    assert used["hacs/action"]["with"] == {"category": "integration"}  # nothing is ignored
    assert jobs["hassfest"]["steps"][0]["uses"].startswith("actions/checkout@")  # HACS reads the repository itself


def test_workflow_runs_on_changes_and_nightly_and_may_only_read():
    workflow = load_workflow()
    triggers = workflow[True]
    assert set(triggers) == {"push", "pull_request", "schedule", "workflow_dispatch"}
    assert workflow["permissions"] == {}
    assert all(job["permissions"] == {"contents": "read"} for job in workflow["jobs"].values())
    assert all(job["timeout-minutes"] <= 10 for job in workflow["jobs"].values())


def test_repository_has_what_hacs_requires():
    root = FOLDER.parent.parent
    assert "integration" in (root / "README.md").read_text().lower()
    assert (root / "LICENSE").read_text().strip()
    manifest = load_json("manifest.json")
    assert {"codeowners", "documentation", "domain", "issue_tracker", "name", "version"} <= set(manifest)
    assert (FOLDER / "brand" / "icon.png").is_file()


def test_manifest_values_are_ones_that_hassfest_knows():
    manifest = load_json("manifest.json")
    classes = {"assumed_state", "calculated", "cloud_polling", "cloud_push", "local_polling", "local_push"}
    assert manifest["iot_class"] in classes
    assert manifest["integration_type"] in {"device", "entity", "hardware", "helper", "hub", "service", "system"}
    assert not manifest["documentation"].startswith("https://www.home-assistant.io/integrations")
    assert (FOLDER / "config_flow.py").is_file() is manifest["config_flow"]


def test_every_imported_component_is_a_dependency():
    """As hassfest checks it: platforms and a few base components need none."""
    manifest = load_json("manifest.json")
    allowed = {*manifest["dependencies"], *manifest["after_dependencies"], *(platform.value for platform in Platform)}
    allowed |= {"diagnostics", "repairs", "webhook", "zone", "persistent_notification", "system_health", "zeroconf"}
    for path, tree in parse_sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("homeassistant.components"):
                parts = (node.module or "").split(".")
                used = {parts[2]} if len(parts) > 2 else {alias.name for alias in node.names}
                # A module may import the component whose platform it is, as logbook.py does.
                assert used <= allowed | {path.stem}, f"{path.name}:{node.lineno}"


def test_every_json_file_parses():
    for path in FOLDER.rglob("*.json"):
        json.loads(path.read_text())


def test_actions_are_described_if_there_are_any():
    registers = any(
        "async_register" in path.read_text() and "hass.services" in path.read_text() for path, _ in parse_sources()
    )
    services = FOLDER / "services.yaml"
    assert services.is_file() or not registers
    if services.is_file():
        names = set(yaml.safe_load(services.read_text()))
        assert names == set(EN["services"]) == set(ICONS["services"])
