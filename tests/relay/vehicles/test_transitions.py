"""Transitions between charge states."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.models import ChargeFlags
from relay.vehicles.transitions import detect_transitions, parse_charge_flags, retain_known_flags

STATES = [
    "UNKNOWN",
    "UNPLUGGED",
    "PLUGGED_IN:INITIALIZING",
    "PLUGGED_IN:CHARGING",
    "PLUGGED_IN:STOPPED",
    "PLUGGED_IN:COMPLETE",
    "PLUGGED_IN:NO_POWER",
    "PLUGGED_IN:FAULT",
    "PLUGGED_IN:DISCHARGING",
]


def make_vehicle(state, **more):
    plugged = None if state == "UNKNOWN" else state.startswith("PLUGGED_IN")
    charging = None if state == "UNKNOWN" else state == "PLUGGED_IN:CHARGING"
    group = {"isPluggedIn": plugged, "isCharging": charging, "powerDeliveryState": state, "isFullyCharged": False}
    return {"chargeState": group | more}


def detect_all(*vehicles):
    """The transitions of a vehicle that reports these states one after the other."""
    last_known, kinds = ChargeFlags(), []
    for vehicle in vehicles:
        now = parse_charge_flags(vehicle)
        kinds += detect_transitions(last_known, now)
        last_known = retain_known_flags(last_known, now)
    return kinds


@pytest.mark.parametrize(
    ("states", "kinds"),
    [
        (["UNPLUGGED", "PLUGGED_IN:INITIALIZING"], ["plugged_in"]),
        (["UNPLUGGED", "PLUGGED_IN:CHARGING"], ["plugged_in", "charging_started"]),
        (["PLUGGED_IN:INITIALIZING", "PLUGGED_IN:CHARGING"], ["charging_started"]),
        (["PLUGGED_IN:CHARGING", "PLUGGED_IN:STOPPED"], ["charging_stopped"]),
        (["PLUGGED_IN:CHARGING", "PLUGGED_IN:NO_POWER"], ["charging_stopped"]),
        (["PLUGGED_IN:CHARGING", "PLUGGED_IN:COMPLETE"], ["charging_completed"]),
        (["PLUGGED_IN:CHARGING", "PLUGGED_IN:FAULT"], ["charging_fault"]),
        (["PLUGGED_IN:CHARGING", "UNPLUGGED"], ["charging_stopped", "unplugged"]),
        (["PLUGGED_IN:STOPPED", "UNPLUGGED"], ["unplugged"]),
        (["PLUGGED_IN:INITIALIZING", "PLUGGED_IN:FAULT"], ["charging_fault"]),
        (["PLUGGED_IN:FAULT", "PLUGGED_IN:CHARGING"], ["charging_started"]),
        (["PLUGGED_IN:STOPPED", "PLUGGED_IN:COMPLETE"], []),
        (["PLUGGED_IN:CHARGING", "PLUGGED_IN:CHARGING"], []),
        (["PLUGGED_IN:CHARGING", "UNKNOWN", "PLUGGED_IN:CHARGING"], []),
        (["PLUGGED_IN:CHARGING", "UNKNOWN", "UNKNOWN", "PLUGGED_IN:COMPLETE"], ["charging_completed"]),
        (["UNPLUGGED", "UNKNOWN", "PLUGGED_IN:CHARGING"], ["plugged_in", "charging_started"]),
        (["PLUGGED_IN:CHARGING", "PLUGGED_IN:HUMMING"], ["charging_stopped"]),
    ],
)
def test_transitions_follow_from_consecutive_states(states, kinds):
    assert detect_all(*map(make_vehicle, states)) == kinds


@pytest.mark.parametrize("state", STATES)
def test_first_and_unknown_states_cause_no_transition(state):
    assert detect_all(make_vehicle(state)) == []
    assert detect_all(make_vehicle("UNKNOWN"), make_vehicle(state)) == []
    assert detect_all(make_vehicle(state), make_vehicle("UNKNOWN")) == []
    assert detect_all(make_vehicle(state), {"chargeState": None}, {}, {"chargeState": {"powerDeliveryState": 7}}) == []


def test_full_vehicle_that_is_unplugged_has_completed_charging():
    # XPENG reports UNPLUGGED as soon as the battery is full.
    assert detect_all(make_vehicle("PLUGGED_IN:CHARGING"), make_vehicle("UNPLUGGED", isFullyCharged=True)) == [
        "charging_completed",
        "unplugged",
    ]


def test_power_delivery_state_alone_or_flags_alone_are_enough():
    states = [{"chargeState": {"powerDeliveryState": state}} for state in ("UNPLUGGED", "PLUGGED_IN:CHARGING")]
    flags = [{"chargeState": {"isPluggedIn": flag, "isCharging": flag}} for flag in (False, True)]
    assert detect_all(*states) == detect_all(*flags) == ["plugged_in", "charging_started"]
    assert detect_all(flags[1], {"chargeState": {"isPluggedIn": False}}) == ["charging_stopped", "unplugged"]


@given(st.lists(st.sampled_from(STATES), max_size=12))
def test_opposite_transitions_alternate_and_unknown_states_change_nothing(states):
    kinds = detect_all(*map(make_vehicle, states))
    plugs = [kind for kind in kinds if kind in {"plugged_in", "unplugged"}]
    assert all(one != two for one, two in itertools.pairwise(plugs))
    charges = [kind == "charging_started" for kind in kinds if kind not in {*plugs, "charging_fault"}]
    starts = [kind for kind in kinds if kind == "charging_started"]
    assert len(starts) <= states.count("PLUGGED_IN:CHARGING")
    assert not any(one is two is False for one, two in itertools.pairwise(charges))
    with_unknowns = [vehicle for state in states for vehicle in (make_vehicle(state), make_vehicle("UNKNOWN"))]
    assert detect_all(*with_unknowns) == kinds
