"""The floors of the house (docs/architecture.md) hold, and no room is built outside of them."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, tracked


def contracts() -> dict[str, dict[str, object]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return {contract["name"]: contract for contract in listed}


def rooms_of_the_relay() -> set[str]:
    return {f"relay.{path.parts[1]}" for path in tracked("relay/*.py") if len(path.parts) > 2}


def test_the_import_contracts_hold():
    checked = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_every_room_of_the_relay_has_its_floor():
    layers = contracts()["the relay's floors: imports point down, siblings are strangers"]["layers"]
    placed = {room for layer in layers for room in layer.replace(" ", "").split("|")}
    assert rooms_of_the_relay() <= placed


def test_no_room_of_the_relay_may_import_the_settings():
    contract = contracts()["settings are handed down, never imported below the composition root"]
    assert rooms_of_the_relay() - {"relay.cli"} <= set(
        contract["source_modules"]
    )  # the commands are no room: they compose


@pytest.mark.parametrize("package", ["relay", "demo", "custom_components"])
def test_every_folder_with_code_is_a_package(package):
    # A folder without __init__.py is invisible to import-linter, mypy and the wheel.
    folders = {path.parent for path in tracked(f"{package}/*.py")}
    assert [folder.as_posix() for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []
