"""The order of what the relay reports: a record never replaces a newer one, whatever channel and order they arrive in.

Revisions are sequence numbers of the account's feed. They grow, and fall only when the relay's database was restored
from a backup: then a snapshot names a new epoch, or has a `gap` because the relay can't continue from our position.
Only a snapshot starts an epoch, because it replaces everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .client import split_cursor

_STORED: Final = 0
"""`received_at` of a record from storage. It is older than everything that was received in this run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotChanges:
    """What a snapshot changes: the vehicles whose records it replaces or adds, and those that it removes."""

    updated: frozenset[str]
    removed: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _KnownVehicle:
    """The newest that is known of a vehicle. `received_at` counts the changes; it isn't a time.

    `revision` of a vehicle that is gone: the sequence number of its removal.
    """

    revision: int
    received_at: int
    is_gone: bool = False


_UNKNOWN: Final = _KnownVehicle(revision=0, received_at=_STORED)


class RecordOrder:
    """Decides whether a message is newer than what is known.

    `since` is what `mark` returned when the message was requested, for a poll or a stream. It is None for a delivery
    to the webhook, which wasn't requested: its cursor shows how recent it is.
    """

    def __init__(self) -> None:
        self._known: dict[str, _KnownVehicle] = {}
        self._epochs: frozenset[str] = frozenset()
        self._epoch_since = _STORED
        self._count = _STORED

    def mark(self) -> int:
        """Return a mark for `since`: everything until now was received before the request that follows."""
        return self._count

    def restore(self, revisions: Mapping[str, int]) -> frozenset[str]:
        """Add vehicles from storage. Return those of which nothing was received in this run."""
        missing = frozenset() if self._epochs else revisions.keys() - self._known.keys()
        self._known |= {id_: _KnownVehicle(revision=revisions[id_], received_at=_STORED) for id_ in missing}
        return frozenset(missing)

    def get_position(self) -> str | None:
        """Return the cursor of the newest record, so that a relay can say whether its feed goes that far."""
        if len(self._epochs) != 1:
            return None
        return f"{next(iter(self._epochs))}.{max((known.revision for known in self._known.values()), default=0)}"

    def is_foreign(self, cursor: str | None) -> bool:
        """Return whether a message that isn't a snapshot belongs to another epoch: one that has ended."""
        epoch, _ = split_cursor(cursor)
        return epoch is not None and bool(self._epochs) and epoch not in self._epochs

    def accept_record(self, id_: str, revision: int, *, since: int | None) -> bool:
        """Return whether a single record is newer than what is known of its vehicle."""
        known = self._known.get(id_)
        if known is not None and known.received_at != _STORED and revision <= known.revision:
            has_returned = known.is_gone and since is not None  # a stream sends in order
            if not has_returned:
                return False
        self._set(id_, revision)
        return True

    def accept_removal(self, id_: str, cursor: str | None, *, since: int | None) -> bool:
        """Return whether a removal is newer than what is known of the vehicle."""
        known = self._known.get(id_, _UNKNOWN)
        epoch, seq = split_cursor(cursor)
        if since is None and epoch is not None and known.received_at != _STORED and seq <= known.revision:
            return False
        self._set(id_, max(known.revision, seq), is_gone=True)
        return True

    def accept_snapshot(
        self,
        revisions: Mapping[str, int],
        epoch: str | None,
        cursor: str | None,
        *,
        since: int | None,
        gap: bool = False,
    ) -> SnapshotChanges | None:
        """Return what a snapshot changes. None for a response that was requested before the present epoch began.

        `cursor` is the position that the snapshot is complete to, if it has one. `epoch` is the one in its body; either
        of them starts a new epoch. With a `gap`, newer revisions are replaced too, except those that were received
        after the request.
        """
        cursor_epoch, seq = split_cursor(cursor)
        epochs = frozenset(name for name in (epoch, cursor_epoch) if name is not None)
        if self._epochs and not epochs <= self._epochs:
            if since is not None and since < self._epoch_since:
                return None
            return self._start_epoch(epochs, revisions)
        self._epochs |= epochs
        position = None if cursor_epoch is None or since is not None else seq
        replaceable_since = (self._count if since is None else since) if gap else _STORED
        updated = frozenset(
            id_
            for id_, revision in revisions.items()
            if self._is_current(id_, revision, since)
            or (id_ in self._known and self._known[id_].received_at <= replaceable_since)
        )
        absent = [id_ for id_, known in self._known.items() if not known.is_gone and id_ not in revisions]
        removed = frozenset(id_ for id_ in absent if self._is_removed(self._known[id_], position, since))
        for id_ in updated:
            self._set(id_, revisions[id_])
        for id_ in removed:
            self._set(id_, max(self._known[id_].revision, position or 0), is_gone=True)
        return SnapshotChanges(updated=updated, removed=removed)

    def _start_epoch(self, epochs: frozenset[str], revisions: Mapping[str, int]) -> SnapshotChanges:
        gone = frozenset(id_ for id_, known in self._known.items() if not known.is_gone) - revisions.keys()
        self._known = {}
        for id_, revision in revisions.items():
            self._set(id_, revision)
        self._epochs, self._epoch_since = epochs, self._count
        return SnapshotChanges(updated=frozenset(revisions), removed=gone)

    def _is_current(self, id_: str, revision: int, since: int | None) -> bool:
        """Return whether a snapshot's record is at least as new as what is known of its vehicle."""
        known = self._known.get(id_)
        if known is None or known.received_at == _STORED:
            return True
        if known.is_gone:
            return revision > known.revision or (since is not None and known.received_at <= since)
        return revision >= known.revision

    def _is_removed(self, known: _KnownVehicle, position: int | None, since: int | None) -> bool:
        """Return whether a vehicle that a snapshot lacks is gone, and not one that is newer than the snapshot."""
        if known.received_at == _STORED:
            return True
        if since is not None:
            return known.received_at <= since
        return position is None or known.revision <= position

    def _set(self, id_: str, revision: int, *, is_gone: bool = False) -> None:
        self._count += 1
        self._known[id_] = _KnownVehicle(revision=revision, received_at=self._count, is_gone=is_gone)
