"""What a report says about charging, and how two samples of one moment are merged."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from relay.vehicles.models import VehicleReport
from relay.vehicles.plausibility.raw_samples import ChargeMembers, merge_raw_samples, parse_raw_sample
from tests.relay.support.charging import charging, make_raw, stopped

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def make_report(charge, *, created=10, number=7, partial=False, **groups):
    vehicle = {"chargeState": charge} | groups
    return VehicleReport(
        enode_vehicle_id="car", created_at=at(created), event_id=number, is_partial=partial, vehicle=vehicle
    )


@pytest.mark.parametrize(
    ("updated", "expected"),
    [
        pytest.param(at(4).isoformat(), at(4), id="lastUpdated before the event"),
        pytest.param(at(10).isoformat(), at(10), id="lastUpdated at the event"),
        pytest.param(at(11).isoformat(), at(10), id="lastUpdated after the event counts as the event"),
        pytest.param(None, at(10), id="no lastUpdated"),
        pytest.param("odd", at(10), id="lastUpdated that is no time"),
    ],
)
def test_sample_is_of_the_time_at_which_the_charge_state_was_true(updated, expected):
    assert parse_raw_sample(make_report({"isCharging": True, "lastUpdated": updated})).at == expected


@pytest.mark.parametrize(
    ("charge", "is_sample"),
    [
        pytest.param({"isCharging": True, "batteryLevel": 50}, True, id="charging and level"),
        pytest.param({"isCharging": False}, True, id="charging only"),
        pytest.param({"batteryLevel": 0}, True, id="level only"),
        pytest.param({"isPluggedIn": True}, True, id="plugged in only"),
        pytest.param({"powerDeliveryState": "UNPLUGGED"}, True, id="state only"),
        pytest.param({"chargeRate": 7, "batteryCapacity": 50}, False, id="none of the three"),
        pytest.param({"powerDeliveryState": "UNKNOWN"}, False, id="unknown state"),
        pytest.param({}, False, id="nothing"),
        pytest.param(None, False, id="no charge state"),
        pytest.param("odd", False, id="a charge state that is no object"),
    ],
)
def test_report_is_a_sample_when_charging_level_or_plug_is_known(charge, is_sample):
    assert (parse_raw_sample(make_report(charge)) is not None) is is_sample
    assert parse_raw_sample(make_report(charge, partial=True)) is None


def test_sample_has_charge_state_place_and_the_version_of_its_event():
    charge = {
        "isCharging": True, "isPluggedIn": True, "batteryLevel": 50, "chargeRate": 7.2, "batteryCapacity": 60,
    }  # fmt: skip
    location, odometer = {"latitude": 52.5, "longitude": -5.25}, {"distance": 48213}
    sample = parse_raw_sample(make_report(charge, location=location, odometer=odometer))
    assert sample.charge == ChargeMembers(charging=True, plugged_in=True, level=50, rate=7.2, capacity=60)
    assert sample.place == VehiclePlace(latitude=52.5, longitude=-5.25, odometer_km=48213)
    assert sample.version == sample.place_version == "2026-11-23T12:10:00.000000 0000000000000000007"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param((9, 2), (10, 1), id="by time"),
        pytest.param((10, 1), (10, 2), id="by id"),
        pytest.param((10, 9), (10, 10), id="by the number of the id"),
    ],
)
def test_versions_order_samples_like_their_events(older, newer):
    one, other = (
        parse_raw_sample(make_report({"isCharging": True}, created=created, number=number))
        for created, number in (older, newer)
    )
    assert one.version < other.version


@pytest.mark.parametrize(
    ("latitude", "longitude", "known"),
    [
        (90, 180, True),
        (-90, -180, True),
        (0, 0, False),
        (0.0009, -0.0009, False),
        (0.0011, 0, True),
        (0, 5, True),
        (90.01, 5, False),
        (-90.01, 5, False),
        (52, 180.01, False),
        (52, -180.01, False),
        (None, 5, False),
        (52, None, False),
        ("52", 5, False),
    ],
)
def test_position_is_known_when_both_its_degrees_are_on_the_globe(latitude, longitude, known):
    location = {"latitude": latitude, "longitude": longitude}
    sample = parse_raw_sample(make_report({"isCharging": True}, location=location, odometer={"distance": 5}))
    expected = (latitude, longitude) if known else (None, None)
    assert (sample.place.latitude, sample.place.longitude, sample.place.odometer_km) == (*expected, 5)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0, 0.0), (0.1, 0.1), (-0.01, None), (5_000_000, 5e6), (16_777_215, None), ("5", None), (None, None)],
)
def test_odometer_is_known_when_a_vehicle_can_have_driven_that_far(distance, expected):
    sample = parse_raw_sample(make_report({"isCharging": True}, odometer={"distance": distance}))
    assert sample.place == VehiclePlace(odometer_km=expected)


@pytest.mark.parametrize(
    "groups", [{}, {"location": None, "odometer": None}, {"location": 1, "odometer": "odd"}], ids=str
)
def test_place_of_a_report_without_location_and_odometer_is_unknown(groups):
    assert parse_raw_sample(make_report({"isCharging": True}, **groups)).place == UNKNOWN_PLACE


def test_merged_sample_has_the_newer_charge_state_and_the_older_place():
    home, road = VehiclePlace(latitude=1, longitude=1), VehiclePlace(latitude=2, longitude=2)
    older, newer = charging(0, 40, version=1, place=home), stopped(0, 41, version=2, place=road)
    older = replace(make_raw(older), odometer_at=at(1), located_at=at(2))
    newer = replace(make_raw(newer), odometer_at=at(3), located_at=at(4))
    for merged in (merge_raw_samples(older, newer), merge_raw_samples(newer, older)):
        assert (merged.charge, merged.version) == (newer.charge, newer.version)
        assert (merged.place, merged.place_version) == (home, older.place_version)
        assert (merged.odometer_at, merged.located_at) == (at(1), at(2))
    assert merge_raw_samples(older, older) == older


def test_place_of_the_oldest_of_three_events_stays():
    one, two, three = (
        make_raw(charging(0, level, version=level, place=VehiclePlace(latitude=level, longitude=0)))
        for level in (1, 2, 3)
    )
    merged = merge_raw_samples(merge_raw_samples(two, three), one)
    assert (merged.charge.level, merged.place.latitude) == (3, 1)
    merged = merge_raw_samples(merge_raw_samples(one, three), two)
    assert (merged.charge.level, merged.place.latitude) == (3, 1)


@pytest.mark.parametrize(
    ("changed", "equivalent"),
    [
        pytest.param({"version": "9"}, True, id="another version"),
        pytest.param({"place_version": "9"}, True, id="another version of the place"),
        pytest.param({"at": at(1)}, False, id="another time"),
        pytest.param({"charge": ChargeMembers(charging=True, level=41)}, False, id="another charge state"),
        pytest.param({"place": VehiclePlace(odometer_km=1)}, False, id="another place"),
    ],
)
def test_samples_are_equivalent_when_only_their_versions_differ(changed, equivalent):
    sample = make_raw(charging(0, 40))
    assert sample.is_equivalent(replace(sample, **changed)) is equivalent


def test_text_that_is_too_long_is_no_state():
    report = make_report({"isCharging": True, "powerDeliveryState": "X" * 65}, vendor="Y" * 65)
    assert (parse_raw_sample(report).charge.state, parse_raw_sample(report).vendor) == (None, None)


def test_text_of_a_place_for_logs_has_no_position():
    text = repr(make_raw(charging(0, 40, place=VehiclePlace(latitude=52.123, longitude=5.456, odometer_km=7.0))))
    assert ("52.123" in text, "5.456" in text) == (False, False)
    text = repr(VehiclePlace(latitude=52.123, longitude=5.456, odometer_km=7.0))
    assert ("52.123" in text, "5.456" in text, "7.0" in text) == (False, False, True)
