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


def wire(moment):
    return moment and moment.isoformat().replace("+00:00", "Z")


def sighting(seconds, number=None, *, partial=False, **vehicle):
    return VehicleReport(
        enode_vehicle_id="car",
        created_at=at(seconds),
        event_id=seconds if number is None else number,
        is_partial=partial,
        vehicle=vehicle,
    )


def merged(*sightings):
    state = VehicleState()
    for it in sightings:
        state = merge_report(state, it)
    return dict(state.groups)


def charge(level, updated=None):
    return {"batteryLevel": level, "lastUpdated": updated and wire(at(updated))}


def test_a_group_is_replaced_whole_with_its_nulls_and_without_what_is_no_longer_there():
    old = sighting(1, chargeState={"chargeRate": 7.2, "pluggedInChargerId": "x", "lastUpdated": wire(at(1))})
    new = sighting(2, chargeState={"chargeRate": None, "lastUpdated": wire(at(2))})
    assert merged(old, new) == merged(new, old) == {"chargeState": {"chargeRate": None, "lastUpdated": wire(at(2))}}


def test_groups_are_as_old_as_they_say_and_not_as_the_event_that_carries_them():
    fresh = sighting(5, chargeState=charge(50, 5), odometer={"distance": 1, "lastUpdated": wire(at(1))})
    stale = sighting(9, chargeState=charge(40, 4), odometer={"distance": 2, "lastUpdated": wire(at(8))})
    for order in ((fresh, stale), (stale, fresh)):
        assert merged(*order)["chargeState"]["batteryLevel"] == 50
        assert merged(*order)["odometer"]["distance"] == 2


def test_a_clock_ahead_of_ours_counts_no_more_than_its_event():
    ahead = sighting(5, chargeState=charge(50, 9000))
    later = sighting(6, chargeState=charge(49, 6))
    assert merged(later, ahead)["chargeState"]["batteryLevel"] == 49


@pytest.mark.parametrize("updated", [None, "soon", 5, "", "0001-01-01T00:00:00+23:00"])
def test_without_a_time_of_its_own_a_group_is_as_old_as_its_event(updated):
    old = sighting(5, location={"latitude": 1, "lastUpdated": wire(at(4))})
    odd = sighting(6, location={"latitude": 2, "lastUpdated": updated})
    new = sighting(7, location={"latitude": 3, "lastUpdated": wire(at(7))})
    assert merged(odd, old)["location"]["latitude"] == 2
    assert merged(new, odd)["location"]["latitude"] == 3


def test_of_one_version_the_newer_event_wins_then_the_one_stored_later():
    first = sighting(5, 1, chargeState=charge(1, 4))
    corrected = sighting(6, 2, chargeState=charge(2, 4))
    twin = sighting(6, 3, chargeState=charge(3, 4))
    assert merged(corrected, first)["chargeState"]["batteryLevel"] == 2
    assert merged(twin, corrected)["chargeState"]["batteryLevel"] == 3


def test_the_rest_goes_by_the_event_also_groups_that_we_do_not_know():
    old = sighting(1, isReachable=True, capabilities={"location": 1}, novelty={"lastUpdated": wire(at(1)), "a": 1})
    new = sighting(2, isReachable=False, capabilities={}, novelty={"lastUpdated": wire(at(0)), "a": 2})
    assert merged(new, old) == merged(old, new) == dict(new.vehicle)


def test_last_seen_never_goes_back():
    seen = sighting(5, lastSeen=wire(at(5)), isReachable=True)
    unreachable = sighting(9, lastSeen=wire(at(3)), isReachable=False)
    blank = sighting(10, lastSeen=None)
    assert merged(seen, unreachable, blank) == {"lastSeen": wire(at(5)), "isReachable": False}


def test_the_nulls_of_discovered_overwrite_nothing_and_its_words_do():
    known = sighting(1, chargeState=charge(50, 1), information={"vin": "V", "displayName": "Old"}, scopes=["a"])
    born = sighting(
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
    del expected["chargeState"]["powerDeliveryState"]  # the group was known whole
    assert merged(known, born) == merged(born, known) == expected


def test_discovered_alone_keeps_every_key_that_enode_sent():
    born = sighting(1, partial=True, chargeState={"batteryLevel": None}, location=None, scopes=[], x={})
    assert merged(born) == {"chargeState": {"batteryLevel": None}, "location": None, "scopes": [], "x": {}}


def test_stamps_sort_as_times_do():
    assert (
        format_version_time(datetime(1, 1, 1, tzinfo=UTC))
        < format_version_time(at(0))
        < format_version_time(at(0.000001))
        < format_version_time(at(10))
    )
    state = merge_report(VehicleState(), sighting(3, chargeState=charge(1, 2), lastSeen=None))
    assert parse_version_time(state.versions["chargeState"]) == at(2)
    assert parse_version_time(state.versions["lastSeen"]) is None


leaf = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["UNKNOWN", "a", "b"])
times = st.integers(0, 4).map(lambda n: wire(at(n)))
group = st.dictionaries(st.sampled_from(["p", "q", "lastUpdated"]), leaf | times, max_size=3) | leaf
vehicles = st.dictionaries(
    st.sampled_from(["chargeState", "location", "information", "isReachable", "scopes", "new"]), group, max_size=6
)
seen = st.builds(lambda vehicle, last: vehicle | {"lastSeen": last}, vehicles, times | st.none() | st.just("odd"))
sightings = st.lists(st.tuples(st.integers(0, 4), st.booleans(), seen), max_size=6).map(
    lambda them: [
        sighting(seconds, number, partial=partial, **vehicle) for number, (seconds, partial, vehicle) in enumerate(them)
    ]
)


@given(sightings, st.randoms())
def test_any_order_and_any_repetition_give_the_same_vehicle(them, random):
    state = VehicleState()
    for it in them:
        state = merge_report(state, it)
    again = [*them, *random.sample(them, len(them) // 2)]
    random.shuffle(again)
    other = VehicleState()
    for it in again:
        other = merge_report(json_round_trip(other), it)
    assert other == state


@given(sightings, sightings, st.randoms())
def test_two_records_of_one_car_become_what_one_record_would_be(ours, theirs, random):
    theirs = [
        VehicleReport(
            enode_vehicle_id="other",
            created_at=it.created_at,
            event_id=it.event_id + 100,
            is_partial=it.partial,
            vehicle=it.vehicle,
        )
        for it in theirs
    ]
    one, two, both = VehicleState(), VehicleState(), VehicleState()
    for it in ours:
        one = merge_report(one, it)
    for it in theirs:
        two = merge_report(two, it)
    for it in random.sample([*ours, *theirs], len(ours) + len(theirs)):
        both = merge_report(both, it)
    assert merge_states(one, two).groups == both.groups
    assert merge_states(two, one).groups == both.groups


@given(sightings)
def test_nothing_is_newer_than_the_newest_event_and_every_group_has_a_version(them):
    state = VehicleState()
    for it in them:
        state = merge_report(state, it)
    assert set(state.groups) == {*state.versions, *state.leaves}
    newest = max((it.created_at for it in them), default=at(0))
    assert all(parse_version_time(it) is None or parse_version_time(it) <= newest for it in state.versions.values())


def json_round_trip(state):
    kept = json.loads(json.dumps([dict(state.groups), dict(state.versions), dict(state.leaves)]))
    return VehicleState(groups=kept[0], versions=kept[1], leaves=kept[2])
