"""Classic shapes, whatever Enode says."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.classic_records import render_ha_status, render_ha_vehicle, render_listed_vehicle, render_status

GROUPS = ("chargeState", "information", "location", "odometer", "capabilities", "smartChargingPolicy")
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(("", "x", "å"))
members = st.sampled_from(("batteryLevel", "brand", "model", "displayName", "latitude", "longitude", "distance"))
groups = st.none() | st.dictionaries(members, leaves, max_size=4) | st.just([])
vehicles = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(GROUPS, groups), "vendor": leaves, "lastSeen": leaves, "isReachable": leaves}
)


@given(vehicles)
def test_keys_are_always_the_same_and_clients_may_look_into_every_group(vehicle):
    status, car = render_status(vehicle), uuid4()
    assert status.keys() == render_status({}).keys()
    assert render_ha_status(vehicle).keys() == render_ha_status({}).keys()
    assert render_ha_vehicle(car, vehicle).keys() == render_ha_vehicle(car, {}).keys()
    assert status.keys() - render_ha_status({}).keys() == {
        "batteryLevel",
        "range",
        "isCharging",
        "isPluggedIn",
        "chargingState",
    }
    for group in ("chargeState", "information", "odometer", "smartChargingPolicy"):
        assert isinstance(status[group], dict)
    assert isinstance(render_listed_vehicle(car, vehicle)["information"], dict)


@given(vehicles)
def test_a_place_is_shown_whole_or_not_at_all(vehicle):
    status = render_status(vehicle)
    assert status["locationAvailable"] == (status["latitude"] is not None and status["longitude"] is not None)
    assert (status["location"] is not None) == status["locationAvailable"]


@given(vehicles)
def test_enode_s_object_stays_as_it_is_in_the_list(vehicle):
    car = uuid4()
    listed = render_listed_vehicle(car, {"id": "enode", **vehicle})
    assert (listed["id"], listed["db_id"], listed["source"]) == ("enode", str(car), "enode")
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
def test_a_car_is_named_by_brand_and_model(information, name):
    assert render_status({"information": information})["vehicleName"] == name
