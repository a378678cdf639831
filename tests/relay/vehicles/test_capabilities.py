"""Which commands a vehicle supports, according to Enode."""

import pytest

from relay.vehicles.capabilities import has_capability


@pytest.mark.parametrize(
    ("vehicle", "capable"),
    [
        ({"capabilities": {"startCharging": {"isCapable": True, "interventionIds": []}}}, True),
        ({"capabilities": {"startCharging": {"isCapable": False, "interventionIds": []}}}, False),
        ({"capabilities": {"startCharging": {"isCapable": None}}}, False),
        ({"capabilities": {"startCharging": {"isCapable": "true"}}}, False),
        ({"capabilities": {"startCharging": {}}}, False),
        ({"capabilities": {"startCharging": None}}, False),
        ({"capabilities": {"startCharging": True}}, False),
        ({"capabilities": {"stopCharging": {"isCapable": True}}}, False),
        ({"capabilities": None}, False),
        ({"startCharging": {"isCapable": True}}, False),
        ({}, False),
    ],
    ids=str,
)
def test_capability_is_what_enode_says_and_missing_unless_it_is_true(vehicle, capable):
    assert has_capability(vehicle, "startCharging") is capable
