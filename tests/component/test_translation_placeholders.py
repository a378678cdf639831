"""Each placeholder of a translation is one that the code provides, or Home Assistant would show the raw text."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from custom_components import evconduit

EN = json.loads((Path(evconduit.__file__).parent / "translations" / "en.json").read_text())


def list_placeholders(tree: Any) -> set[str]:
    if isinstance(tree, str):
        return set(re.findall(r"\{(\w+)\}", tree))
    return {name for inner in tree.values() for name in list_placeholders(inner)}


@pytest.mark.parametrize(
    ("path", "provided"),
    [
        ("config.flow_title", {"name"}),  # of a discovered relay
        ("config.step.user", set()),
        ("config.step.cloud", set()),
        ("config.step.own_relay", {"example_url"}),
        ("config.step.address_and_key", {"example_url"}),
        ("config.step.certificate", {"address", "fingerprint"}),
        ("config.step.certificate_changed", {"address", "fingerprint"}),
        ("config_subentries.vehicle.abort.vehicle_linked", {"name"}),
        ("options.error.no_price_unit", {"currency"}),
        ("options.step.init", {"currency"}),
        ("config.step.reconfigure", set()),
        ("config.error.invalid_url", {"example_url"}),
        ("config.step.method", {"address"}),
        ("config.step.api_key", {"address"}),
        ("config.step.reauth_confirm", {"name"}),  # Home Assistant provides the title of the entry
        ("issues.link_broken", {"name"}),
        ("issues.link_broken_elsewhere", {"name"}),
        ("issues.intervention", {"name", "title", "description"}),
        ("issues.intervention_link", {"name", "title", "description"}),
        ("issues.over_limit", {"names"}),
        ("issues.allowance_used_up", {"date"}),
        ("issues.webhook_unreachable", {"failure"}),
        ("common.relink_message", {"name", "url"}),
        ("common.relink_title", {"name"}),
        ("issues.classic_migrated", {"entities", "settings", "vehicles"}),
        ("exceptions.command_refused", {"reason"}),
        ("exceptions.account_entry_disabled", {"title"}),
    ],
)
def test_placeholders_of_a_text_are_those_of_the_code(path: str, provided: set[str]):
    tree = EN
    for key in path.split("."):
        tree = tree[key]
    assert list_placeholders(tree) == provided


def test_no_other_text_has_placeholders():
    sections = {"common", "config", "issues", "exceptions", "options"}
    others = {section: tree for section, tree in deepcopy(EN).items() if section not in sections}
    del others["config_subentries"]["vehicle"]["abort"]["vehicle_linked"]
    others |= {f"options {key}": text for key, text in EN["options"]["error"].items() if key != "no_price_unit"}
    others |= {key: text for key, text in EN["config"]["error"].items() if key != "invalid_url"}
    others |= EN["config"]["abort"]
    reconfigure = others["config_subentries"]["abrp"]["step"].pop("reconfigure")
    assert list_placeholders(reconfigure) == {"name"}
    with_placeholders = {"command_refused", "account_entry_disabled"}
    others |= {key: text for key, text in EN["exceptions"].items() if key not in with_placeholders}
    assert list_placeholders(others) == set()
