"""Which of two reports of a state group wins: each group by its own time, and the exact edges of that rule."""

import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.merge import format_version_time, merge_report, merge_states, parse_version_time
from relay.vehicles.models import VehicleReport, VehicleState

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
GROUPS_WITH_OWN_TIME = ("chargeState", "location", "odometer")
GROUPS_OF_THE_EVENT = ("information", "capabilities", "scopes", "smartChargingPolicy", "newGroup")
EMPTY_VALUES = (None, "UNKNOWN", {}, [], {"isCapable": False, "interventionIds": []})
KNOWN_VALUES = (0, False, "", "unknown", [0], {"isCapable": True, "interventionIds": []}, {"isCapable": False})


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def text(seconds):
    return at(seconds).isoformat()


def make_report(created, number=1, *, partial=False, **vehicle):
    return VehicleReport(
        enode_vehicle_id="car", created_at=at(created), event_id=number, is_partial=partial, vehicle=vehicle
    )


def merge_all(*reports):
    state = VehicleState()
    for report in reports:
        state = merge_report(state, report)
    return state.groups


def get_winner(group, one, other):
    """The value of `group` after two reports, which doesn't depend on their order."""
    merged, reverse = merge_all(one, other), merge_all(other, one)
    assert merged == reverse
    return merged[group]["value"]


def make_group(value, updated=None):
    return {"value": value} if updated is None else {"value": value, "lastUpdated": text(updated)}


@pytest.mark.parametrize("name", GROUPS_WITH_OWN_TIME)
@pytest.mark.parametrize(
    ("one", "other", "winner"),
    [
        pytest.param((5, 5), (9, 4), "one", id="an older lastUpdated loses in a newer event"),
        pytest.param((5, 4), (9, 5), "other", id="a newer lastUpdated wins"),
        pytest.param((5, 4), (9, 4), "other", id="an equal lastUpdated goes to the newer event"),
        pytest.param((5, 3600), (6, 6), "other", id="a lastUpdated after its event counts as the event's time"),
        pytest.param((5, 3600), (6, 5), "other", id="a lastUpdated after its event ties with one equal to the event"),
        pytest.param((5, None), (6, 4), "one", id="a missing lastUpdated counts as the event's time"),
        pytest.param((5, None), (6, 5), "other", id="a missing lastUpdated ties with one equal to the event"),
    ],
)
def test_group_with_own_time_is_versioned_by_it(name, one, other, winner):
    reports = [
        make_report(created, number, **{name: make_group(value, updated)})
        for number, (value, (created, updated)) in enumerate({"one": one, "other": other}.items())
    ]
    assert get_winner(name, *reports) == winner


@pytest.mark.parametrize("name", GROUPS_WITH_OWN_TIME)
def test_group_does_not_use_the_time_of_another_group(name):
    others = [other for other in GROUPS_WITH_OWN_TIME if other != name]
    fresh = make_report(5, 1, **{name: make_group("fresh", 5)}, **{other: make_group("old", 1) for other in others})
    stale = make_report(9, 2, **{name: make_group("stale", 1)}, **{other: make_group("new", 9) for other in others})
    assert get_winner(name, fresh, stale) == "fresh"
    assert [get_winner(other, fresh, stale) for other in others] == ["new", "new"]


@pytest.mark.parametrize("name", GROUPS_OF_THE_EVENT)
def test_other_group_is_versioned_by_its_event_even_with_a_last_updated(name):
    old, new = make_report(5, 1, **{name: make_group("old", 5)}), make_report(6, 2, **{name: make_group("new", 1)})
    assert get_winner(name, old, new) == "new"


@pytest.mark.parametrize("name", GROUPS_WITH_OWN_TIME)
@pytest.mark.parametrize("value", [None, "odd", 7, []])
def test_group_that_is_no_object_is_versioned_by_its_event(name, value):
    known = make_report(5, 1, **{name: make_group("known", 5)})
    assert merge_all(known, make_report(6, 2, **{name: value})) == {name: value}
    assert merge_all(known, make_report(4, 2, **{name: value})) == {name: make_group("known", 5)}


@pytest.mark.parametrize(
    ("first", "second"), [(1, 2), (9, 10), (99, 100), (2**31, 2**31 + 1), (999_999_999, 10**12)], ids=str
)
def test_events_of_one_time_are_ordered_by_the_number_not_the_digits_of_their_ids(first, second):
    earlier, later = (make_report(5, number, location=make_group(number, 4)) for number in (first, second))
    assert get_winner("location", earlier, later) == second


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        pytest.param("2026-11-23T12:00:01+01:00", "2026-11-23T11:00:00Z", id="a zone ahead of UTC"),
        pytest.param("2026-11-23T06:00:01-05:00", "2026-11-23T11:00:00Z", id="a zone behind UTC"),
        pytest.param("2026-11-23T11:00:00.000001Z", "2026-11-23T11:00:00Z", id="a microsecond"),
        pytest.param("2026-11-23T10:00:00Z", "2026-11-23T09:59:59Z", id="hours of one and two digits"),
    ],
)
def test_times_are_compared_as_moments(newer, older):
    new = make_report(5, 1, odometer={"value": "new", "lastUpdated": newer})
    old = make_report(6, 2, odometer={"value": "old", "lastUpdated": older})
    assert get_winner("odometer", new, old) == "new"


@pytest.mark.parametrize("offset", [-11, -5, 0, 2, 14])
@pytest.mark.parametrize("local_zone", ["UTC", "Asia/Kathmandu"])
def test_version_time_is_utc_with_microseconds_and_parses_back(offset, local_zone, monkeypatch):
    monkeypatch.setenv("TZ", local_zone)
    time.tzset()
    moment = datetime(2026, 11, 23, 12, 0, 5, 7, tzinfo=UTC).astimezone(timezone(timedelta(hours=offset)))
    assert format_version_time(moment) == "2026-11-23T12:00:05.000007"
    parsed = parse_version_time(f"{format_version_time(moment)} {format_version_time(at(9))} {7:019d}")
    assert parsed == moment
    assert parsed.tzinfo is UTC
    monkeypatch.undo()
    time.tzset()


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=6))
def test_version_times_have_26_characters_and_the_order_of_the_moments(moments):
    assert sorted(moments) == sorted(moments, key=format_version_time)
    assert {len(format_version_time(moment)) for moment in moments} == {26}


@pytest.mark.parametrize(
    ("one", "other", "winner"),
    [
        pytest.param((5, text(5)), (9, text(3)), text(5), id="the later one stays"),
        pytest.param((5, text(3)), (9, text(5)), text(5), id="the later one replaces"),
        pytest.param((5, text(3)), (9, None), text(3), id="a null doesn't erase it"),
        pytest.param((5, text(3)), (9, "odd"), text(3), id="a text that is no time doesn't replace it"),
        pytest.param((5, text(3600)), (6, text(6)), text(6), id="one after its event counts as the event's time"),
        pytest.param((5, "odd"), (9, None), None, id="of two unknown ones the newer event's stays"),
    ],
)
def test_last_seen_is_its_own_version(one, other, winner):
    reports = [make_report(created, number, lastSeen=seen) for number, (created, seen) in enumerate((one, other))]
    assert merge_all(*reports) == merge_all(*reversed(reports)) == {"lastSeen": winner}


@pytest.mark.parametrize("value", EMPTY_VALUES, ids=str)
def test_discovery_never_replaces_a_known_member_by_an_empty_one(value):
    known = make_report(1, 1, capabilities={"charge": "known"})
    discovered = make_report(9, 2, partial=True, capabilities={"charge": value})
    assert merge_all(known, discovered) == merge_all(discovered, known) == {"capabilities": {"charge": "known"}}


@pytest.mark.parametrize("value", [None, "UNKNOWN", {}, []], ids=str)
def test_discovery_never_replaces_a_known_group_by_an_empty_one(value):
    known, discovered = make_report(1, 1, scopes=["known"]), make_report(9, 2, partial=True, scopes=value)
    assert merge_all(known, discovered) == merge_all(discovered, known) == {"scopes": ["known"]}


@pytest.mark.parametrize("value", EMPTY_VALUES, ids=str)
def test_discovery_fills_a_gap_with_an_empty_value(value):
    discovered = make_report(9, 2, partial=True, capabilities={"charge": value})
    assert merge_all(discovered) == {"capabilities": {"charge": value}}
    known = make_report(1, 1, capabilities={"charge": "known"})
    assert merge_all(discovered, known) == {"capabilities": {"charge": "known"}}


@pytest.mark.parametrize("value", KNOWN_VALUES, ids=str)
def test_discovery_replaces_older_values_by_known_ones_only(value):
    known = make_report(5, 1, capabilities={"charge": "known", "other": 1})
    newer = make_report(9, 2, partial=True, capabilities={"charge": value})
    older = make_report(4, 2, partial=True, capabilities={"charge": value})
    replaced = {"capabilities": {"charge": value, "other": 1}}
    assert merge_all(known, newer) == merge_all(newer, known) == replaced
    assert merge_all(known, older) == merge_all(older, known) == {"capabilities": {"charge": "known", "other": 1}}


@pytest.mark.parametrize("value", [["new"], 0, False, "", "new"], ids=str)
def test_discovery_replaces_an_older_group_by_a_known_value(value):
    known, newer = make_report(5, 1, scopes=["known"]), make_report(9, 2, partial=True, scopes=value)
    assert merge_all(known, newer) == merge_all(newer, known) == {"scopes": value}
    older = make_report(4, 2, partial=True, scopes=value)
    assert merge_all(known, older) == merge_all(older, known) == {"scopes": ["known"]}


@pytest.mark.parametrize("value", EMPTY_VALUES, ids=str)
def test_update_replaces_a_known_value_by_an_empty_one(value):
    known, update = make_report(1, 1, scopes=["known"]), make_report(2, 2, scopes=value)
    assert merge_all(known, update) == merge_all(update, known) == {"scopes": value}


def test_member_of_a_discovery_has_the_time_of_its_group():
    known = make_report(5, 1, chargeState=make_group("known", 5))
    stale = make_report(9, 2, partial=True, chargeState=make_group("stale", 4))
    fresh = make_report(9, 2, partial=True, chargeState=make_group("fresh", 6))
    assert get_winner("chargeState", known, stale) == "known"
    assert get_winner("chargeState", known, fresh) == "fresh"


def test_member_of_a_discovery_fills_a_group_that_is_null():
    unknown = make_report(5, 1, information=None)
    discovered = make_report(9, 2, partial=True, information={"displayName": "Blue"})
    expected = {"information": {"displayName": "Blue"}}
    assert merge_all(unknown, discovered) == merge_all(discovered, unknown) == expected


def test_newer_update_removes_members_that_only_a_discovery_had():
    discovered = make_report(5, 1, partial=True, information={"displayName": "Blue", "vin": "V"})
    update = make_report(6, 2, information={"vin": "V"})
    assert merge_all(discovered, update) == merge_all(update, discovered) == {"information": {"vin": "V"}}


def test_merging_states_keeps_the_newest_of_groups_and_of_discovered_members():
    ours = merge_report(VehicleState(), make_report(5, 1, information={"brand": "Old"}, scopes=["new"]))
    theirs = merge_report(VehicleState(), make_report(4, 2, scopes=["old"], isReachable=True))
    theirs = merge_report(theirs, make_report(6, 3, partial=True, information={"displayName": "Blue"}))
    expected = {"information": {"brand": "Old", "displayName": "Blue"}, "scopes": ["new"], "isReachable": True}
    assert merge_states(ours, theirs).groups == merge_states(theirs, ours).groups == expected
    assert merge_states(ours, theirs).leaves.keys() == {"information"}


@given(
    st.sampled_from([*GROUPS_WITH_OWN_TIME, *GROUPS_OF_THE_EVENT]),
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 8)), min_size=1, max_size=6),
)
def test_winner_is_the_report_with_the_greatest_time_then_event_then_id(name, reports):
    def get_order(number):
        created, updated = reports[number]
        if updated is None or name in GROUPS_OF_THE_EVENT:
            return created, created, number
        return min(updated, created), created, number

    state = VehicleState()
    for number, (created, updated) in enumerate(reports):
        state = merge_report(state, make_report(created, number, **{name: make_group(number, updated)}))
    winner = max(range(len(reports)), key=get_order)
    assert state.groups[name]["value"] == winner
    assert parse_version_time(state.versions[name]) == at(get_order(winner)[0])


DATA, PLACE = "vehicle:read:data", "vehicle:read:location"
UNKNOWN_GROUPS = {
    "chargeState": {"batteryLevel": None, "isCharging": None, "powerDeliveryState": "UNKNOWN", "lastUpdated": None},
    "location": {"id": None, "latitude": None, "longitude": None, "lastUpdated": None},
    "odometer": {"distance": None, "lastUpdated": None},
    "information": {"vin": None, "brand": None, "displayName": None},
}


@pytest.mark.parametrize("reachable", [False, None])
@pytest.mark.parametrize("name", UNKNOWN_GROUPS)
@pytest.mark.parametrize("updated", [None, 9])
@pytest.mark.parametrize("scopes", [None, [DATA, PLACE]], ids=str)
def test_unknown_group_of_a_vehicle_that_cannot_be_reached_erases_nothing(name, reachable, updated, scopes):
    known = make_report(5, 1, isReachable=True, **{name: make_group("known", 5)})
    unknown = UNKNOWN_GROUPS[name] | ({} if updated is None else {"lastUpdated": text(updated)})
    asleep = make_report(9, 2, isReachable=reachable, scopes=scopes, **{name: unknown})
    for order in ((known, asleep), (asleep, known)):
        merged = merge_all(*order)
        assert (merged[name], merged["isReachable"]) == (make_group("known", 5), reachable)


READINGS = {"isPluggedIn": True, "isCharging": True, "batteryLevel": 72, "range": 300, "pluggedInChargerId": "charger"}
NO_READINGS = dict.fromkeys(READINGS) | {"powerDeliveryState": "UNKNOWN", "isFullyCharged": False}


@pytest.mark.parametrize("reachable", [False, None])
@pytest.mark.parametrize(
    "settings",
    [{"batteryCapacity": 64}, {"chargeLimit": 80}, {"maxCurrent": 16}, {"batteryCapacity": 64, "chargeLimit": 90}],
    ids=str,
)
def test_settings_that_are_known_while_the_vehicle_cannot_be_reached_do_not_erase_its_readings(settings, reachable):
    state = READINGS | {"batteryCapacity": 60, "chargeLimit": 100, "maxCurrent": None}
    known = make_report(5, 1, isReachable=True, chargeState=state | {"lastUpdated": text(5)})
    asleep = make_report(9, 2, isReachable=reachable, chargeState={**NO_READINGS, **settings, "lastUpdated": text(9)})
    older = make_report(4, 3, isReachable=True, chargeState=state | {"batteryLevel": 10, "lastUpdated": text(4)})
    expected = {**state, **settings, "lastUpdated": text(5)}
    for order in ((known, asleep), (asleep, known), (asleep, older, known), (older, asleep, known, asleep)):
        assert merge_all(*order)["chargeState"] == expected
    awake = make_report(12, 4, isReachable=True, chargeState=state | {"lastUpdated": text(12)})
    assert merge_all(known, asleep, awake)["chargeState"] == state | {"lastUpdated": text(12)}


@pytest.mark.parametrize(
    ("name", "readings", "derived"),
    [
        ("chargeState", {"batteryLevel": 72, "pluggedInChargerId": None}, {"pluggedInChargerId": "charger"}),
        ("location", {"latitude": 52.1, "longitude": 5.1, "id": None}, {"id": "home"}),
    ],
)
def test_members_that_enode_derives_do_not_erase_the_readings_of_a_vehicle_that_cannot_be_reached(
    name, readings, derived
):
    known = make_report(5, 1, isReachable=True, **{name: readings | {"lastUpdated": text(5)}})
    asleep = make_report(9, 2, isReachable=False, **{name: dict.fromkeys(readings) | derived})
    assert merge_all(known, asleep)[name] == merge_all(asleep, known)[name] == readings | {"lastUpdated": text(5)}


@pytest.mark.parametrize(
    ("members", "group"),
    [
        pytest.param({"isReachable": True}, UNKNOWN_GROUPS["chargeState"], id="a reachable vehicle"),
        pytest.param({}, UNKNOWN_GROUPS["chargeState"], id="a report that doesn't say whether it is reachable"),
        pytest.param({"isReachable": False, "scopes": [PLACE]}, UNKNOWN_GROUPS["chargeState"], id="a revoked scope"),
        pytest.param({"isReachable": False, "scopes": []}, UNKNOWN_GROUPS["chargeState"], id="all scopes revoked"),
        pytest.param({"isReachable": False}, {"batteryLevel": 50, "chargeLimit": 80}, id="a member that is known"),
        pytest.param({"isReachable": False}, {"batteryLevel": None, "isFullyCharged": True}, id="a full battery"),
        pytest.param({"isReachable": False}, {"batteryLevel": None, "range": 0}, id="a range of zero"),
        pytest.param({"isReachable": False}, {"isCharging": False}, id="a flag that is false"),
        pytest.param({"isReachable": False}, "odd", id="a group that is no object"),
    ],
)
def test_group_replaces_what_is_known_unless_it_is_unknown_and_the_vehicle_cannot_be_reached(members, group):
    known = make_report(5, 1, isReachable=True, chargeState=make_group("known", 5))
    assert merge_all(known, make_report(9, 2, chargeState=group, **members))["chargeState"] == group


@pytest.mark.parametrize(("scope", "kept"), [(DATA, True), (PLACE, False)])
def test_each_group_is_covered_by_its_own_scope(scope, kept):
    known = make_report(5, 1, odometer=make_group("known", 5), location=make_group("known", 5))
    unknown = {name: UNKNOWN_GROUPS[name] for name in ("odometer", "location")}
    merged = merge_all(known, make_report(9, 2, isReachable=False, scopes=[scope], **unknown))
    assert (merged["odometer"] == make_group("known", 5)) is kept
    assert (merged["location"] == make_group("known", 5)) is not kept


@pytest.mark.parametrize("name", ["capabilities", "smartChargingPolicy", "scopes"])
def test_other_groups_are_erased_though_the_vehicle_cannot_be_reached(name):
    known = make_report(5, 1, **{name: make_group("known")})
    assert merge_all(known, make_report(9, 2, isReachable=False, **{name: None}))[name] is None


PLUGGED_IN = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
LEVELS = {"batteryLevel": 72, "range": 300, "isFullyCharged": False, "chargeLimit": 80, "batteryCapacity": 60}
NO_LEVELS = dict.fromkeys(LEVELS) | {"isFullyCharged": False}
NO_FLAGS = {"isPluggedIn": None, "isCharging": None, "powerDeliveryState": "UNKNOWN"}
CHARGING = {"isPluggedIn": True, "isCharging": True, "powerDeliveryState": "PLUGGED_IN:CHARGING", "chargeRate": 7}


@pytest.mark.parametrize(
    ("name", "known", "partly", "expected"),
    [
        pytest.param("chargeState", CHARGING | LEVELS, PLUGGED_IN | NO_LEVELS, PLUGGED_IN | LEVELS, id="flags alone"),
        pytest.param(
            "chargeState",
            CHARGING | LEVELS,
            NO_FLAGS | {"chargeRate": None} | LEVELS | {"batteryLevel": 75},
            CHARGING | LEVELS | {"batteryLevel": 75},
            id="level alone",
        ),
        pytest.param(
            "chargeState",
            CHARGING | LEVELS,
            PLUGGED_IN | {"chargeRate": None} | NO_LEVELS,
            PLUGGED_IN | {"chargeRate": None} | LEVELS,
            id="no power, because it doesn't charge",
        ),
        pytest.param(
            "chargeState",
            CHARGING | LEVELS,
            NO_FLAGS | {"isPluggedIn": False} | NO_LEVELS,
            NO_FLAGS | {"isPluggedIn": False} | LEVELS,
            id="one of the flags: the older others may contradict it",
        ),
        pytest.param(
            "chargeState",
            LEVELS | {"isFullyCharged": True},
            LEVELS | {"batteryLevel": 71, "range": None},
            LEVELS | {"batteryLevel": 71},
            id="not full, because the level is known",
        ),
        pytest.param(
            "location",
            {"latitude": 52.1, "longitude": 5.1, "id": None},
            {"latitude": 52.2, "longitude": None, "id": "home"},
            {"latitude": 52.1, "longitude": 5.1, "id": "home"},
            id="half a position",
        ),
        pytest.param(
            "information",
            {"brand": "Kia", "model": "EV6", "year": 2023, "vin": None},
            {"brand": "Kia", "model": None, "year": None, "vin": None},
            {"brand": "Kia", "model": "EV6", "year": 2023, "vin": None},
            id="brand alone",
        ),
    ],
)
def test_unknown_members_of_a_vehicle_that_cannot_be_reached_erase_nothing(name, known, partly, expected):
    older = make_report(4, 1, isReachable=True, **{name: dict.fromkeys(known, "older")})
    before = make_report(5, 2, isReachable=True, **{name: known})
    asleep = make_report(9, 3, isReachable=False, **{name: partly})
    for order in permutations((older, before, asleep, asleep)):
        assert merge_all(*order)[name] == expected
    theirs = merge_report(VehicleState(), asleep)
    ours = merge_report(merge_report(VehicleState(), older), before)
    assert merge_states(ours, theirs).groups[name] == merge_states(theirs, ours).groups[name] == expected
    awake = make_report(12, 4, isReachable=True, **{name: dict.fromkeys(known)})
    for order in permutations((before, asleep, awake)):
        assert merge_all(*order)[name] == dict.fromkeys(known)


@pytest.mark.parametrize("members", [{"isReachable": True}, {}, {"isReachable": False, "scopes": [PLACE]}], ids=str)
def test_unknown_members_erase_what_is_known_unless_the_vehicle_cannot_be_reached(members):
    known = make_report(5, 1, chargeState=CHARGING | LEVELS)
    partly = PLUGGED_IN | NO_LEVELS
    assert merge_all(known, make_report(9, 2, chargeState=partly, **members))["chargeState"] == partly


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from([True, False]),
            st.sampled_from([True, None]),
            st.none() | st.integers(0, 3),
            st.none() | st.integers(0, 3),
        ),
        max_size=5,
    ),
    st.randoms(),
)
def test_partly_known_groups_give_the_same_state_in_any_order(rows, random):
    reports = [
        make_report(
            created,
            number,
            isReachable=reachable,
            chargeState={"isPluggedIn": plugged_in, "batteryLevel": level, "range": range_km},
        )
        for number, (created, reachable, plugged_in, level, range_km) in enumerate(rows)
    ]
    shuffled = [*reports, *random.sample(reports, len(reports) // 2)]
    random.shuffle(shuffled)
    assert merge_all(*shuffled) == merge_all(*reports)
