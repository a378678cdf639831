"""Code imports only in the directions that pyproject.toml allows, and every package is covered by its contracts."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.architecture.import_contracts import find_layers, list_contracts
from tests.architecture.tree import ROOT, tracked

MAX_STORIES = 12  # docs/decisions/0019-how-the-structure-grows.md


def list_relay_packages() -> set[str]:
    return {f"relay.{path.parts[1]}" for path in tracked("relay/*.py") if len(path.parts) > 2}


def list_layer_members(container: str) -> set[str]:
    return {member for layer in find_layers(container) for member in layer.replace(" ", "").split("|")}


def count_stories() -> Counter[str]:
    """The modules of each story group."""
    files = tracked("relay/usecases/*/*.py")
    return Counter(path.parts[2] for path in files if path.name != "__init__.py")


def test_import_contracts_hold():
    checked = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_every_package_of_the_relay_is_in_a_layer():
    assert list_relay_packages() <= list_layer_members("relay")


def test_no_package_of_the_relay_imports_the_settings():
    [contract] = [contract for contract in list_contracts() if contract.get("forbidden_modules") == ["relay.settings"]]
    # The commands compose the relay, as app.py does, so they read the settings.
    assert list_relay_packages() - {"relay.cli"} <= set(contract["source_modules"])


@pytest.mark.parametrize("group", sorted(count_stories()))
def test_a_story_group_has_at_most_12_files(group):
    assert count_stories()[group] <= MAX_STORIES


@pytest.mark.parametrize("package", ["relay", "demo", "custom_components"])
def test_every_folder_with_code_is_a_package(package):
    # Without __init__.py, import-linter, mypy and the wheel skip a folder.
    folders = {path.parent for path in tracked(f"{package}/*.py")}
    assert [folder.as_posix() for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []
