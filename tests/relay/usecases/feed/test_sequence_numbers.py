"""Feeds whose sequence numbers go from 8 to 11: they are compared as numbers, in every statement."""

import pytest

from relay.feed.cursor import Cursor
from relay.feed.sequence import advance_feed
from relay.usecases.feed.reader import read_changes, read_snapshot
from tests.relay.support.feed import add_transition, add_user, put_vehicle, remove_vehicle


@pytest.fixture
async def ada(pool):
    """A user whose feed is at 7."""
    ada = await add_user(pool)
    async with pool.connection() as connection:
        await connection.execute("update feeds set seq = 7, epoch = 'e'")
    return ada


async def read_seqs(pool, user, since):
    async with pool.connection() as connection:
        changes = (await read_changes(connection, {user.id: since})).get(user.id)
    return None if changes is None else ([message.seq for message in changes.messages], changes.end_cursor.seq)


async def test_changes_follow_in_the_order_of_their_numbers(pool, ada):
    vehicle_id, first = await put_vehicle(pool, ada.id)
    seqs = [first, *[await add_transition(pool, ada.id, vehicle_id, kind) for kind in ("a", "b", "c")]]
    removed, _ = await put_vehicle(pool, ada.id)
    seqs.append(await remove_vehicle(pool, ada.id, removed))
    assert seqs == [8, 9, 10, 11, 13]
    for since in range(14):
        expected = ([seq for seq in seqs if seq > since], 13)
        assert await read_seqs(pool, ada, since) == (None if since == 13 else expected)


@pytest.mark.parametrize(
    ("since", "replayed", "gap"),
    [
        (7, [9, 10, 11], False),
        (8, [9, 10, 11], False),
        (9, [10, 11], False),
        (10, [11], False),
        (11, [], False),
        (12, [], True),
    ],
)
async def test_snapshot_replays_what_is_after_the_cursor(pool, ada, since, replayed, gap):
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    for kind in ("a", "b", "c"):
        await add_transition(pool, ada.id, vehicle_id, kind)
    async with pool.connection() as connection:
        snapshot = await read_snapshot(connection, ada.id, Cursor(epoch="e", seq=since))
    assert [transition.seq for transition in snapshot.replay] == replayed
    assert snapshot.gap is gap
    assert snapshot.cursor == Cursor(epoch="e", seq=11)
    assert snapshot.pair_replay_with_cursors() == [
        (transition, Cursor(epoch="e", seq=transition.seq)) for transition in snapshot.replay
    ]


async def test_numbers_are_reserved_in_blocks(pool, ada):
    bob = await add_user(pool)
    async with pool.connection() as connection:
        assert [await advance_feed(connection, ada.id, count) for count in (1, 2, 0, 3)] == [8, 10, 10, 13]
        assert await advance_feed(connection, bob.id, 1) == 1
        await connection.execute("delete from feeds where user_id = %s", [bob.id])
        with pytest.raises(LookupError):
            await advance_feed(connection, bob.id, 1)
