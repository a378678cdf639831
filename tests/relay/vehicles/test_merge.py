"""Merging reports into a vehicle's state."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.merge import format_version_time, merge_report, merge_states, parse_version_time
from relay.vehicles.models import VehicleReport, VehicleState

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def format_moment(moment):
    return moment and moment.isoformat().replace("+00:00", "Z")


def make_report(seconds, number=None, *, partial=False, **vehicle):
    return VehicleReport(
        enode_vehicle_id="car",
        created_at=at(seconds),
        event_id=seconds if number is None else number,
        is_partial=partial,
        vehicle=vehicle,
    )


def merge_all(*reports):
    state = VehicleState()
    for report in reports:
        state = merge_report(state, report)
    return dict(state.groups)


def charge(level, updated=None):
    return {"batteryLevel": level, "lastUpdated": updated and format_moment(at(updated))}


def test_group_is_replaced_as_a_whole_including_nulls_and_missing_members():
    old = make_report(
        1, chargeState={"chargeRate": 7.2, "pluggedInChargerId": "x", "lastUpdated": format_moment(at(1))}
    )
    new = make_report(2, chargeState={"chargeRate": None, "lastUpdated": format_moment(at(2))})
    assert (
        merge_all(old, new)
        == merge_all(new, old)
        == {"chargeState": {"chargeRate": None, "lastUpdated": format_moment(at(2))}}
    )


def test_group_with_last_updated_is_versioned_by_it_not_by_its_event():
    fresh = make_report(5, chargeState=charge(50, 5), odometer={"distance": 1, "lastUpdated": format_moment(at(1))})
    stale = make_report(9, chargeState=charge(40, 4), odometer={"distance": 2, "lastUpdated": format_moment(at(8))})
    for order in ((fresh, stale), (stale, fresh)):
        assert merge_all(*order)["chargeState"]["batteryLevel"] == 50
        assert merge_all(*order)["odometer"]["distance"] == 2


def test_last_updated_after_its_event_counts_as_the_time_of_the_event():
    ahead = make_report(5, chargeState=charge(50, 9000))
    later = make_report(6, chargeState=charge(49, 6))
    assert merge_all(later, ahead)["chargeState"]["batteryLevel"] == 49


@pytest.mark.parametrize("updated", [None, "soon", 5, "", "0001-01-01T00:00:00+23:00"])
def test_group_without_valid_last_updated_is_versioned_by_its_event(updated):
    old = make_report(5, location={"latitude": 1, "lastUpdated": format_moment(at(4))})
    odd = make_report(6, location={"latitude": 2, "lastUpdated": updated})
    new = make_report(7, location={"latitude": 3, "lastUpdated": format_moment(at(7))})
    assert merge_all(odd, old)["location"]["latitude"] == 2
    assert merge_all(new, odd)["location"]["latitude"] == 3


def test_ties_go_to_the_newer_event_then_to_the_one_stored_later():
    first = make_report(5, 1, chargeState=charge(1, 4))
    corrected = make_report(6, 2, chargeState=charge(2, 4))
    same_time = make_report(6, 3, chargeState=charge(3, 4))
    assert merge_all(corrected, first)["chargeState"]["batteryLevel"] == 2
    assert merge_all(same_time, corrected)["chargeState"]["batteryLevel"] == 3


def test_other_and_unknown_groups_are_versioned_by_their_event():
    old = make_report(
        1, isReachable=True, capabilities={"location": 1}, newGroup={"lastUpdated": format_moment(at(1)), "a": 1}
    )
    new = make_report(2, isReachable=False, capabilities={}, newGroup={"lastUpdated": format_moment(at(0)), "a": 2})
    assert merge_all(new, old) == merge_all(old, new) == dict(new.vehicle)


def test_last_seen_never_decreases():
    seen = make_report(5, lastSeen=format_moment(at(5)), isReachable=True)
    unreachable = make_report(9, lastSeen=format_moment(at(3)), isReachable=False)
    blank = make_report(10, lastSeen=None)
    assert merge_all(seen, unreachable, blank) == {"lastSeen": format_moment(at(5)), "isReachable": False}


def test_partial_report_overwrites_only_with_known_values():
    known = make_report(1, chargeState=charge(50, 1), information={"vin": "V", "displayName": "Old"}, scopes=["a"])
    discovered = make_report(
        2,
        partial=True,
        chargeState={"batteryLevel": None, "powerDeliveryState": "UNKNOWN", "lastUpdated": None},
        information={"vin": None, "displayName": "New"},
        scopes=None,
        location=None,
    )
    expected = {
        "chargeState": charge(50, 1) | {"powerDeliveryState": "UNKNOWN"},
        "information": {"vin": "V", "displayName": "New"},
        "scopes": ["a"],
        "location": None,
    }
    del expected["chargeState"][
        "powerDeliveryState"
    ]  # the known group is newer than all of its members in the partial report
    assert merge_all(known, discovered) == merge_all(discovered, known) == expected


def test_partial_report_alone_keeps_every_key_that_enode_sent():
    discovered = make_report(1, partial=True, chargeState={"batteryLevel": None}, location=None, scopes=[], x={})
    assert merge_all(discovered) == {"chargeState": {"batteryLevel": None}, "location": None, "scopes": [], "x": {}}


def test_versions_sort_like_times():
    assert (
        format_version_time(datetime(1, 1, 1, tzinfo=UTC))
        < format_version_time(at(0))
        < format_version_time(at(0.000001))
        < format_version_time(at(10))
    )
    state = merge_report(VehicleState(), make_report(3, chargeState=charge(1, 2), lastSeen=None))
    assert parse_version_time(state.versions["chargeState"]) == at(2)
    assert parse_version_time(state.versions["lastSeen"]) is None


leaf = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["UNKNOWN", "a", "b"])
times = st.integers(0, 4).map(lambda n: format_moment(at(n)))
group = st.dictionaries(st.sampled_from(["p", "q", "lastUpdated"]), leaf | times, max_size=3) | leaf
vehicles = st.dictionaries(
    st.sampled_from(["chargeState", "location", "information", "isReachable", "scopes", "new"]), group, max_size=6
)
seen = st.builds(lambda vehicle, last: vehicle | {"lastSeen": last}, vehicles, times | st.none() | st.just("odd"))
report_lists = st.lists(st.tuples(st.integers(0, 4), st.booleans(), seen), max_size=6).map(
    lambda rows: [
        make_report(seconds, number, partial=partial, **vehicle)
        for number, (seconds, partial, vehicle) in enumerate(rows)
    ]
)


@given(report_lists, st.randoms())
def test_state_does_not_depend_on_order_or_repetition_of_reports(reports, random):
    state = VehicleState()
    for report in reports:
        state = merge_report(state, report)
    shuffled = [*reports, *random.sample(reports, len(reports) // 2)]
    random.shuffle(shuffled)
    other = VehicleState()
    for report in shuffled:
        other = merge_report(json_round_trip(other), report)
    assert other == state


@given(report_lists, report_lists, st.randoms())
def test_merging_two_states_equals_merging_all_reports_into_one(ours, theirs, random):
    theirs = [
        VehicleReport(
            enode_vehicle_id="other",
            created_at=report.created_at,
            event_id=report.event_id + 100,
            is_partial=report.is_partial,
            vehicle=report.vehicle,
        )
        for report in theirs
    ]
    one, two, both = VehicleState(), VehicleState(), VehicleState()
    for report in ours:
        one = merge_report(one, report)
    for report in theirs:
        two = merge_report(two, report)
    for report in random.sample([*ours, *theirs], len(ours) + len(theirs)):
        both = merge_report(both, report)
    assert merge_states(one, two).groups == both.groups
    assert merge_states(two, one).groups == both.groups


@given(report_lists)
def test_every_group_has_a_version_and_none_is_newer_than_the_newest_event(reports):
    state = VehicleState()
    for report in reports:
        state = merge_report(state, report)
    assert set(state.groups) == {*state.versions, *state.leaves}
    newest = max((report.created_at for report in reports), default=at(0))
    assert all(
        parse_version_time(version) is None or parse_version_time(version) <= newest
        for version in state.versions.values()
    )


def json_round_trip(state):
    stored = json.loads(json.dumps([dict(state.groups), dict(state.versions), dict(state.leaves)]))
    return VehicleState(groups=stored[0], versions=stored[1], leaves=stored[2])
