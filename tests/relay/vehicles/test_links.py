"""Links between Enode vehicles and ours: when they are live, and when a vehicle is gone."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.links import mark_ended, mark_seen, update_gone_state
from relay.vehicles.models import Vehicle, VehicleLink

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
VEHICLE_ID = uuid4()


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def make_link(enode_id="car", seen_at=0, ended_at=None):
    return VehicleLink(
        enode_vehicle_id=enode_id,
        vehicle_id=VEHICLE_ID,
        linked_at=at(0),
        seen_at=at(seen_at),
        ended_at=None if ended_at is None else at(ended_at),
    )


def test_only_a_report_newer_than_the_deletion_revives_a_link():
    ended = mark_ended(make_link(), at(5))
    assert not mark_seen(ended, at(4)).is_live
    assert not mark_seen(ended, at(5)).is_live
    assert mark_seen(ended, at(6)).is_live


def test_late_deletion_does_not_end_a_link_seen_since():
    assert mark_ended(make_link(seen_at=6), at(5)).is_live


event_lists = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=8)


@given(event_lists, st.randoms())
def test_newest_event_decides_in_any_order_and_with_repetition(events, random):
    shuffled = [*events, *random.sample(events, len(events) // 2)]
    random.shuffle(shuffled)
    state, other = make_link(), make_link()
    for is_report, minute in events:
        state = (mark_seen if is_report else mark_ended)(state, at(minute))
    for is_report, minute in shuffled:
        other = (mark_seen if is_report else mark_ended)(other, at(minute))
    assert state.is_live == other.is_live
    last_seen = max((minute for is_report, minute in events if is_report), default=0)
    last_ended = max((minute for is_report, minute in events if not is_report), default=-1)
    assert state.is_live == (last_seen > last_ended)


def test_vehicle_is_gone_without_live_links_and_keeps_the_first_time_and_reason():
    vehicle = Vehicle(id=VEHICLE_ID, user_id=uuid4(), link_since=NOON)
    assert update_gone_state(vehicle, [make_link("old", ended_at=1), make_link("new")], at(1), "deleted") == vehicle
    updated = update_gone_state(vehicle, [make_link("old", ended_at=1), make_link("new", ended_at=2)], at(2), "deleted")
    assert (updated.gone_at, updated.gone_reason) == (at(2), "deleted")
    assert update_gone_state(updated, [], at(9), "other") == updated
    assert update_gone_state(updated, [make_link()], at(9), "deleted") == vehicle
