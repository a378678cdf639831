"""Vehicles in the classic API, for any content of Enode's object."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.usecases.classic.vehicle_records import (
    render_ha_status,
    render_ha_vehicle,
    render_listed_vehicle,
    render_status,
)

GROUPS = ("chargeState", "information", "location", "odometer", "capabilities", "smartChargingPolicy")
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(("", "x", "å"))
members = st.sampled_from(("batteryLevel", "brand", "model", "displayName", "latitude", "longitude", "distance"))
groups = st.none() | st.dictionaries(members, leaves, max_size=4) | st.just([])
vehicles = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(GROUPS, groups), "vendor": leaves, "lastSeen": leaves, "isReachable": leaves}
)


@given(vehicles)
def test_keys_are_always_present_and_groups_are_objects(vehicle):
    status, vehicle_id = render_status(vehicle), uuid4()
    assert status.keys() == render_status({}).keys()
    assert render_ha_status(vehicle).keys() == render_ha_status({}).keys()
    assert render_ha_vehicle(vehicle_id, vehicle).keys() == render_ha_vehicle(vehicle_id, {}).keys()
    assert status.keys() - render_ha_status({}).keys() == {
        "batteryLevel",
        "range",
        "isCharging",
        "isPluggedIn",
        "chargingState",
    }
    for group in ("chargeState", "information", "odometer", "smartChargingPolicy"):
        assert isinstance(status[group], dict)
    assert isinstance(render_listed_vehicle(vehicle_id, vehicle)["information"], dict)


@given(vehicles)
def test_location_is_shown_only_with_both_coordinates(vehicle):
    status = render_status(vehicle)
    assert status["locationAvailable"] == (status["latitude"] is not None and status["longitude"] is not None)
    assert (status["location"] is not None) == status["locationAvailable"]


@given(vehicles)
def test_listed_vehicle_keeps_enodes_object(vehicle):
    vehicle_id = uuid4()
    listed = render_listed_vehicle(vehicle_id, {"id": "enode", **vehicle})
    assert (listed["id"], listed["db_id"], listed["source"]) == ("enode", str(vehicle_id), "enode")
    assert {key: listed[key] for key in vehicle.keys() - {"information"}} == {
        key: vehicle[key] for key in vehicle.keys() - {"information"}
    }


@pytest.mark.parametrize(
    ("information", "name"),
    [
        ({"brand": "Tesla", "model": "Model 3", "displayName": "Red"}, "Tesla Model 3"),
        ({"brand": "Tesla", "model": None, "displayName": "Red"}, "Tesla"),
        ({"displayName": "Red"}, "Red"),
        ({}, None),
        (None, None),
    ],
)
def test_vehicle_name_is_brand_and_model_or_display_name(information, name):
    assert render_status({"information": information})["vehicleName"] == name
