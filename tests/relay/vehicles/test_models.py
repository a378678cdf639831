"""What of a vehicle its user sees, and which changes the user can see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from relay.vehicles.models import (
    ChargeFlags,
    CorrectionOverlay,
    SmartCharging,
    Vehicle,
    VehicleChange,
    VehicleLink,
    VehicleReport,
    VehicleState,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
GROUPS = {"vendor": "TESLA", "information": {"brand": "Tesla"}, "chargeState": {"batteryLevel": 50}}
VEHICLE = Vehicle(id=uuid4(), user_id=uuid4(), link_since=NOON, state=VehicleState(groups=GROUPS))
SMART = SmartCharging(state="ENABLED", since=NOON, as_of=NOON)
GONE = {"gone_at": LATER, "gone_reason": "deleted"}


def get_change(before, after):
    return VehicleChange(before=before, after=after, occurred_at=NOON)


def test_corrected_groups_replace_only_the_corrected_ones():
    corrected = replace(VEHICLE, corrected=CorrectionOverlay(overlay={"chargeState": {"batteryLevel": 51}}))
    assert VEHICLE.corrected_groups == GROUPS
    assert corrected.corrected_groups == GROUPS | {"chargeState": {"batteryLevel": 51}}
    assert corrected.state.groups == GROUPS


def test_flags_and_links_of_a_vehicle_are_unknown_and_live_by_default():
    assert ChargeFlags() == ChargeFlags(plugged_in=None, charging=None, fault=None, complete=False)
    assert (VEHICLE.revision, VEHICLE.link_state, VEHICLE.last_known) == (0, "ok", ChargeFlags())
    assert {VEHICLE.smart_charging, VEHICLE.broken_at, VEHICLE.vin_hash, VEHICLE.gone_at, VEHICLE.gone_reason} == {None}
    assert VEHICLE.ledger is None
    link = VehicleLink(enode_vehicle_id="enode", vehicle_id=VEHICLE.id, linked_at=NOON, seen_at=NOON)
    assert link.is_live
    assert not replace(link, ended_at=NOON).is_live


def test_vehicles_are_equal_whatever_their_ledger():
    assert replace(VEHICLE, ledger={"tail": {}}) == VEHICLE
    assert replace(VEHICLE, revision=1) != VEHICLE


def test_text_of_an_object_for_logs_has_no_personal_data():
    secret = {"chargeState": {"secret": 1}}
    overlay = CorrectionOverlay(overlay=secret, memory=secret)
    state = VehicleState(groups=secret)
    vehicle = replace(VEHICLE, state=state, corrected=overlay, vin_hash=b"secret", ledger=secret)
    report = VehicleReport(enode_vehicle_id="car", created_at=NOON, event_id=1, vehicle=secret)
    assert not any("secret" in repr(each) for each in (overlay, state, vehicle, report))
    assert str(VEHICLE.id) in repr(vehicle)
    assert not report.is_partial


VISIBLE_MEMBERS = [
    pytest.param({"state": VehicleState(groups=GROUPS | {"isReachable": True})}, id="a state group"),
    pytest.param({"corrected": CorrectionOverlay(overlay={"chargeState": {}})}, id="a correction"),
    pytest.param({"corrected": CorrectionOverlay(names=("rule",))}, id="the name of a correction"),
    pytest.param({"link_state": "broken"}, id="the link's state"),
    pytest.param({"link_since": LATER}, id="the time of the link's state"),
    pytest.param({"smart_charging": SMART}, id="smart charging"),
]
INVISIBLE_MEMBERS = [
    pytest.param({"state": VehicleState(groups=GROUPS, versions={"chargeState": "9"})}, id="a version"),
    pytest.param({"corrected": CorrectionOverlay(memory={"rule": {}})}, id="the memory of a correction"),
    pytest.param({"last_known": ChargeFlags(charging=True)}, id="the last known flags"),
    pytest.param({"vin_hash": b"x"}, id="the hash of the VIN"),
    pytest.param({"broken_at": LATER}, id="a break of a link that isn't shown"),
    pytest.param({"ledger": {"tail": {}}}, id="the charging ledger"),
]


@pytest.mark.parametrize("members", VISIBLE_MEMBERS)
def test_change_of_a_shown_member_is_visible(members):
    assert get_change(VEHICLE, replace(VEHICLE, **members)).is_visible
    assert get_change(replace(VEHICLE, **members), VEHICLE).is_visible


@pytest.mark.parametrize("members", INVISIBLE_MEMBERS)
def test_change_of_an_internal_member_is_not_visible(members):
    assert not get_change(VEHICLE, replace(VEHICLE, **members)).is_visible


@pytest.mark.parametrize(
    ("changed", "visible"),
    [
        pytest.param({"state": "STOPPED"}, True, id="the state"),
        pytest.param({"since": LATER}, True, id="since when"),
        pytest.param({"as_of": LATER}, False, id="the time of Enode's event"),
    ],
)
def test_smart_charging_shows_its_state_and_time(changed, visible):
    before = replace(VEHICLE, smart_charging=SMART)
    assert get_change(before, replace(before, smart_charging=replace(SMART, **changed))).is_visible is visible


@pytest.mark.parametrize("members", [{}, {"smart_charging": SMART}, {"corrected": CorrectionOverlay(names=("rule",))}])
def test_vehicle_over_the_limit_shows_only_its_identity_and_link(members):
    over_limit = replace(VEHICLE, link_state="over_limit")
    driven = VehicleState(groups=GROUPS | {"odometer": {"distance": 1}})
    renamed = VehicleState(groups=GROUPS | {"information": {"brand": "Tesla", "displayName": "Blue"}})
    assert not get_change(over_limit, replace(over_limit, state=driven, **members)).is_visible
    assert get_change(over_limit, replace(over_limit, state=renamed, **members)).is_visible
    assert get_change(over_limit, replace(over_limit, link_since=LATER, **members)).is_visible
    assert get_change(over_limit, VEHICLE).is_visible


@pytest.mark.parametrize(
    ("before", "after", "visible", "presence_changed"),
    [
        pytest.param(None, {}, True, True, id="a new vehicle appears"),
        pytest.param(None, GONE, False, False, id="a tombstone never appears"),
        pytest.param({}, GONE, True, True, id="an unlinked vehicle disappears"),
        pytest.param(GONE, {}, True, True, id="a vehicle that is linked again appears"),
        pytest.param(GONE, GONE | {"link_state": "broken"}, False, False, id="a gone vehicle changes unseen"),
        pytest.param({}, {"link_state": "broken"}, True, False, id="a present vehicle changes visibly"),
        pytest.param({}, {}, False, False, id="nothing changes"),
    ],
)
def test_presence_decides_whether_a_vehicle_appears_or_disappears(before, after, visible, presence_changed):
    before = None if before is None else replace(VEHICLE, **before)
    change = get_change(before, replace(VEHICLE, **after))
    assert (change.is_visible, change.has_presence_change) == (visible, presence_changed)
