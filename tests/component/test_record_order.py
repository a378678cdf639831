"""Which record replaces which, by the order in which the channels deliver them."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.evconduit.record_order import RecordOrder


def apply_snapshot(
    order: RecordOrder,
    revisions: dict[str, int],
    cursor: str | None = None,
    *,
    epoch: str | None = "e1",
    since: int | None = None,
    gap: bool = False,
) -> tuple[set[str], set[str]] | None:
    """Return which vehicles are updated and removed. None if the snapshot is ignored."""
    changes = order.accept_snapshot(revisions, epoch, cursor, since=since, gap=gap)
    return None if changes is None else (set(changes.updated), set(changes.removed))


@pytest.fixture
def order() -> RecordOrder:
    """The order after a stream's snapshot with two vehicles."""
    order = RecordOrder()
    assert apply_snapshot(order, {"a": 5, "b": 3}, "e1.5", since=order.mark()) == ({"a", "b"}, set())
    return order


@pytest.mark.parametrize(("revision", "expected"), [(4, False), (5, False), (6, True)])
@pytest.mark.parametrize("since", [None, 0])
def test_record_replaces_only_older_revisions(order: RecordOrder, revision: int, since: int | None, *, expected: bool):
    assert order.accept_record("a", revision, since=since) is expected


def test_first_record_of_a_vehicle_is_accepted(order: RecordOrder):
    assert order.accept_record("c", 1, since=None)
    assert not order.accept_record("c", 1, since=None)


@pytest.mark.parametrize(("cursor", "expected"), [("e1.9", False), ("e2.9", True), (None, False), ("odd", False)])
def test_only_a_snapshot_starts_an_epoch(order: RecordOrder, cursor: str | None, *, expected: bool):
    assert order.is_foreign(cursor) is expected
    assert RecordOrder().is_foreign(cursor) is False


@pytest.mark.parametrize(
    ("revisions", "cursor", "updated", "removed"),
    [
        ({"a": 5, "b": 3}, "e1.5", {"a", "b"}, set()),  # an equal revision may have been rendered by another version
        ({"a": 4, "b": 3}, "e1.5", {"b"}, set()),
        ({"a": 6, "b": 7}, "e1.7", {"a", "b"}, set()),
        ({"b": 3}, "e1.6", {"b"}, {"a"}),
        ({"b": 3}, "e1.5", {"b"}, {"a"}),
        ({"b": 3}, "e1.4", {"b"}, set()),  # it was read before the vehicle was added
        ({}, None, set(), {"a", "b"}),
    ],
)
def test_delivered_snapshot_keeps_what_is_newer(order: RecordOrder, revisions, cursor, updated, removed):
    assert apply_snapshot(order, revisions, cursor) == (updated, removed)


def test_delivered_snapshot_after_a_gap_replaces_newer_revisions(order: RecordOrder):
    assert apply_snapshot(order, {"a": 2, "b": 1}, "e1.2", gap=True) == ({"a", "b"}, set())
    assert order.accept_record("a", 3, since=None)


@pytest.mark.parametrize("gap", [False, True])
def test_snapshot_keeps_what_was_received_after_its_request(order: RecordOrder, *, gap: bool):
    since = order.mark()
    order.accept_record("a", 8, since=None)
    order.accept_record("c", 7, since=None)
    order.accept_removal("b", "e1.9", since=None)
    assert apply_snapshot(order, {"a": 5, "b": 3}, since=since, gap=gap) == (set(), set())
    assert apply_snapshot(order, {"a": 8}, since=order.mark()) == ({"a"}, {"c"})


def test_snapshot_after_a_gap_replaces_newer_revisions(order: RecordOrder):
    """The relay says that its feed doesn't reach our position: its database was restored in the same epoch."""
    assert apply_snapshot(order, {"a": 2}, since=order.mark()) == (set(), {"b"})
    assert apply_snapshot(order, {"a": 2}, since=order.mark(), gap=True) == ({"a"}, set())
    assert order.accept_record("a", 3, since=None)


@pytest.mark.parametrize(("epoch", "cursor"), [("e2", None), (None, "e2.2"), ("e2", "e2.2"), ("e1", "e2.2")])
@pytest.mark.parametrize("is_requested", [True, False])
def test_new_epoch_replaces_everything(
    order: RecordOrder, epoch: str | None, cursor: str | None, *, is_requested: bool
):
    since = order.mark() if is_requested else None
    assert apply_snapshot(order, {"a": 2}, cursor, epoch=epoch, since=since) == ({"a"}, {"b"})
    assert order.accept_record("a", 3, since=None)
    assert order.is_foreign("e0.9")


def test_response_from_before_the_epoch_is_ignored(order: RecordOrder):
    since = order.mark()
    order.accept_record("a", 6, since=None)
    apply_snapshot(order, {"a": 2}, "e2.2", epoch="e2")
    assert apply_snapshot(order, {"a": 6}, epoch="e1", since=since) is None
    assert order.is_foreign("e1.7")


def test_snapshot_without_epoch_obeys_the_revisions(order: RecordOrder):
    assert apply_snapshot(order, {"a": 4, "b": 4}, epoch=None, since=order.mark()) == ({"b"}, set())


@pytest.mark.parametrize(("cursor", "expected"), [("e1.4", False), ("e1.5", False), ("e1.6", True), (None, True)])
def test_delivered_removal_removes_only_older_records(order: RecordOrder, cursor: str | None, *, expected: bool):
    assert order.accept_removal("a", cursor, since=None) is expected


def test_removed_vehicle_returns_only_with_something_newer(order: RecordOrder):
    assert order.accept_removal("a", "e1.8", since=None)
    assert not order.accept_record("a", 7, since=None)
    assert apply_snapshot(order, {"a": 7, "b": 3}, "e1.7") == ({"b"}, set())
    assert order.accept_record("a", 9, since=None)


def test_stream_is_in_order(order: RecordOrder):
    since = order.mark()
    assert order.accept_removal("a", "e1.1", since=since)
    assert order.accept_record("a", 2, since=since)


@pytest.mark.parametrize("heard", ["record", "removal", "snapshot"])
def test_storage_never_beats_what_was_received(heard: str):
    order = RecordOrder()
    if heard == "record":
        order.accept_record("a", 4, since=None)
    elif heard == "removal":
        order.accept_removal("a", "e1.4", since=None)
    else:
        apply_snapshot(order, {}, "e1.4")
    assert order.restore({"a": 50, "b": 3}) == ({"b"} if heard != "snapshot" else set())


def test_everything_that_is_received_beats_storage():
    for receive in (
        lambda order: order.accept_record("a", 1, since=None),
        lambda order: order.accept_removal("a", "e1.1", since=None),
        lambda order: apply_snapshot(order, {"a": 1}, "e1.1") == ({"a"}, {"b"}),
        lambda order: apply_snapshot(order, {"a": 1}, since=order.mark()) == ({"a"}, {"b"}),
    ):
        order = RecordOrder()
        assert order.restore({"a": 50, "b": 60}) == {"a", "b"}
        assert receive(order)


def test_position_is_the_newest_revision(order: RecordOrder):
    assert order.get_position() == "e1.5"
    order.accept_record("b", 12, since=None)
    assert order.get_position() == "e1.12"
    assert RecordOrder().get_position() is None


@dataclass
class World:
    """A relay with a feed, one poll and one POST at a time on their way, and the client that receives them."""

    seq: int = 0
    truth: dict[str, int] = field(default_factory=dict)
    removals: dict[str, int] = field(default_factory=dict)
    order: RecordOrder = field(default_factory=RecordOrder)
    client: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    """By vehicle, the newest revision that was received, negative if that was its removal."""
    since: int | None = None
    response: tuple[int, dict[str, int], dict[str, int]] | None = None
    post: tuple[int, dict[str, int], dict[str, int]] | None = None

    def change(self, id_: str) -> None:
        self.seq += 1
        self.truth[id_] = self.seq

    def remove(self, id_: str) -> None:
        if id_ in self.truth:
            self.seq += 1
            del self.truth[id_]
            self.removals[id_] = self.seq

    def request(self, _id: str) -> None:
        self.since, self.response = self.order.mark(), None

    def read_response(self, _id: str) -> None:
        if self.since is not None:
            self.response = self._read()

    def respond(self, _id: str) -> None:
        if self.since is not None and self.response is not None:
            self._receive(self.response, None, self.since)
            self.since = self.response = None

    def read_post(self, _id: str) -> None:
        self.post = self._read()

    def deliver(self, _id: str) -> None:
        if self.post is not None:
            self._receive(self.post, f"e1.{self.post[0]}", None)
            self.post = None

    def _read(self) -> tuple[int, dict[str, int], dict[str, int]]:
        return self.seq, dict(self.truth), dict(self.removals)

    def _receive(self, read: tuple[int, dict[str, int], dict[str, int]], cursor: str | None, since: int | None) -> None:
        _, revisions, removals = read
        changes = self.order.accept_snapshot(revisions, "e1", cursor, since=since)
        assert changes is not None
        for id_, revision in {**{id_: -seq for id_, seq in removals.items()}, **revisions}.items():
            if abs(revision) > abs(self.received.get(id_, 0)):
                self.received[id_] = revision
        self.client |= {id_: revisions[id_] for id_ in changes.updated}
        for id_ in changes.removed:
            self.client.pop(id_, None)
        self._check()

    def _check(self) -> None:
        """A vehicle that is known to exist is shown, with its newest revision."""
        known = {id_: revision for id_, revision in self.received.items() if revision > 0}
        assert known.items() <= self.client.items()


STEPS = ("change", "remove", "request", "read_response", "respond", "read_post", "deliver")


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from("ab")), max_size=40))
def test_any_order_of_arrival_ends_with_the_truth(steps: list[tuple[str, str]]):
    """A POST overtakes a poll, and the reverse. Nothing newer is lost, and the next poll tells the truth."""
    world = World()
    for step, vehicle_id in steps:
        getattr(world, step)(vehicle_id)
    for step in ("request", "read_response", "respond"):
        getattr(world, step)("")
    assert world.client == world.truth
