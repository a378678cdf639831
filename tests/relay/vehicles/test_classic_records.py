"""Vehicles in the classic API, for any content of Enode's object."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.classic_records import (
    PUSHED_GROUP_MEMBERS,
    render_ha_status,
    render_ha_vehicle,
    render_listed_vehicle,
    render_pushed_vehicle,
    render_status,
)

GROUPS = ("chargeState", "information", "location", "odometer", "capabilities", "smartChargingPolicy")
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(("", "x", "å"))
members = st.sampled_from(("batteryLevel", "brand", "model", "displayName", "latitude", "longitude", "distance"))
groups = st.none() | st.dictionaries(members, leaves, max_size=4) | st.just([])
vehicles = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(GROUPS, groups), "vendor": leaves, "lastSeen": leaves, "isReachable": leaves}
)
reports = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(group_members, leaves))
            for name, group_members in PUSHED_GROUP_MEMBERS.items()
        },
        "location": st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(("latitude", "longitude"), leaves)),
        "capabilities": groups,
        "scopes": st.just(["vehicle:read:data"]),
        **dict.fromkeys(("vendor", "lastSeen", "isReachable"), leaves),
    },
)
"""What Enode may report: any of its members, in the groups that it has them in."""


def merge_push(data, pushed):
    """How the classic client (1.9.5) merges a pushed vehicle into its data: one level deep."""
    merged = dict(data)
    for key, value in pushed.items():
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def read_leaves(status):
    """All known values of a status by path. To the client, a missing member of a group and a null one are the same."""
    return {
        f"{key}.{name}" if isinstance(value, dict) else key: leaf
        for key, value in status.items()
        for name, leaf in (value.items() if isinstance(value, dict) else [("", value)])
        if leaf is not None
    }


@given(reports, reports)
def test_client_shows_after_a_push_what_a_poll_would_show(before, after):
    polled = render_status(after)
    merged = merge_push(render_status(before), render_pushed_vehicle(after))
    assert read_leaves({key: merged[key] for key in polled}) == read_leaves(polled)


@given(reports)
def test_push_and_status_differ_only_by_the_members_that_the_status_never_had(vehicle):
    status, pushed = render_status(vehicle), render_pushed_vehicle(vehicle)
    assert status.keys() <= pushed.keys()
    assert pushed.keys() - status.keys() == vehicle.keys() - status.keys() - {"capabilities"}
    assert "capabilities" not in pushed


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
        ({"displayName": "Red", "brand": "Tesla", "model": "Y"}, "Red"),
        ({"displayName": None, "brand": "Tesla", "model": "Y"}, "Tesla Y"),
        ({"displayName": "", "brand": "Tesla", "model": None}, "Tesla"),
        ({"brand": None, "model": "Y"}, "Y"),
        ({"brand": "Tesla", "model": 3}, "Tesla 3"),
        ({"brand": None}, None),
        ({}, None),
        (None, None),
        (["Tesla"], None),
    ],
)
def test_display_name_is_the_owners_or_brand_and_model(information, name):
    """A push that has another name than the status would make the client's sensor change with each push and poll."""
    for render in (render_status, render_ha_status, render_pushed_vehicle):
        assert render({"information": information})["information"].get("displayName") == name


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
