"""What a vehicle object may hold: which members are left out, and which never."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.models import VehicleState
from relay.vehicles.object_limits import (
    DOCUMENTED_MEMBERS,
    MAX_DEPTH,
    MAX_GROUP_BYTES,
    MAX_INTEGER,
    MAX_NAME_LENGTH,
    MAX_VALUE_BYTES,
    MAX_VEHICLE_BYTES,
    limit_members,
    limit_state,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def nest(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        ("x" * (MAX_VALUE_BYTES - len('{"m":""}')), True),
        ("x" * (MAX_VALUE_BYTES - len('{"m":""}') + 1), False),
        (["x" * 1000] * 9, False),
        (MAX_INTEGER, True),
        (MAX_INTEGER + 1, False),
        (-MAX_INTEGER - 1, False),
        ([1, [MAX_INTEGER + 1]], False),
        (1e308, True),
        (True, True),
        (nest(MAX_DEPTH - 1), True),
        (nest(MAX_DEPTH), False),
        (nest(10_000), False),
        ({}, True),
    ],
)
def test_member_beyond_the_limits_is_left_out(value, is_kept):
    expected = {"m": value} if is_kept else {}
    if not isinstance(value, dict):
        assert limit_members({"m": value, "other": 1}) == expected | {"other": 1}
    assert limit_members({"group": {"m": value, "other": 1}}) == {"group": expected | {"other": 1}}


def test_long_names_are_left_out():
    longest, too_long = "n" * MAX_NAME_LENGTH, "n" * (MAX_NAME_LENGTH + 1)
    for value in (1, {"a": 1}):
        assert limit_members({longest: value, too_long: value}) == {longest: value}
    assert limit_members({"group": {longest: 1, too_long: 1}}) == {"group": {longest: 1}}


def test_members_of_a_group_are_kept_up_to_its_size():
    members = {f"m{n}": "x" * 1000 for n in range(30)}
    group = limit_members({"group": members})["group"]
    assert list(group) == [f"m{n}" for n in range(len(group))]
    assert MAX_GROUP_BYTES - 2000 < len(json.dumps(group)) <= MAX_GROUP_BYTES


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5))
def test_ordinary_objects_are_unchanged(vehicle):
    assert limit_members(vehicle) == drop_large_integers(vehicle)
    state = VehicleState(groups=vehicle, versions=dict.fromkeys(vehicle, "v"))
    assert limit_state(state) is state


def drop_large_integers(vehicle):
    """Only for this test: hypothesis likes integers of more than 64 bits."""
    return {
        name: {leaf: member for leaf, member in value.items() if is_small(member)} if isinstance(value, dict) else value
        for name, value in vehicle.items()
        if isinstance(value, dict) or is_small(value)
    }


def is_small(value):
    if isinstance(value, dict | list):
        return all(map(is_small, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or abs(value) <= MAX_INTEGER


def test_documented_members_are_kept_first_when_the_state_is_too_large():
    groups = {f"a{n}": "x" * 8000 for n in range(20)} | dict.fromkeys(DOCUMENTED_MEMBERS, "x" * 1000)
    state = VehicleState(
        groups=groups, versions=dict.fromkeys(groups, "v"), leaves={"a0": {"l": "v"}, "a9": {"l": "v"}}
    )
    limited = limit_state(state)
    assert limited.groups.keys() >= set(DOCUMENTED_MEMBERS)
    assert MAX_VEHICLE_BYTES - 8100 < len(json.dumps(limited.groups)) <= MAX_VEHICLE_BYTES
    assert list(limited.versions) == list(limited.groups)
    assert list(limited.leaves) == ["a0"]
    assert limit_state(limited) == limited
