"""Versions in the future lose to every report with a time, and to no other one."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.vehicles.future_versions import DISCARDED_VERSION, discard_future_versions
from relay.vehicles.merge import UNKNOWN_TIME, format_version_time, parse_version_time
from relay.vehicles.models import VehicleState

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def make_version(time, event_id=1):
    text = format_version_time(time)
    return f"{text} {text} {event_id:019d}"


@pytest.mark.parametrize(
    ("ahead", "is_kept"),
    [(-3600, True), (0, True), (119, True), (120, True), (121, False), (86_400, False), (10**9, False)],
)
def test_versions_further_ahead_than_clocks_differ_are_discarded(ahead, is_kept):
    version, other = make_version(NOW + timedelta(seconds=ahead), 0), make_version(NOW)
    state = VehicleState(
        groups={"a": 1, "b": {"c": 2}}, versions={"a": version, "b": other}, leaves={"b": {"c": version, "d": other}}
    )
    found = discard_future_versions(state, NOW)
    expected = version if is_kept else DISCARDED_VERSION
    assert (found.versions, found.leaves) == ({"a": expected, "b": other}, {"b": {"c": expected, "d": other}})
    assert found.groups == state.groups
    assert (found is state) is is_kept


@pytest.mark.parametrize("member", ["versions", "leaves"])
def test_a_single_future_version_is_enough(member):
    future, past = make_version(NOW + timedelta(days=1)), make_version(NOW)
    versions = {"a": future if member == "versions" else past}
    leaves = {"a": {"b": future if member == "leaves" else past}}
    found = discard_future_versions(VehicleState(groups={"a": {}}, versions=versions, leaves=leaves), NOW)
    assert DISCARDED_VERSION in {*found.versions.values(), *found.leaves["a"].values()}


def test_discarded_version_is_between_unknown_and_known_times():
    unknown = f"{UNKNOWN_TIME} {format_version_time(datetime.max.replace(tzinfo=UTC))} {10**19 - 1}"
    known = make_version(datetime.min.replace(tzinfo=UTC), 0)
    assert unknown < DISCARDED_VERSION < known
    assert parse_version_time(DISCARDED_VERSION) is None


def test_versions_without_a_time_are_kept():
    state = VehicleState(groups={"a": 1, "b": 1}, versions={"a": "9", "b": f"{UNKNOWN_TIME} 2026 1"})
    assert discard_future_versions(state, NOW) is state
