"""What the client concludes from the members of messages."""

import pytest
from relay_double import make_command

from custom_components.evconduit.client import (
    Capability,
    Command,
    Intervention,
    JsonObject,
    JsonReader,
    PowerDeliveryState,
    Vehicle,
)

INTERVENTION: JsonObject = {"id": "i1", "title": "Title", "description": "Text", "agent": "User", "action": "Link"}


@pytest.mark.parametrize("item", [{"title": "no id"}, {"id": ""}, {"id": 7}, None, "text", ["i1"]])
def test_malformed_interventions_are_skipped(item: object):
    assert Intervention.parse_all([item, INTERVENTION]) == (
        Intervention(id="i1", title="Title", description="Text", agent="User", action="Link"),
    )


@pytest.mark.parametrize("items", [None, {}, {"id": "i1"}, "text", 7])
def test_interventions_that_are_no_list_are_ignored(items: object):
    assert Intervention.parse_all(items) == ()


@pytest.mark.parametrize(
    ("agent", "expected"), [("User", True), ("ThirdParty", False), ("user", False), ("", False), (None, False)]
)
def test_intervention_is_for_the_user_if_the_user_is_its_agent(agent: str | None, *, expected: bool):
    (intervention,) = Intervention.parse_all([INTERVENTION | {"agent": agent}])
    assert intervention.is_for_user is expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"isCapable": True, "interventionIds": []}, True),
        ({"isCapable": False, "interventionIds": ["i1"]}, True),
        ({"isCapable": False, "interventionIds": []}, False),
        ({"isCapable": None}, False),
        ({"isCapable": 1}, False),
        ({}, False),
    ],
)
def test_capability_is_supported_if_capable_or_after_an_intervention(members: JsonObject, *, expected: bool):
    assert Capability.parse(JsonReader(members)).is_supported is expected


@pytest.mark.parametrize(
    ("state", "is_open", "is_refused"),
    [
        ("sending", True, False),
        ("pending", True, False),
        ("confirmed", False, False),
        ("failed", False, True),
        ("cancelled", False, True),
        ("unknown", False, False),
        ("added later", False, False),
    ],
)
def test_state_of_a_command(state: str, *, is_open: bool, is_refused: bool):
    command = Command.parse(JsonReader(make_command(state=state)))
    assert (command.is_open, command.is_refused) == (is_open, is_refused)


def test_states_of_power_delivery_are_those_of_enode():
    states = ["UNPLUGGED"]
    states += [
        f"PLUGGED_IN:{state}"
        for state in ("INITIALIZING", "CHARGING", "STOPPED", "COMPLETE", "NO_POWER", "FAULT", "DISCHARGING")
    ]
    parsed = [
        Vehicle.parse(JsonReader({"chargeState": {"powerDeliveryState": state}})).charge_state.power_delivery_state
        for state in [*states, "UNKNOWN"]
    ]
    assert parsed == [*PowerDeliveryState, None]
