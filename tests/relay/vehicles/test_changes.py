"""What one report or limit changes: the state of the link, the transitions, and the time at which they occurred."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from relay.vehicles.changes import apply_limit, apply_report, build_change, create_link, create_vehicle
from relay.vehicles.models import ChargeFlags, CorrectionOverlay, VehicleReport
from relay.vehicles.plausibility.raw_samples import parse_raw_sample
from relay.vehicles.plausibility.stage import PlausibilityMemory, check_sample

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
USER_ID = uuid4()


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def make_report(minutes, *, partial=False, **vehicle):
    return VehicleReport(
        enode_vehicle_id="enode-1", created_at=at(minutes), event_id=minutes, is_partial=partial, vehicle=vehicle
    )


def make_charge(state, minutes, **more):
    return {"powerDeliveryState": state, "lastUpdated": at(minutes).isoformat()} | more


def make_vehicle(**members):
    return replace(create_vehicle(USER_ID, at(0)), **members)


def test_new_vehicle_has_a_working_link_and_no_state():
    vehicle, other = make_vehicle(), make_vehicle()
    assert (vehicle.user_id, vehicle.link_state, vehicle.link_since) == (USER_ID, "ok", at(0))
    assert (vehicle.corrected_groups, vehicle.gone_at, vehicle.revision) == ({}, None, 0)
    assert vehicle.id != other.id


def test_new_link_is_live_and_seen_at_the_time_of_its_report():
    vehicle = make_vehicle()
    link = create_link(vehicle, make_report(7))
    assert (link.enode_vehicle_id, link.vehicle_id, link.linked_at, link.seen_at, link.is_live) == (
        "enode-1", vehicle.id, at(7), at(7), True,
    )  # fmt: skip


LIVE_DATA = [
    pytest.param({"lastSeen": at(11).isoformat()}, True, id="seen after the break"),
    pytest.param({"lastSeen": at(10).isoformat()}, False, id="seen at the moment of the break"),
    pytest.param(
        {"lastSeen": at(9).isoformat(), "isReachable": True}, False, id="reachable, but seen before the break"
    ),
    pytest.param({"isReachable": True}, True, id="reachable, never seen"),
    pytest.param({"isReachable": False}, False, id="unreachable, never seen"),
    pytest.param({"isReachable": "yes"}, False, id="isReachable isn't a boolean"),
    pytest.param({}, False, id="nothing says that it is live"),
]


@pytest.mark.parametrize(("members", "repaired"), LIVE_DATA)
def test_only_live_data_newer_than_the_break_repairs_a_broken_link(members, repaired):
    broken = make_vehicle(link_state="broken", link_since=at(10))
    after = apply_report(broken, make_report(20, **members))
    assert (after.link_state, after.link_since) == (("ok", at(20)) if repaired else ("broken", at(10)))


@pytest.mark.parametrize(("members", "repaired"), LIVE_DATA)
def test_live_data_repairs_the_link_of_a_vehicle_over_the_limit_invisibly(members, repaired):
    broken = make_vehicle(link_state="over_limit", link_since=at(5), broken_at=at(10))
    after = apply_report(broken, make_report(20, **members))
    assert after.broken_at == (None if repaired else at(10))
    assert (after.link_state, after.link_since) == ("over_limit", at(5))


@pytest.mark.parametrize(("minutes", "repaired"), [(9, False), (10, False), (11, True)])
def test_discovery_after_the_break_repairs_a_broken_link(minutes, repaired):
    report = make_report(minutes, partial=True, isReachable=None, lastSeen=None)
    after = apply_report(make_vehicle(link_state="broken", link_since=at(10)), report)
    assert after.link_state == ("ok" if repaired else "broken")


def test_late_report_repairs_the_link_if_the_vehicle_was_seen_since():
    seen = apply_report(make_vehicle(), make_report(20, lastSeen=at(20).isoformat()))
    broken = replace(seen, link_state="broken", link_since=at(10))
    assert apply_report(broken, make_report(15, lastSeen=at(9).isoformat())).link_state == "ok"


def test_report_of_a_working_link_leaves_the_link_alone():
    after = apply_report(make_vehicle(), make_report(20, lastSeen=at(20).isoformat()))
    assert (after.link_state, after.link_since, after.broken_at) == ("ok", at(0), None)


def test_report_merges_the_state_and_corrects_it_with_the_memory_of_earlier_reports():
    vehicle, memory = make_vehicle(), PlausibilityMemory()
    for minutes, state in ((1, "PLUGGED_IN:COMPLETE"), (2, "UNPLUGGED")):
        report = make_report(minutes, vendor="XPENG", chargeState=make_charge(state, minutes))
        memory, _ = check_sample(memory, parse_raw_sample(report))
        vehicle = apply_report(vehicle, report, memory)
    assert vehicle.state.groups["chargeState"]["powerDeliveryState"] == "UNPLUGGED"
    assert vehicle.corrected_groups["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:COMPLETE"


@pytest.mark.parametrize(
    ("before", "served", "after"),
    [
        pytest.param(("ok", 1, None), False, ("over_limit", 9, None), id="a working link"),
        pytest.param(("broken", 1, None), False, ("over_limit", 9, 1), id="a broken link keeps the time of its break"),
        pytest.param(("over_limit", 1, None), True, ("ok", 9, None), id="served again"),
        pytest.param(("over_limit", 1, 5), True, ("broken", 5, None), id="served again, broken since"),
        pytest.param(("ok", 1, None), True, None, id="a working link is served already"),
        pytest.param(("broken", 1, None), True, None, id="a broken link is served already"),
        pytest.param(("over_limit", 1, None), False, None, id="over the limit already"),
    ],
)
def test_limit_changes_the_link_and_remembers_a_break(before, served, after):
    state, since, broken = before
    vehicle = make_vehicle(link_state=state, link_since=at(since), broken_at=None if broken is None else at(broken))
    change = apply_limit(vehicle, at(9), served=served)
    if after is None:
        assert change is None
        return
    state, since, broken = after
    assert (change.before, change.occurred_at, change.transition_kinds) == (vehicle, at(9), ())
    assert (change.after.link_state, change.after.link_since) == (state, at(since))
    assert change.after.broken_at == (None if broken is None else at(broken))


def report_charge(vehicle, state, minutes, *, created=None):
    charge = make_charge(state, minutes)
    return apply_report(vehicle, make_report(created or minutes, vendor="XPENG", chargeState=charge))


@pytest.fixture
def charging():
    """A vehicle that has reported that it is charging."""
    vehicle = report_charge(make_vehicle(), "PLUGGED_IN:CHARGING", 1)
    return build_change(None, vehicle, (), at(1)).after


def test_transitions_occur_at_the_time_of_the_charge_state_not_of_its_event(charging):
    after = report_charge(charging, "PLUGGED_IN:STOPPED", 5, created=8)
    change = build_change(charging, after, (), at(8))
    assert (change.transition_kinds, change.occurred_at) == (("charging_stopped",), at(5))
    assert change.after.last_known == ChargeFlags(plugged_in=True, charging=False, fault=False)
    assert change.before is charging


def test_change_of_a_vehicle_without_charge_state_occurs_at_the_time_of_its_event():
    vehicle = apply_report(make_vehicle(), make_report(3, isReachable=True))
    link = create_link(vehicle, make_report(3))
    change = build_change(None, vehicle, (link,), at(3))
    assert (change.transition_kinds, change.occurred_at, change.links) == ((), at(3), (link,))


def test_charge_state_of_unknown_time_occurs_at_the_time_of_its_event():
    vehicle = apply_report(make_vehicle(), make_report(3, partial=True, chargeState=None))
    assert build_change(None, vehicle, (), at(4)).occurred_at == at(4)


def test_unknown_state_keeps_the_last_known_flags(charging):
    change = build_change(charging, report_charge(charging, "UNKNOWN", 5), (), at(5))
    assert change.transition_kinds == ()
    assert (change.after.last_known.plugged_in, change.after.last_known.charging) == (True, True)


def test_vehicle_that_is_gone_has_no_transition(charging):
    gone = replace(report_charge(charging, "UNPLUGGED", 5), gone_at=at(5))
    assert build_change(charging, gone, (), at(5)).transition_kinds == ()


def test_first_state_after_an_unlink_is_no_transition(charging):
    gone = replace(charging, gone_at=at(5))
    change = build_change(gone, replace(report_charge(gone, "UNPLUGGED", 9), gone_at=None), (), at(9))
    assert change.transition_kinds == ()
    assert change.after.last_known == ChargeFlags(plugged_in=False, charging=False, fault=False)


@pytest.mark.parametrize(
    ("overlay", "state_minutes", "occurred"),
    [
        pytest.param({"chargeState": {"powerDeliveryState": "PLUGGED_IN:COMPLETE"}}, 5, 9, id="a correction has ended"),
        pytest.param({"chargeState": {"powerDeliveryState": "PLUGGED_IN:COMPLETE"}}, 7, 7, id="a new state ends it"),
        pytest.param({}, 5, 5, id="nothing was corrected"),
    ],
)
def test_transition_by_the_end_of_a_correction_occurs_at_the_event_that_ended_it(overlay, state_minutes, occurred):
    plugged_in = ChargeFlags(plugged_in=True, charging=False, fault=False)
    before = replace(report_charge(make_vehicle(), "UNPLUGGED", 5), last_known=plugged_in)
    before = replace(before, corrected=CorrectionOverlay(overlay=overlay))
    after = replace(report_charge(before, "UNPLUGGED", state_minutes), corrected=CorrectionOverlay())
    change = build_change(before, after, (), at(9))
    assert (change.transition_kinds, change.occurred_at) == (("unplugged",), at(occurred))
