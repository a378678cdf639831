"""The table of the classic integration's entities, against the recorded registries and this integration's platforms."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay_double import FIXTURES
from test_conformance import DESCRIPTIONS

from custom_components.evconduit.classic_entities import (
    CLASSIC_ENTITIES,
    ClassicState,
    Owner,
    Successor,
    plan_fates,
)
from custom_components.evconduit.client import Capabilities, JsonReader

ENTRY = "01M8K56SKVVRHS09YJBA653SCR"
EXISTING = {(platform, row.key): row for platform, rows in DESCRIPTIONS.items() for row in rows}
SUCCESSORS = {row.successor for row in CLASSIC_ENTITIES if row.successor is not None}
JSON_NAMES = {
    "charge_state": "chargeState",
    "location": "location",
    "odometer": "odometer",
    "smart_charging": "smartCharging",
}


def parse_capabilities(*names: str) -> Capabilities:
    return Capabilities.parse(JsonReader({JSON_NAMES[name]: {"isCapable": True} for name in names}))


def make_state(suffix: str, *, is_enabled: bool = True) -> ClassicState:
    unique_id = f"evconduit-{ENTRY}-{suffix}"
    return ClassicState(entity_id=f"sensor.{suffix}", unique_id=unique_id, is_enabled=is_enabled)


def test_table_has_every_recorded_entity():
    recorded = json.loads((FIXTURES / "classic_registries.json").read_text())["entities"]
    domains = {entity["unique_id"]: entity["entity_id"].partition(".")[0] for entity in recorded}
    for entry_id in {entity["config_entry_id"] for entity in recorded}:
        rows = {row.create_unique_id(entry_id): row.platform.value for row in CLASSIC_ENTITIES}
        assert rows == {unique_id: domain for unique_id, domain in domains.items() if entry_id in unique_id}
    assert len(domains) == 3 * len(CLASSIC_ENTITIES)


def test_every_successor_exists():
    assert {(row.platform, row.key) for row in SUCCESSORS} <= set(EXISTING)


@pytest.mark.parametrize(
    "successor",
    sorted((row for row in SUCCESSORS if row.owner is Owner.VEHICLE), key=lambda row: row.key),
    ids=lambda row: row.key,
)
def test_successor_needs_the_capability_that_its_entity_needs(successor: Successor):
    description = EXISTING[successor.platform, successor.key]
    assert description.supported_fn(parse_capabilities(*JSON_NAMES))
    without = parse_capabilities(*(name for name in JSON_NAMES if name != successor.capability))
    assert description.supported_fn(without) is (successor.capability is None)
    assert successor.capability in {None, *(field.name for field in fields(Capabilities))}


@pytest.mark.parametrize(
    ("enabled", "carried"),
    [
        ({"vehicle-chargingState", "vehicle-chargeState.powerDeliveryState"}, "vehicle-chargingState"),
        ({"vehicle-chargingState"}, "vehicle-chargingState"),
        ({"vehicle-chargeState.powerDeliveryState"}, "vehicle-chargeState.powerDeliveryState"),
        (set(), "vehicle-chargingState"),
    ],
)
def test_one_of_two_entities_with_the_same_value_is_carried(enabled: set[str], carried: str):
    suffixes = ("vehicle-chargeState.powerDeliveryState", "vehicle-chargingState")
    fates = plan_fates(ENTRY, [make_state(suffix, is_enabled=suffix in enabled) for suffix in suffixes], None)
    assert [fate.entity_id for fate in fates if fate.successor is not None] == [f"sensor.{carried}"]
    assert [fate.replacement.key for fate in fates if fate.replacement is not None] == ["charging_state"]


def test_entity_of_another_version_is_removed():
    (fate,) = plan_fates(ENTRY, [make_state("vehicle-later")], None)
    assert (fate.row, fate.successor, fate.replacement) == (None, None, None)


@given(
    suffixes=st.sets(st.sampled_from([row.suffix for row in CLASSIC_ENTITIES])),
    disabled=st.sets(st.sampled_from([row.suffix for row in CLASSIC_ENTITIES])),
    capabilities=st.none() | st.frozensets(st.sampled_from(sorted(JSON_NAMES))),
)
def test_every_entity_has_one_fate_and_every_successor_one_entity(suffixes, disabled, capabilities):
    states = [make_state(suffix, is_enabled=suffix not in disabled) for suffix in suffixes]
    fates = plan_fates(ENTRY, states, capabilities)
    assert sorted(fate.entity_id for fate in fates) == sorted(state.entity_id for state in states)
    successors = [fate.successor for fate in fates if fate.successor is not None]
    assert len(set(successors)) == len(successors)
    assert all(capabilities is None or row.capability in {None, *capabilities} for row in successors)
