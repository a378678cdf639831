"""A vehicle's name, and the members shown of a vehicle over the plan's limit."""

import pytest

from relay.vehicles.display_name import get_display_name, select_display_members

INFORMATION = {"brand": "Kia", "model": "EV6", "year": 2024, "displayName": "Blue", "vin": "5YJ3E7EB1KF000001"}


@pytest.mark.parametrize(
    ("vehicle", "name"),
    [
        pytest.param({"vendor": "KIA", "information": INFORMATION}, "Blue", id="the owner's name"),
        pytest.param({"vendor": "KIA", "information": INFORMATION | {"displayName": ""}}, "Kia EV6", id="empty name"),
        pytest.param({"vendor": "KIA", "information": INFORMATION | {"displayName": None}}, "Kia EV6", id="no name"),
        pytest.param({"vendor": "KIA", "information": {"brand": "Kia", "model": None}}, "Kia", id="brand only"),
        pytest.param({"vendor": "KIA", "information": {"model": "EV6"}}, "EV6", id="model only"),
        pytest.param({"vendor": "KIA", "information": {"displayName": 7}}, "7", id="a name that is a number"),
        pytest.param(
            {"vendor": "FIAT", "information": {"brand": "Fiat", "model": 500}}, "Fiat 500", id="number as model"
        ),
        pytest.param({"vendor": "KIA", "information": {}}, "KIA", id="vendor only"),
        pytest.param({"vendor": "KIA", "information": None}, "KIA", id="information is null"),
        pytest.param({"vendor": "KIA"}, "KIA", id="information is missing"),
        pytest.param({"vendor": None}, "Car", id="nothing is known"),
        pytest.param({}, "Car", id="empty vehicle"),
    ],
)
def test_name_is_the_owners_then_brand_and_model_then_vendor(vehicle, name):
    assert get_display_name(vehicle) == name


def test_display_members_are_the_identity_without_vin_and_state():
    vehicle = {"vendor": "KIA", "information": INFORMATION, "location": {"latitude": 1}, "chargeState": {}}
    assert select_display_members(vehicle) == {
        "vendor": "KIA",
        "information": {"brand": "Kia", "model": "EV6", "year": 2024, "displayName": "Blue"},
    }


@pytest.mark.parametrize(
    ("vehicle", "shown"),
    [
        ({}, {"vendor": None, "information": {}}),
        ({"vendor": "KIA", "information": None}, {"vendor": "KIA", "information": {}}),
        ({"information": {"model": None, "vin": "V"}}, {"vendor": None, "information": {"model": None}}),
    ],
    ids=["an empty vehicle", "information is null", "a null member stays"],
)
def test_display_members_of_incomplete_vehicles_are_what_is_there(vehicle, shown):
    assert select_display_members(vehicle) == shown
