"""The import-linter contracts of pyproject.toml."""

import tomllib
from functools import cache
from typing import Any

from tests.architecture.tree import ROOT


@cache
def list_contracts() -> tuple[dict[str, Any], ...]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tuple(tomllib.load(file)["tool"]["importlinter"]["contracts"])


def find_layers(container: str) -> list[str]:
    """Layers of a package, the highest first: those of a contract with this container, or with its absolute names."""
    for contract in list_contracts():
        if contract["type"] == "layers":
            absolute = "containers" not in contract and contract["layers"][0].startswith(f"{container}.")
            if absolute or contract.get("containers") == [container]:
                return contract["layers"]
    raise LookupError(f"pyproject.toml has no layers of {container}")
