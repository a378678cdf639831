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


def said(state, **more):
    plugged = None if state == "UNKNOWN" else state.startswith("PLUGGED_IN")
    charging = None if state == "UNKNOWN" else state == "PLUGGED_IN:CHARGING"
    group = {"isPluggedIn": plugged, "isCharging": charging, "powerDeliveryState": state, "isFullyCharged": False}
    return {"chargeState": group | more}


def told(*vehicles):
    """What is told of a car that says these things one after the other."""
    known, kinds = ChargeFlags(), []
    for it in vehicles:
        now = parse_charge_flags(it)
        kinds += detect_transitions(known, now)
        known = retain_known_flags(known, now)
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
def test_what_is_told(states, kinds):
    assert told(*map(said, states)) == kinds


@pytest.mark.parametrize("state", STATES)
def test_the_first_sight_and_unknowns_tell_nothing(state):
    assert told(said(state)) == []
    assert told(said("UNKNOWN"), said(state)) == []
    assert told(said(state), said("UNKNOWN")) == []
    assert told(said(state), {"chargeState": None}, {}, {"chargeState": {"powerDeliveryState": 7}}) == []


def test_a_car_that_is_full_when_it_is_unplugged_was_completed():
    # XPENG says UNPLUGGED as soon as it is full.
    assert told(said("PLUGGED_IN:CHARGING"), said("UNPLUGGED", isFullyCharged=True)) == [
        "charging_completed",
        "unplugged",
    ]


def test_vendors_who_give_only_the_one_word_or_only_the_flags_are_understood():
    words = [{"chargeState": {"powerDeliveryState": state}} for state in ("UNPLUGGED", "PLUGGED_IN:CHARGING")]
    flags = [{"chargeState": {"isPluggedIn": it, "isCharging": it}} for it in (False, True)]
    assert told(*words) == told(*flags) == ["plugged_in", "charging_started"]
    assert told(flags[1], {"chargeState": {"isPluggedIn": False}}) == ["charging_stopped", "unplugged"]


@given(st.lists(st.sampled_from(STATES), max_size=12))
def test_opposites_alternate_and_silence_changes_nothing(states):
    kinds = told(*map(said, states))
    plugs = [it for it in kinds if it in {"plugged_in", "unplugged"}]
    assert all(one != two for one, two in itertools.pairwise(plugs))
    charges = [it == "charging_started" for it in kinds if it not in {*plugs, "charging_fault"}]
    starts = [it for it in kinds if it == "charging_started"]
    assert len(starts) <= states.count("PLUGGED_IN:CHARGING")
    assert not any(one is two is False for one, two in itertools.pairwise(charges))
    with_silence = [it for state in states for it in (said(state), said("UNKNOWN"))]
    assert told(*with_silence) == kinds
