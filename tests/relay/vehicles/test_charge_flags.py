"""Charge flags: how they follow from Enode's members, and which pairs of flags are a transition."""

from itertools import product

import pytest

from relay.vehicles.models import ChargeFlags
from relay.vehicles.transitions import detect_transitions, parse_charge_flags, retain_known_flags

FLAGS = (True, False, None)


def parse_members(**members):
    flags = parse_charge_flags({"chargeState": members})
    return flags.plugged_in, flags.charging, flags.fault, flags.complete


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("UNPLUGGED", (False, False, False, False)),
        ("PLUGGED_IN:INITIALIZING", (True, False, False, False)),
        ("PLUGGED_IN:CHARGING", (True, True, False, False)),
        ("PLUGGED_IN:DISCHARGING", (True, False, False, False)),
        ("PLUGGED_IN:STOPPED", (True, False, False, False)),
        ("PLUGGED_IN:NO_POWER", (True, False, False, False)),
        ("PLUGGED_IN:COMPLETE", (True, False, False, True)),
        ("PLUGGED_IN:FAULT", (True, False, True, False)),
        ("PLUGGED_IN:SOMETHING_NEW", (True, False, False, False)),
        ("PLUGGED_IN", (None, None, None, False)),
        ("UNPLUGGED:", (None, None, None, False)),
        ("SOMETHING_NEW", (None, None, None, False)),
        ("UNKNOWN", (None, None, None, False)),
        (None, (None, None, None, False)),
        (7, (None, None, None, False)),
    ],
)
def test_power_delivery_state_alone_gives_the_flags(state, expected):
    assert parse_members(powerDeliveryState=state) == expected


@pytest.mark.parametrize(("plugged_in", "charging"), product(FLAGS, FLAGS))
def test_enodes_flags_win_over_the_power_delivery_state(plugged_in, charging):
    for state, by_state in (("PLUGGED_IN:CHARGING", (True, True)), ("UNPLUGGED", (False, False))):
        flags = parse_members(powerDeliveryState=state, isPluggedIn=plugged_in, isCharging=charging)
        assert flags[:2] == (
            by_state[0] if plugged_in is None else plugged_in,
            by_state[1] if charging is None else charging,
        )


@pytest.mark.parametrize(
    ("plugged_in", "charging", "expected"),
    [(False, None, False), (False, True, True), (False, False, False), (True, None, None), (None, None, None)],
)
def test_unplugged_vehicle_does_not_charge_unless_it_says_so(plugged_in, charging, expected):
    assert parse_members(isPluggedIn=plugged_in, isCharging=charging)[1] is expected


@pytest.mark.parametrize(
    ("state", "fully_charged", "complete"),
    [
        ("PLUGGED_IN:COMPLETE", False, True),
        ("PLUGGED_IN:COMPLETE", None, True),
        ("PLUGGED_IN:STOPPED", True, True),
        ("UNPLUGGED", True, True),
        ("PLUGGED_IN:STOPPED", False, False),
        ("PLUGGED_IN:STOPPED", None, False),
        ("PLUGGED_IN:STOPPED", "true", False),
    ],
)
def test_charge_is_complete_by_state_or_by_a_full_battery(state, fully_charged, complete):
    assert parse_members(powerDeliveryState=state, isFullyCharged=fully_charged)[3] is complete


@pytest.mark.parametrize("vehicle", [{}, {"chargeState": None}, {"chargeState": "odd"}, {"chargeState": {}}], ids=str)
def test_flags_of_a_vehicle_without_charge_state_are_unknown(vehicle):
    assert parse_charge_flags(vehicle) == ChargeFlags()


@pytest.mark.parametrize(("was", "now"), product(FLAGS, FLAGS))
def test_plug_and_fault_change_only_between_two_known_flags(was, now):
    plugs = detect_transitions(ChargeFlags(plugged_in=was), ChargeFlags(plugged_in=now))
    assert plugs == {(False, True): ("plugged_in",), (True, False): ("unplugged",)}.get((was, now), ())
    faults = detect_transitions(ChargeFlags(fault=was), ChargeFlags(fault=now))
    assert faults == (("charging_fault",) if (was, now) == (False, True) else ())


@pytest.mark.parametrize(
    ("was", "now", "fault", "complete", "kinds"),
    [
        pytest.param(False, True, None, False, ("charging_started",), id="start"),
        pytest.param(False, True, None, True, ("charging_started",), id="start of a full battery"),
        pytest.param(None, True, None, False, (), id="start from an unknown state"),
        pytest.param(True, False, False, False, ("charging_stopped",), id="stop"),
        pytest.param(True, False, None, False, ("charging_stopped",), id="stop, fault unknown"),
        pytest.param(True, False, False, True, ("charging_completed",), id="complete"),
        pytest.param(True, False, None, True, ("charging_completed",), id="complete, fault unknown"),
        pytest.param(True, False, True, False, (), id="stop by a fault"),
        pytest.param(True, False, True, True, (), id="fault of a full battery"),
        pytest.param(True, None, False, True, (), id="unknown after charging"),
        pytest.param(False, False, False, True, (), id="complete without charging"),
        pytest.param(None, False, False, True, (), id="complete after an unknown state"),
        pytest.param(True, True, False, True, (), id="still charging"),
    ],
)
def test_charging_starts_and_ends_in_one_of_three_ways(was, now, fault, complete, kinds):
    # The fault itself is no change: it was there before.
    last_known = ChargeFlags(charging=was, fault=fault)
    assert detect_transitions(last_known, ChargeFlags(charging=now, fault=fault, complete=complete)) == kinds


def test_transitions_are_in_the_order_in_which_they_can_have_happened():
    off = ChargeFlags(plugged_in=False, charging=False, fault=False)
    on = ChargeFlags(plugged_in=True, charging=True, fault=True)
    assert detect_transitions(off, on) == ("plugged_in", "charging_started", "charging_fault")
    assert detect_transitions(on, off) == ("charging_stopped", "unplugged")


@pytest.mark.parametrize(("was", "now"), product(FLAGS, FLAGS))
def test_last_known_flag_is_kept_while_the_flag_is_unknown(was, now):
    retained = retain_known_flags(
        ChargeFlags(plugged_in=was, charging=was, fault=was, complete=True),
        ChargeFlags(plugged_in=now, charging=now, fault=now, complete=False),
    )
    expected = was if now is None else now
    assert retained == ChargeFlags(plugged_in=expected, charging=expected, fault=expected, complete=False)
