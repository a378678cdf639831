from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.links import mark_ended, mark_seen, update_gone_state
from relay.vehicles.models import Vehicle, VehicleLink

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CAR = uuid4()


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def link(enode_id="car", seen_at=0, ended_at=None):
    return VehicleLink(
        enode_vehicle_id=enode_id,
        vehicle_id=CAR,
        linked_at=at(0),
        seen_at=at(seen_at),
        ended_at=None if ended_at is None else at(ended_at),
    )


def test_an_older_update_does_not_raise_a_tombstone_and_a_newer_one_does():
    buried = mark_ended(link(), at(5))
    assert not mark_seen(buried, at(4)).is_live
    assert not mark_seen(buried, at(5)).is_live
    assert mark_seen(buried, at(6)).is_live


def test_a_late_deletion_does_not_end_what_was_seen_since():
    assert mark_ended(link(seen_at=6), at(5)).is_live


happenings = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=8)


@given(happenings, st.randoms())
def test_in_any_order_and_however_often_the_newest_word_counts(them, random):
    again = [*them, *random.sample(them, len(them) // 2)]
    random.shuffle(again)
    state, other = link(), link()
    for shows, minute in them:
        state = (mark_seen if shows else mark_ended)(state, at(minute))
    for shows, minute in again:
        other = (mark_seen if shows else mark_ended)(other, at(minute))
    assert state.is_live == other.is_live
    last_seen = max((minute for shows, minute in them if shows), default=0)
    last_ended = max((minute for shows, minute in them if not shows), default=-1)
    assert state.is_live == (last_seen > last_ended)


def test_a_car_is_gone_when_its_last_link_is_and_keeps_when_that_was():
    car = Vehicle(id=CAR, user_id=uuid4(), link_since=NOON)
    assert update_gone_state(car, [link("old", ended_at=1), link("new")], at(1), "deleted") == car
    gone = update_gone_state(car, [link("old", ended_at=1), link("new", ended_at=2)], at(2), "deleted")
    assert (gone.gone_at, gone.gone_reason) == (at(2), "deleted")
    assert update_gone_state(gone, [], at(9), "other") == gone
    assert update_gone_state(gone, [link()], at(9), "deleted") == car
